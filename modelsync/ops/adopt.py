"""Adopt: what other tools' caches have of locked models is taken into the store, on purpose. No network."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import LockfileError, ModelsyncError
from modelsync.fetch import adopt
from modelsync.fetch.blobs import fetch
from modelsync.fetch.places import Brought, NeighbourPlace
from modelsync.fetch.wanted import WantedFile, wanted_files
from modelsync.spec.lock import read as lock_reader
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.store import blobs, roots, small_files


class Adoptable(NamedTuple):
    """A locked file that the store lacks, and where another tool may have it.

    Attributes:
        model: The model's name.
        path: The file's path in its repo, or its name.
        sha256: Its digest, in hex.
        bytes: Its size.
        place: The place in words; None: no other tool seems to have it.
        found: The file there.
    """

    model: str
    path: str
    sha256: str
    bytes: int
    place: str | None = None
    found: Path | None = None


class AdoptReport(NamedTuple):
    """What could be taken, what was, and notes for a person."""

    rows: tuple[Adoptable, ...]
    taken: tuple[Brought, ...] = ()
    notes: tuple[str, ...] = ()


def adopt_locked(context: Context, lock_paths: Sequence[Path], *, dry_run: bool = False) -> AdoptReport:
    """Takes what other tools have of the models of some locks, all variants, and what the store lacks.

    A file of theirs that has other bytes than the lock says is left out.

    Args:
        context: What to work with.
        lock_paths: The locks.
        dry_run: Take nothing; say what could be.

    Raises:
        LockfileError: a lock is not there, cannot be read, or contradicts itself.
        DiskFullError: there is no room for what has to be copied.
    """
    locks = [(path, read_lock(path)) for path in lock_paths]
    rows: dict[str, Adoptable] = {}
    needs: list[WantedFile] = []
    for path, lock in locks:
        for model in lock.models:
            missing = [file for file in _missing(context, model) if file.sha256 not in rows]
            for file in missing:
                row = Adoptable(model.name, file.path, file.sha256, file.size)
                for candidate in adopt.find(context, file)[:1]:
                    row = row._replace(place=candidate.place, found=candidate.path)
                rows[file.sha256] = row
            offered = [file for file in missing if rows[file.sha256].found is not None]
            needs += wanted_files(context, model, offered, path.parent)
    report = AdoptReport(tuple(rows.values()))
    if dry_run or not needs:
        return report
    for path, lock in locks:
        roots.write(context.store, path, lock.digests, named=lock.digests)

    def passed_over(need: WantedFile, error: ModelsyncError) -> None:
        context.detail(f"{need.label}: {error.message}")

    done = fetch(context, needs, on_error=passed_over, tried=(NeighbourPlace(context),))
    return report._replace(taken=done.brought, notes=done.notes)


def read_lock(path: Path) -> Lock:
    """A lock, wherever it is.

    Raises:
        LockfileError: it is not there, cannot be read, or contradicts itself.
    """
    try:
        text = small_files.read(path, lock_reader.MAX_TEXT).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LockfileError(f"cannot read {path}: {why}", hint="`modelsync lock` writes one") from None
    return lock_reader.parse(text, where=str(path))


def _missing(context: Context, model: LockedModel) -> list[LockedFile]:
    return [file for file in model.files if blobs.state(context.store, file.sha256, file.size) == "missing"]

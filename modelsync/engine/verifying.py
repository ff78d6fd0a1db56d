"""Verify: what is on this machine is hashed again, against the seals or against the lock's own digests."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.engine import plan, selecting
from modelsync.engine.context import Context
from modelsync.engine.fetching import label
from modelsync.engine.project import Project
from modelsync.engine.selecting import Groups
from modelsync.errors import NotSyncedError, StaleLockError
from modelsync.spec.blocks import count
from modelsync.spec.lockfile import LockedFile
from modelsync.store import blobs, checking, links, receipts, seal

Status = Literal["ok", "missing", "damaged"]


class Row(NamedTuple):
    """One file that was looked at: whose, what it is called, how it is, and where it is."""

    name: str
    variant: str | None
    file: str
    status: Status
    size: int
    path: Path | None


def verify(
    context: Context,
    project: Project,
    names: Sequence[str] = (),
    *,
    full: bool = False,
    variant: str | None = None,
) -> tuple[Row, ...]:
    """Hashes the files of models that are here, in the store and in the project's folder.

    A damaged file is not trusted from then on: the next sync fetches a blob anew, and puts a link there anew.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models; empty: all that the lock has and that were synced, each with any of its variants.
        full: Hash with SHA-256 against the lock, not with BLAKE3 against the seal.
        variant: The variant of the models that have it.

    Raises:
        StaleLockError: there is no lock.
        NotSyncedError: a model that was named is not in the lock.
    """
    manifest, lock = project.read_manifest(), project.read_lock()
    if lock is None:
        raise StaleLockError(f"there is no {project.lock_path}", hint="run `modelsync sync`")
    groups = None if names else Groups(everything=True)
    entries = selecting.select(manifest, names, groups, variant or context.settings.variant)
    folder = project.folder(manifest)
    rows: list[Row] = []
    stored: dict[str, Status] = {}
    for entry in entries:
        model = lock.find(entry.name, entry.variant)
        if model is None:
            raise NotSyncedError(
                f"{entry.name} is not in {project.lock_path.name}", hint="run `modelsync sync`"
            )
        for file, target in plan.link_targets(model):
            told = context.teller(label(model.name, file.path), file.size, "checking")
            blob = blobs.look(context.store, file.sha256).path
            if file.sha256 not in stored:
                verdict = checking.verify(context.store, file.sha256, full=full, on_bytes=told)
                stored[file.sha256] = "ok" if verdict.state == "good" else verdict.state
            rows.append(Row(model.name, model.variant, file.path, stored[file.sha256], file.size, blob))
            if folder is not None and (linked := folder / target).is_file() and not _same(linked, blob):
                status: Status = "ok" if _is(context, linked, file, full=full, told=told) else "damaged"
                if status == "damaged":
                    links.distrust(folder, target)
                rows.append(Row(model.name, model.variant, target, status, file.size, linked))
    return tuple(rows)


def _is(context: Context, path: Path, file: LockedFile, *, full: bool, told: Callable[[int], None]) -> bool:
    """Whether a file in the project's folder has the bytes that the lock names."""
    if path.stat().st_size != file.size:
        return False
    receipt = receipts.read(context.store.root, file.sha256)
    known = None if full or receipt is None or receipt.damaged else receipt.seal or receipt.blake3
    if known is None or (receipt is not None and receipt.seal is None and count(file.size) > 1):
        return seal.sha256_of(path, on_bytes=told) == file.sha256
    return seal.blocks_of(path, on_bytes=told).seal == known


def _same(path: Path, blob: Path | None) -> bool:
    return blob is not None and path.samefile(blob)

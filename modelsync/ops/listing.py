"""What is wanted, locked and here: one row for each entry of the manifest. No network, no hashing."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.context import Context
from modelsync.install import present
from modelsync.project import freshness
from modelsync.project.model_files import of_model
from modelsync.project.project import Project
from modelsync.spec.labels import quant_of
from modelsync.spec.lock.model import LockedModel
from modelsync.store import blobs, digest_lock, link_record
from modelsync.transfer.received import received

State = Literal[present.State, "old", "unlinked", "stale", "unlocked"]


class ModelStatus(NamedTuple):
    """One entry.

    Attributes:
        name: Its name.
        variant: Its variant, or None.
        uri: What the manifest asks for.
        quant: The quant of the model's file, or None where its name tells none.
        size: Bytes of all its files, or None while it is not locked.
        revision: The commit that is locked, or None.
        groups: Its groups.
        state: `unlocked` and `stale` are about the lock; `here`, `partial`, `missing` and `damaged` (found so, or of
            the wrong size) about this machine; `old` and `unlinked` about the project's folder: it has what an earlier
            lock said, or lacks what the store has.
        arrived: Bytes of its files that are here, those of a download that broke off too; None while it is not locked.
        path: What would be loaded, when it is here: a file, or the folder of a folder model.
        files: How many files it has, or None while it is not locked.
    """

    name: str
    variant: str | None
    uri: str
    quant: str | None
    size: int | None
    revision: str | None
    groups: tuple[str, ...]
    state: State
    path: Path | None = None
    files: int | None = None
    arrived: int | None = None


class _Folder(NamedTuple):
    """The project's folder: where it is, what was put there, and what the record calls the project."""

    path: Path
    records: Mapping[str, link_record.Record]
    owner: str


def rows(context: Context, project: Project, names: Collection[str] = ()) -> tuple[ModelStatus, ...]:
    """A row for each entry of the manifest, in its order, variants behind what they vary.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models; none: all.

    Raises:
        NotFoundError: the manifest has no such name.
    """
    project = project.loaded()
    manifest, lock = project.manifest, project.lock
    for name in names:
        manifest.entry(name)
    place = project.folder(manifest)
    folder = _Folder(place, link_record.owned(place), project.called_in(place)) if place is not None else None
    locked = lock.by_key if lock else {}
    wanted: dict[str, set[str]] = {}
    for model in locked.values():
        wanted.setdefault(model.name, set()).update(file.sha256 for file in model.files)
    found = []
    for entry in manifest.entries:
        if names and entry.name not in names:
            continue
        row = ModelStatus(
            entry.name, entry.variant, str(entry.request.uri), None, None, None, entry.groups, "unlocked"
        )
        if (locked_model := locked.get(entry.key)) is not None:
            row = _of_locked(context, row, locked_model, folder, wanted[entry.name])
            if not freshness.answers(locked_model, entry):
                row = row._replace(state="stale")
        found.append(row)
    return tuple(found)


def _of_locked(
    context: Context, row: ModelStatus, model: LockedModel, folder: _Folder | None, wanted: Collection[str]
) -> ModelStatus:
    """The row of an entry that the lock has.

    Args:
        context: What to work with.
        row: What the manifest says of it.
        model: Its model in the lock.
        folder: The project's, if it has one.
        wanted: The digests of all variants of that name.
    """
    place, records = (folder.path, folder.records) if folder is not None else (None, {})
    ready = present.paths(context, place, model, records)
    state: State = present.state(context, model, ready, place, records)
    size = sum(file.size for file in model.files)
    arrived = size if state == "here" else _arrived(context, model)
    if folder is not None and not (ready and Path(ready[0]).is_relative_to(folder.path.absolute())):
        if state in ("here", "missing") and _has_old(folder, model.name, wanted):
            state = "old"
        elif state == "here":
            state = "unlinked"
    if state in ("missing", "old") and 0 < arrived < size:
        state = "partial"
    return row._replace(
        quant=None if model.is_folder else quant_of(model.files[0].path),
        size=size,
        revision=model.revision,
        state=state,
        path=of_model(model.files, ready).model if ready is not None else None,
        files=len(model.files),
        arrived=arrived,
    )


def _has_old(folder: _Folder, name: str, wanted: Collection[str]) -> bool:
    """Whether a file of that model still stands in the folder which no variant of it in the lock has any more."""
    return any(
        path.startswith(f"{name}/")
        and put.owner == folder.owner
        and put.sha256 not in wanted
        and link_record.intact(folder.path, path, put)
        for path, put in folder.records.items()
    )


def _arrived(context: Context, model: LockedModel) -> int:
    """The bytes of a model's files that are in the store, whole or on their way."""
    count = 0
    for file in {file.sha256: file for file in model.files}.values():
        if blobs.state(context.store, file.sha256, file.size) == "here":
            count += file.size
        else:
            count += min(file.size, received(digest_lock.partial_of(context.store, file.sha256)))
    return count

"""Answers whether a locked model is on this machine, and where. Stats and small files; hashes nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from modelsync.context import Context
from modelsync.errors import ModelsyncError
from modelsync.fetch.wanted import WantedFile, blob_of, label, wanted_files
from modelsync.install import plan
from modelsync.project.lookup import LockedEntry
from modelsync.project.project import Project
from modelsync.sources.base import Found
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.roles import Role
from modelsync.store import link_record, receipts, views
from modelsync.store.layout import Store
from modelsync.store.link_record import Record
from modelsync.transfer.jobs import Segment

State = Literal["here", "partial", "missing"]

_NAMES = ("hardlink", "symlink")  # a link of these modes is the blob itself


def paths(
    context: Context,
    folder: Path | None,
    model: LockedModel,
    records: Mapping[str, Record] | None = None,
) -> Sequence[Path] | None:
    """The paths of a model's files: in the project's folder, else in the store; None where they are in neither.

    A file in the folder counts by its size, unless the folder's record says that it is something else (a new lock may
    name another file of the same size), or that it is one more name of a blob that was found damaged.

    Args:
        context: What to work with.
        folder: The project's; None: it has none.
        model: The model.
        records: The folder's record, if it was read.
    """
    return (folder and _in_folder(context.store, folder, model, records)) or in_store(context, model.files)


def in_store(context: Context, files: Sequence[LockedFile]) -> Sequence[Path] | None:
    """The paths of a model's files in the store, under their own names; None where they are not all ready there."""
    return views.ready(context.store, files)


def state(context: Context, model: LockedModel, ready: Sequence[Path] | None) -> State:
    """How much of a model is here; `ready` is what `paths` said."""
    if ready is not None:
        return "here"
    found = [blob_of(context, file) is not None for file in model.files]
    return "here" if all(found) else "partial" if any(found) else "missing"


def files_of(context: Context, project: Project, known: LockedEntry) -> tuple[WantedFile, ...]:
    """The files of a locked model: where they are on this machine, else at their source."""
    model = known.model
    ready = paths(context, project.folder(known.manifest), model)
    if ready is not None:
        return tuple(
            local_file(model.name, file.role, path) for file, path in zip(model.files, ready, strict=True)
        )
    return tuple(wanted_files(context, model, model.files, project.root))


def local_file(name: str, role: Role, path: Path) -> WantedFile:
    """A file of this machine."""
    file = Found(role, path.name, path.absolute().as_uri(), None, None)
    return WantedFile(label(name, path.name), file, (Segment(file.url or ""),), _unchanged)


def _in_folder(
    store: Store, folder: Path, model: LockedModel, records: Mapping[str, Record] | None
) -> Sequence[Path] | None:
    """The files as `<folder>/<name>/<file>`, when all are there and, as far as can be told, what is locked."""
    wanted = [(file, path, folder / path) for file, path in plan.link_targets(model)]
    try:
        seen = [place.stat() for _, _, place in wanted]
    except OSError:
        return None
    if any(stat.st_size != file.size for (file, _, _), stat in zip(wanted, seen, strict=True)):
        return None
    if records is None:
        records = link_record.owned(folder)
    for (file, path, _), stat in zip(wanted, seen, strict=True):
        put = records.get(path)
        if put is not None and put.sha256 != file.sha256:
            return None
        if put is not None and put.mode in _NAMES and receipts.condemned(store, file.sha256, stat):
            return None
    return [place.absolute() for _, _, place in wanted]


def _unchanged(error: ModelsyncError) -> ModelsyncError:
    return error

"""Is this file here, and is it the right one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import ModelsyncError
from modelsync.fetch.wanted import Need, label, needs_of
from modelsync.install import plan
from modelsync.project.lookup import Known
from modelsync.project.project import Project
from modelsync.sources.base import Found
from modelsync.spec.lock.model import LockedModel, Role
from modelsync.store import link_record, receipts, views
from modelsync.store.layout import Store
from modelsync.store.link_record import Record
from modelsync.transfer.jobs import Segment

_NAMES = ("hardlink", "symlink")  # what is put so is the blob itself


def here(
    context: Context,
    folder: Path | None,
    model: LockedModel,
    records: Mapping[str, Record] | None = None,
) -> Sequence[Path] | None:
    """The paths of a model's files in the project's folder, else in a view; None where they are in neither.

    What stands in the folder counts by its size, unless the record of what modelsync put there says that it is
    something else: a new lock may name another file of the same size; or that it is one more name of a blob that was
    found damaged. `records` is that record, if it was read.
    """
    return (folder and _in_folder(context.store, folder, model, records)) or views.ready(
        context.store, model.files
    )


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


def needs(context: Context, project: Project, known: Known) -> tuple[Need, ...]:
    """The files of a locked model: where they are on this machine, else at their source."""
    model = known.model
    ready = here(context, project.folder(known.manifest), model)
    if ready is not None:
        return tuple(
            _local(model.name, file.role, path) for file, path in zip(model.files, ready, strict=True)
        )
    return tuple(needs_of(context, model, model.files, project.root))


def _local(name: str, role: Role, path: Path) -> Need:
    """A file of this machine."""
    file = Found(role, path.name, path.absolute().as_uri(), None, None)
    return Need(label(name, path.name), file, (Segment(file.url or ""),), _as_it_is)


def _as_it_is(error: ModelsyncError) -> ModelsyncError:
    return error

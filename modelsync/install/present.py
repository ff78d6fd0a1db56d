"""Answers whether a locked model is on this machine, and where.

Stats and small files. `right_paths` alone hashes: what neither a record nor a receipt describes, once.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from modelsync.context import Context
from modelsync.errors import ModelsyncError
from modelsync.fetch.wanted import WantedFile, label, wanted_files
from modelsync.install import plan, trust
from modelsync.project.lookup import LockedEntry
from modelsync.project.project import Project
from modelsync.sources.base import Found
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.roles import Role
from modelsync.store import blobs, link_record, receipts, views
from modelsync.store.link_record import Record
from modelsync.transfer.jobs import Segment

State = Literal["here", "partial", "missing", "damaged"]


def paths(
    context: Context,
    folder: Path | None,
    model: LockedModel,
    records: Mapping[str, Record] | None = None,
) -> Sequence[Path] | None:
    """The paths of a model's files: in the project's folder, else in the store; None where they are in neither.

    A file in the folder counts by its size, unless something tells that it is not what is locked. So this serves to
    look into a file; who is given one gets it from `right_paths`.

    Args:
        context: What to work with.
        folder: The project's; None: it has none.
        model: The model.
        records: The folder's record, if it was read.
    """
    return (folder and _in_folder(context, folder, model, records)) or in_store(context, model.files)


def right_paths(
    context: Context,
    folder: Path | None,
    model: LockedModel,
    records: Mapping[str, Record] | None = None,
) -> Sequence[Path] | None:
    """Like `paths`, and each file is what is locked: a record or a receipt describes it, or it was hashed.

    What it was found to be is remembered. With `MODELSYNC_VERIFY=size` the size suffices for what nothing describes.
    """
    right = folder and _in_folder(context, folder, model, records, check=not context.settings.trust_size)
    return right or right_in_store(context, model)


def right_in_store(context: Context, model: LockedModel) -> Sequence[Path] | None:
    """Like `in_store`; where the store cannot be written, what no receipt describes is hashed and remembered."""
    ready = in_store(context, model.files)
    if ready is not None or _can_write(context.store.root):
        return ready
    for files in views.candidates(context.store, model.files):
        if all(_is_right(context, model, path, file) for path, file in zip(files, model.files, strict=True)):
            return files
    return None


def in_store(context: Context, files: Sequence[LockedFile]) -> Sequence[Path] | None:
    """The paths of a model's files in the store, under their own names; None where they are not all ready there."""
    return views.ready(context.store, files)


def state(
    context: Context,
    model: LockedModel,
    ready: Sequence[Path] | None,
    folder: Path | None = None,
    records: Mapping[str, Record] = {},
) -> State:
    """How much of a model is here, and whether any of it is known to be damaged.

    Args:
        context: What to work with.
        model: The model.
        ready: What `paths` said.
        folder: The project's; None: only the store counts.
        records: The folder's record.
    """
    if ready is not None:
        return "here"
    found = [blobs.look(context.store, file.sha256, file.size) for file in model.files]
    if any(
        seen.path is not None and _is_damaged(context, file, seen.path)
        for file, seen in zip(model.files, found, strict=True)
    ):
        return "damaged"
    here = [seen.state == "here" for seen in found]
    if folder is not None and not all(here):
        places = ((path, records.get(path)) for _, path in plan.link_targets(model))
        if any(put and put.rotten and link_record.intact(folder, path, put) for path, put in places):
            return "damaged"
    return "here" if all(here) else "partial" if any(here) else "missing"


def files_of(context: Context, project: Project, known: LockedEntry) -> tuple[WantedFile, ...]:
    """The files of a locked model: where they are on this machine, else at their source."""
    model = known.model
    ready = paths(context, project.folder(known.manifest), model)
    if ready is not None:
        return tuple(
            local_file(model.name, file.role, path, file.path)
            for file, path in zip(model.files, ready, strict=True)
        )
    return tuple(wanted_files(context, model, model.files, project.root))


def local_file(name: str, role: Role, place: Path, path: str | None = None) -> WantedFile:
    """A file of this machine.

    Args:
        name: The model's name.
        role: Its role in the model.
        place: Where it is.
        path: What it is called in its repo; None: by its base name.
    """
    file = Found(role, path or place.name, place.absolute().as_uri(), None, None)
    return WantedFile(label(name, file), file, (Segment(file.url or ""),), _unchanged)


def _in_folder(
    context: Context,
    folder: Path,
    model: LockedModel,
    records: Mapping[str, Record] | None,
    *,
    check: bool = False,
) -> Sequence[Path] | None:
    """The files as `<folder>/<name>/<file>`, when all are there and none is known to be something else.

    Args:
        context: What to work with.
        folder: The project's.
        model: The model.
        records: The folder's record, if it was read.
        check: Whether a file of which nothing is known is hashed.
    """
    return _standing_right(context, folder, model.name, list(plan.link_targets(model)), records, check=check)


def right_in_folder(
    context: Context, folder: Path, name: str, wanted: Sequence[tuple[LockedFile, str]]
) -> Sequence[Path] | None:
    """The paths of a model's files in any folder, when all are there and each is what is locked; see `right_paths`.

    Args:
        context: What to work with.
        folder: The folder.
        name: The model's name.
        wanted: Its files, each with its path in the folder.
    """
    return _standing_right(context, folder, name, wanted, None, check=not context.settings.trust_size)


def _standing_right(
    context: Context,
    folder: Path,
    name: str,
    wanted: Sequence[tuple[LockedFile, str]],
    records: Mapping[str, Record] | None,
    *,
    check: bool,
) -> Sequence[Path] | None:
    if not all(os.path.lexists(f"{folder}{os.sep}{path}") for _, path in wanted[:1]):
        return None
    if records is None:
        records = link_record.owned(folder)
    for file, path in wanted:
        verdict, seen = trust.verdict(context.store, folder, path, file, records)
        if verdict == "bad" or seen is None or (verdict == "suspect" and check):
            return None
        if verdict == "unknown" and check:
            from modelsync.install import check as install_check

            if not install_check.is_locked(context, folder, path, name, file):
                return None
    return [(folder / path).absolute() for _, path in wanted]


def _can_write(folder: Path) -> bool:
    """Whether this user may write into a folder, or make it."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return os.access(there, os.W_OK)


def _is_right(context: Context, model: LockedModel, path: Path, file: LockedFile) -> bool:
    """Whether a file of a store that cannot be written is what is locked."""
    seen = path.stat()
    told = receipts.opinion(context.store, file.sha256, seen)
    if told in ("good", "damaged"):
        return told == "good"
    if context.settings.trust_size:
        return True
    from modelsync.install import check as install_check
    from modelsync.store import checked

    known = checked.recall(context.store, None, str(path), seen)
    if known is not None:
        return known == file.sha256
    return install_check.is_locked(context, None, str(path), model.name, file)


def _is_damaged(context: Context, file: LockedFile, blob: Path) -> bool:
    """Whether a blob is known to be damaged: it was found so, or has another size."""
    try:
        seen = blob.stat()
    except OSError:
        return False
    return seen.st_size != file.size or receipts.opinion(context.store, file.sha256, seen) == "damaged"


def _unchanged(error: ModelsyncError) -> ModelsyncError:
    return error

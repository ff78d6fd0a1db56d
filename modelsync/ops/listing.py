"""What is wanted, locked and here: one row for each entry of the manifest. No network, no hashing."""

from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.context import Context
from modelsync.install import present
from modelsync.project import freshness
from modelsync.project.model_files import of_model
from modelsync.project.project import Project
from modelsync.spec.labels import quant_of
from modelsync.store import link_record

State = Literal[present.State, "stale", "unlocked"]


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
            the wrong size) about this machine.
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


def rows(context: Context, project: Project) -> tuple[ModelStatus, ...]:
    """A row for each entry of the manifest, in its order, variants behind what they vary."""
    project = project.loaded()
    manifest, lock = project.manifest, project.lock
    folder = project.folder(manifest)
    records = link_record.owned(folder) if folder is not None else {}
    locked = lock.by_key if lock else {}
    found = []
    for entry in manifest.entries:
        model = locked.get(entry.key)
        row = ModelStatus(
            entry.name, entry.variant, str(entry.request.uri), None, None, None, entry.groups, "unlocked"
        )
        if model is not None:
            ready = present.paths(context, folder, model, records)
            state: State = present.state(context, model, ready, folder, records)
            row = row._replace(
                quant=None if model.is_folder else quant_of(model.files[0].path),
                size=sum(file.size for file in model.files),
                revision=model.revision,
                state=state if freshness.answers(model, entry) else "stale",
                path=of_model(model.files, ready).model if ready is not None else None,
                files=len(model.files),
            )
        found.append(row)
    return tuple(found)

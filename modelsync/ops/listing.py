"""What is wanted, locked and here: one row for each entry of the manifest. No network, no hashing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.context import Context
from modelsync.install import present
from modelsync.project.project import Project
from modelsync.spec.choose import quant_of
from modelsync.spec.lock.model import LockedModel
from modelsync.store import blobs, link_record

State = Literal["here", "missing", "partial", "stale", "unlocked"]


class Row(NamedTuple):
    """One entry.

    Attributes:
        name: Its name.
        variant: Its variant, or None.
        uri: What the manifest asks for.
        quant: The quant of the model's file, or None where its name tells none.
        size: Bytes of all its files, or None while it is not locked.
        revision: The commit that is locked, or None.
        groups: Its groups.
        state: `unlocked` and `stale` are about the lock; `here`, `partial` and `missing` about this machine.
        path: What llama.cpp would load, when it is here.
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


def rows(context: Context, project: Project) -> tuple[Row, ...]:
    """A row for each entry of the manifest, in its order, variants behind what they vary."""
    manifest, lock = project.read_manifest(), project.read_lock()
    folder = project.folder(manifest)
    records = link_record.owned(folder) if folder is not None else {}
    locked = {(model.name, model.variant): model for model in lock.models} if lock else {}
    found = []
    for entry in manifest.entries:
        model = locked.get((entry.name, entry.variant))
        row = Row(
            entry.name, entry.variant, str(entry.request.uri), None, None, None, entry.groups, "unlocked"
        )
        if model is not None:
            state, path = _state(context, model, present.here(context, folder, model, records))
            fresh = model.request == entry.request.to_dict()
            row = row._replace(
                quant=quant_of(model.files[0].path),
                size=sum(file.size for file in model.files),
                revision=model.revision,
                state=state if fresh else "stale",
                path=path,
            )
        found.append(row)
    return tuple(found)


def _state(context: Context, model: LockedModel, ready: Sequence[Path] | None) -> tuple[State, Path | None]:
    if ready is not None:
        return "here", ready[0]
    here = [blobs.find(context.store, file.sha256, file.size) is not None for file in model.files]
    return ("here" if all(here) else "partial" if any(here) else "missing"), None

"""What the lock says of a manifest's entry: the one place that says `not locked` and `stale`."""

from collections.abc import Sequence
from typing import NamedTuple

from modelsync.errors import NotSyncedError, StaleLockError
from modelsync.project.project import Project
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry, Manifest


class Known(NamedTuple):
    """A model of the manifest: its entry, what the lock says of it, and what it needs to be found."""

    manifest: Manifest
    lock: Lock
    entry: Entry
    model: LockedModel


def locked(project: Project, lock: Lock, wanted: Entry) -> LockedModel:
    """What the lock says of an entry, whether it still answers it or not.

    Raises:
        StaleLockError: it says nothing.
    """
    model = lock.find(wanted.name, wanted.variant)
    if model is None:
        raise StaleLockError(
            f"{wanted.title} is not in {project.lock_path.name}", hint="run `modelsync sync`"
        )
    return model


def answered(project: Project, manifest: Manifest, lock: Lock, wanted: Entry) -> Known:
    """An entry with what the lock says of it.

    Raises:
        StaleLockError: the lock does not answer the entry.
    """
    model = locked(project, lock, wanted)
    if model.request != wanted.request.to_dict():
        raise StaleLockError(
            f"{wanted.title} changed in {project.manifest_path.name} since {project.lock_path.name} was written",
            hint="run `modelsync sync`",
        )
    return Known(manifest, lock, wanted, model)


def locked_models(entries: Sequence[Entry], current: Lock, project: Project) -> list[LockedModel]:
    """What the lock says of each entry.

    Raises:
        NotSyncedError: it lacks one.
    """
    locked = {(model.name, model.variant): model for model in current.models}
    for entry in entries:
        if (entry.name, entry.variant) not in locked:
            raise NotSyncedError(
                f"{entry.title} is not in {project.lock_path.name}", hint="run `modelsync lock`"
            )
    return [locked[entry.name, entry.variant] for entry in entries]


def _no_lock(project: Project) -> Lock:
    raise StaleLockError(
        f"there is no {project.lock_path}", hint="run `modelsync lock` and commit the result"
    )

"""What the lock says of the manifest's entries: the one place that raises `StaleLockError`."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelsync.errors import DriftError, Place, StaleLockError
from modelsync.project import freshness
from modelsync.project.freshness import Freshness
from modelsync.project.project import Project
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry, Manifest


class LockedEntry(NamedTuple):
    """An entry of the manifest with its model in the lock, and the manifest and the lock themselves."""

    manifest: Manifest
    lock: Lock
    entry: Entry
    model: LockedModel


def require_lock(project: Project, lock: Lock | None) -> Lock:
    """The lock.

    Raises:
        StaleLockError: there is none.
    """
    if lock is None:
        raise StaleLockError(
            f"there is no {project.lock_path}", hint="run `modelsync sync` and commit the lock that it writes"
        )
    return lock


def require_fresh(project: Project, fresh: Freshness) -> None:
    """Checks that the lock answers the whole manifest and nothing else.

    Raises:
        StaleLockError: it does not, with the first reasons.
    """
    if not fresh.fresh:
        raise _stale(project, _reasons(project, fresh), "run `modelsync lock` and commit the result")


def locked(project: Project, lock: Lock | None, entry: Entry) -> LockedModel:
    """The entry's model in the lock, whether or not it still answers the entry's request.

    Raises:
        StaleLockError: there is none, or no lock.
    """
    model = require_lock(project, lock).find(entry.name, entry.variant)
    if model is None:
        raise _stale(
            project, [_in_manifest(project, entry, freshness.missing(entry))], "run `modelsync sync`"
        )
    return model


def locked_models(project: Project, lock: Lock, entries: Iterable[Entry]) -> tuple[LockedModel, ...]:
    """The model in the lock of each entry, whether or not it still answers the entry's request.

    Raises:
        StaleLockError: the lock lacks one.
    """
    models = lock.by_key
    return tuple(models.get(entry.key) or locked(project, lock, entry) for entry in entries)


def answered(project: Project, manifest: Manifest, lock: Lock | None, entry: Entry) -> LockedEntry:
    """The entry with its model in the lock.

    Raises:
        StaleLockError: the lock does not answer the entry, or there is no lock.
    """
    lock = require_lock(project, lock)
    model = locked(project, lock, entry)
    if not freshness.answers(model, entry):
        reason = _in_manifest(project, entry, freshness.changed(entry, model))
        raise _stale(project, [reason], "run `modelsync sync`")
    return LockedEntry(manifest, lock, entry, model)


def drifted(project: Project, fresh: Freshness) -> DriftError:
    """The error of a check that found a lock which does not answer the manifest."""
    reasons = _reasons(project, fresh)
    message, details = _told(project, reasons)
    return DriftError(message, hint="run `modelsync sync`").detailed(details).at(*reasons)


def _stale(project: Project, reasons: Sequence[Place], hint: str) -> StaleLockError:
    message, details = _told(project, reasons)
    return StaleLockError(message, hint=hint).detailed(details).at(*reasons)


def _reasons(project: Project, fresh: Freshness) -> tuple[Place, ...]:
    """Each reason with what it is about: an entry of the manifest, or a model that only the lock has."""
    differ = len(fresh.stale)
    pairs = zip(fresh.stale, fresh.reasons[:differ], strict=True)
    extra = (Place(str(project.lock_path), words=reason) for reason in fresh.reasons[differ:])
    return (*(_in_manifest(project, entry, reason) for entry, reason in pairs), *extra)


def _in_manifest(project: Project, entry: Entry, reason: str) -> Place:
    return Place(str(project.manifest_path), keys=entry.keys, words=reason)


def _told(project: Project, reasons: Sequence[Place]) -> tuple[str, tuple[str, ...]]:
    """Why a lock is stale: the message, and what belongs below it; one reason alone is in the message."""
    stale = f"{project.lock_path.name} is stale"
    words = tuple(reason.words or "" for reason in reasons)
    if len(words) == 1:
        return f"{stale}: {words[0]}", ()
    return f"{stale}: {len(words)} models differ from {project.manifest_path.name}", words

"""Which entry of a model is meant: the one that is asked for, or with `auto` the largest that fits here. Light."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelsync.context import Context
    from modelsync.project.lookup import LockedEntry
    from modelsync.project.project import Project
    from modelsync.project.selection import Groups
    from modelsync.spec.lock.model import Lock
    from modelsync.spec.manifest.model import Entry, Manifest

AUTO = "auto"


def selected(
    context: "Context",
    project: "Project",
    manifest: "Manifest",
    names: Sequence[str] = (),
    groups: "Groups | None" = None,
    variant: str | None = None,
    *,
    lock: "Lock | None" = None,
    fetch: bool = False,
) -> "tuple[Entry, ...]":
    """Like `selection.select`, with the environment's variant where none is given, and with `auto`.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        manifest: What is wanted.
        names: The models; empty: those of the groups.
        groups: The group flags.
        variant: The variant of the models that have it, or `auto`.
        lock: What is locked, if it was read: `auto` chooses among locked variants.
        fetch: Whether what is not here may be chosen.

    Raises:
        ModelsyncError: whatever `selection.select` and, with `auto`, `largest.largest` raise.
    """
    from modelsync.project import selection

    wanted = variant or context.settings.variant
    if wanted != AUTO:
        return selection.select(manifest, names, groups, wanted)
    entries = selection.select(manifest, names, groups)
    return tuple(_largest(context, project, manifest, entry, lock, fetch=fetch) for entry in entries)


def entry(
    context: "Context",
    project: "Project",
    manifest: "Manifest",
    name: str,
    variant: str | None = None,
    *,
    fetch: bool = False,
) -> "Entry":
    """The entry of that name and variant; without one, of the environment's variant where the model has it.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        ModelsyncError: with `auto`, whatever `largest.largest` raises.
    """
    wanted = variant or context.settings.variant
    if wanted == AUTO:
        return _largest(context, project, manifest, manifest.entry(name), None, fetch=fetch)
    found = manifest.entry(name, variant)
    if variant is not None or wanted is None:
        return found
    return next((one for one in manifest.entries if (one.name, one.variant) == (name, wanted)), found)


def _largest(
    context: "Context",
    project: "Project",
    manifest: "Manifest",
    base: "Entry",
    lock: "Lock | None",
    *,
    fetch: bool,
) -> "Entry":
    if not any(entry.variant for entry in manifest.entries if entry.name == base.name):
        return base
    from modelsync.fit import largest
    from modelsync.project.lookup import require_lock

    lock = require_lock(project, lock or project.read_lock())
    return largest.largest(context, project, manifest, lock, base.name, fetch=fetch)


def find(
    context: "Context", project: "Project", name: str, variant: str | None = None, *, fetch: bool = True
) -> "LockedEntry":
    """The entry of that name, and what the lock says of it.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        name: The model's name.
        variant: Its variant; None: the environment's, where the model has it; `auto`: the largest that fits.
        fetch: Whether `auto` may mean one that is not here.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        StaleLockError: the lock does not answer the entry.
        ModelsyncError: with `auto`, whatever `largest.largest` raises.
    """
    from modelsync.project.lookup import answered

    manifest, lock = project.read_manifest(), project.read_lock()
    wanted = entry(context, project, manifest, name, variant, fetch=fetch)
    return answered(project, manifest, lock, wanted)

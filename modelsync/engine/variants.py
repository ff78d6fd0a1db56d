"""Which entry of a model is meant: the one that is asked for, or with `auto` the largest that fits here. Light."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelsync.engine.context import Context
    from modelsync.engine.project import Project
    from modelsync.engine.selecting import Groups
    from modelsync.spec.lockfile import Lock
    from modelsync.spec.manifest import Entry, Manifest

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
    """`selecting.select`, with the environment's variant where none is given, and with `auto`.

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
        ModelsyncError: whatever `selecting.select` and, with `auto`, `fitting.largest` raise.
    """
    from modelsync.engine import selecting

    wanted = variant or context.settings.variant
    if wanted != AUTO:
        return selecting.select(manifest, names, groups, wanted)
    entries = selecting.select(manifest, names, groups)
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
        ModelsyncError: with `auto`, whatever `fitting.largest` raises.
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
    from modelsync.engine import fitting
    from modelsync.spec.lockfile import Lock

    lock = lock or project.read_lock() or Lock()
    return fitting.largest(context, project, manifest, lock, base.name, fetch=fetch)

"""Which entry of a model is meant: the one that is asked for, or with `auto` the largest that fits here. Light."""

from typing import TYPE_CHECKING

from modelsync.errors import ModelsyncError

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelsync.context import Context
    from modelsync.project.lookup import LockedEntry
    from modelsync.project.project import LoadedProject, Project
    from modelsync.project.selection import Selection
    from modelsync.spec.lock.model import Lock
    from modelsync.spec.manifest.model import Entry

AUTO = "auto"


def selected(
    context: "Context",
    project: "LoadedProject",
    selection: "Selection",
    *,
    lock: "Lock | None" = None,
    fetch: bool = False,
    on_error: "Callable[[Entry, ModelsyncError], None] | None" = None,
) -> "tuple[Entry, ...]":
    """The selected entries, with the settings' variant where none is given, and with what `auto` means.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which models.
        lock: What is locked; None: what the project's lock says. `auto` chooses among locked variants.
        fetch: Whether what is not here may be chosen.
        on_error: Called for each entry of which `auto` can mean none, in place of raising; it is left out.

    Raises:
        ModelsyncError: whatever `selection.select` and, with `auto`, `largest.largest` raise.
    """
    from modelsync.project.selection import select

    wanted = selection.variant or context.settings.variant
    if wanted != AUTO:
        return select(project.manifest, selection._replace(variant=wanted))
    entries = select(project.manifest, selection._replace(variant=None))
    found = []
    for each in entries:
        try:
            found.append(_largest(context, project, each, lock, fetch=fetch))
        except ModelsyncError as error:
            if on_error is None:
                raise
            on_error(each, error)
    return tuple(found)


def entry(
    context: "Context",
    project: "LoadedProject",
    name: str,
    variant: str | None = None,
    *,
    fetch: bool = False,
) -> "Entry":
    """The entry of that name and variant; without one, of the settings' variant where the model has it.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        ModelsyncError: with `auto`, whatever `largest.largest` raises.
    """
    manifest = project.manifest
    wanted = variant or context.settings.variant
    if wanted == AUTO:
        return _largest(context, project, manifest.entry(name), None, fetch=fetch)
    found = manifest.entry(name, variant)
    if variant is not None or wanted is None:
        return found
    return next((one for one in manifest.entries if one.key == (name, wanted)), found)


def _largest(
    context: "Context",
    project: "LoadedProject",
    base: "Entry",
    lock: "Lock | None",
    *,
    fetch: bool,
) -> "Entry":
    if not any(entry.variant for entry in project.manifest.entries if entry.name == base.name):
        return base
    from modelsync.fit import largest
    from modelsync.project.lookup import require_lock

    lock = require_lock(project, lock or project.lock)
    return largest.largest(context, project, lock, base.name, fetch=fetch)


def find(
    context: "Context", project: "Project", name: str, variant: str | None = None, *, fetch: bool = True
) -> "LockedEntry":
    """The entry of that name, and what the lock says of it.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        name: The model's name.
        variant: Its variant; None: the settings', where the model has it; `auto`: the largest that fits.
        fetch: Whether `auto` may mean one that is not here.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        StaleLockError: the lock does not answer the entry.
        ModelsyncError: with `auto`, whatever `largest.largest` raises.
    """
    from modelsync.project.lookup import answered

    project = project.loaded()
    wanted = entry(context, project, name, variant, fetch=fetch)
    return answered(project, project.manifest, project.lock, wanted)

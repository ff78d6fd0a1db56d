"""Which entry of a model is meant: the one place that decides. Light.

What is asked for, by a flag or a call, else by the environment, is meant where the model has it; `auto` is the
largest that fits here. Where nothing is asked of a model, the command decides (`Otherwise`): a sync means the entry
itself, all else what was synced last.
"""

from typing import TYPE_CHECKING, Literal

from modelsync.errors import ModelsyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelsync.context import Context
    from modelsync.project.lookup import LockedEntry
    from modelsync.project.project import LoadedProject, Project
    from modelsync.project.selection import Selection, Variant, VariantChoice
    from modelsync.spec.lock.model import Lock
    from modelsync.spec.manifest.model import Entry, Manifest

# What is meant where nothing is asked of a model: the entry itself; what was synced last, and the entry itself where
# that is not known; or that, but one that is here in place of one that is not, for a command that fetches nothing.
Otherwise = Literal["entry", "synced", "here"]


def asked(context: "Context", variant: "Variant") -> "VariantChoice":
    """What is asked for: by a flag or a call, else by the settings.

    Raises:
        UsageError: the settings' words are no variants.
    """
    from modelsync.project.selection import VariantChoice, choice_of, parse_choice

    if variant is not None:
        return choice_of(variant)
    words = context.settings.variant
    return parse_choice(words.replace(",", " ").split()) if words else VariantChoice()


def selected(
    context: "Context",
    project: "LoadedProject",
    selection: "Selection",
    *,
    lock: "Lock | None" = None,
    fetch: bool = False,
    otherwise: Otherwise = "entry",
    on_error: "Callable[[Entry, ModelsyncError], None] | None" = None,
) -> "tuple[Entry, ...]":
    """The selected entries: one for each name, or with all variants each of them.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which models.
        lock: What is locked; None: what the project's lock says. `auto` chooses among locked variants.
        fetch: Whether `auto` may mean what is not here.
        otherwise: What is meant of a model where nothing is asked.
        on_error: Called for each entry of which `auto` can mean none, in place of raising; it is left out.

    Raises:
        ModelsyncError: whatever `check` and, with `auto`, `largest.largest` raise.
    """
    from modelsync.project.selection import variants_of

    entries = check(context, project.manifest, selection)
    choice = asked(context, selection.variant)
    if choice.everything:
        names = {entry.name for entry in entries}
        return tuple(entry for entry in project.manifest.entries if entry.name in names)
    having = variants_of(project.manifest)
    meant = _Meant(context, project, lock, fetch=fetch, otherwise=otherwise)
    found = []
    for entry in entries:
        try:
            found.append(meant.of(entry, having[entry.name], choice) if entry.name in having else entry)
        except ModelsyncError as error:
            if on_error is None:
                raise
            on_error(entry, error)
    return tuple(found)


def check(context: "Context", manifest: "Manifest", selection: "Selection") -> "tuple[Entry, ...]":
    """The entries that are selected, whichever variant of them is meant.

    A variant of the settings that no model has is a warning: they are set for many projects.

    Raises:
        NotFoundError: a name, group or variant that nothing in the manifest has.
        UsageError: flags that contradict each other.
    """
    from modelsync.project.selection import select, unknown_variants

    context.use_mirrors(manifest.mirrors)  # see `entry`
    entries = select(manifest, selection)
    for error in unknown_variants(manifest, asked(context, selection.variant)):
        if selection.variant is not None:
            raise error
        context.warn(f"MODELSYNC_VARIANT: {error.message}")
    return entries


def entry(
    context: "Context",
    project: "LoadedProject",
    name: str,
    variant: "Variant" = None,
    *,
    fetch: bool = False,
) -> "Entry":
    """The entry of that name that is meant, of what was synced where nothing is asked.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        name: The model.
        variant: What is asked for, which the model has to have; None: the settings', where the model has it.
        fetch: Whether what is not here may be meant.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        ModelsyncError: with `auto`, whatever `largest.largest` raises.
    """
    from modelsync.project.selection import asked_of, unknown_variants, variants_of

    manifest = project.manifest
    context.use_mirrors(manifest.mirrors)  # whether what is not here may be meant depends on them
    base = manifest.entry(name)
    mine = variants_of(manifest).get(name, {})
    choice = asked(context, variant)
    words = choice.of(name)
    if variant is not None:
        for error in unknown_variants(manifest, choice._replace(plain=())):
            raise error
    if variant is not None and words and asked_of(mine, choice, name) is None:
        return manifest.entry(name, words[0])  # raises, with those that it has
    if not mine:
        return base
    gone = not fetch or not context.may_fetch
    return _Meant(context, project, None, fetch=fetch, otherwise="here" if gone else "synced").of(
        base, mine, choice
    )


def find(
    context: "Context", project: "Project", name: str, variant: "Variant" = None, *, fetch: bool = True
) -> "LockedEntry":
    """The entry of that name that is meant, and what the lock says of it. See `entry` for the arguments.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        StaleLockError: the lock does not answer the entry.
        ModelsyncError: with `auto`, whatever `largest.largest` raises.
    """
    from modelsync.project.lookup import answered

    project = project.loaded()
    wanted = entry(context, project, name, variant, fetch=fetch)
    return answered(project, project.manifest, project.lock, wanted)


class _Meant:
    """Decides for the models of one command; what was synced is read once, when it is first needed."""

    def __init__(
        self,
        context: "Context",
        project: "LoadedProject",
        lock: "Lock | None",
        *,
        fetch: bool,
        otherwise: Otherwise,
    ) -> None:
        self._context = context
        self._project = project
        self._lock = lock
        self._fetch = fetch
        self._otherwise = otherwise
        self._synced: Mapping[str, str | None] | None = None

    def of(self, base: "Entry", mine: "Mapping[str, Entry]", choice: "VariantChoice") -> "Entry":
        """The entry that is meant of a model.

        Args:
            base: The entry itself.
            mine: Its variants.
            choice: What is asked.
        """
        from modelsync.project.selection import AUTO, asked_of

        word = asked_of(mine, choice, base.name)
        if word == AUTO:
            return self._largest(base)
        if word is not None:
            return mine[word]
        if self._otherwise == "entry":
            return base
        if self._synced is None:
            from modelsync.install import synced

            self._synced = synced.remembered(self._context, self._project, self._lock)
        last = self._synced.get(base.name)
        meant = base if last is None else mine[last]
        return self._here(meant, (base, *mine.values())) if self._otherwise == "here" else meant

    def _largest(self, base: "Entry") -> "Entry":
        from modelsync.fit import largest
        from modelsync.project.lookup import require_lock

        lock = require_lock(self._project, self._lock or self._project.lock)
        return largest.largest(self._context, self._project, lock, base.name, fetch=self._fetch)

    def _here(self, meant: "Entry", others: "tuple[Entry, ...]") -> "Entry":
        """What is meant, or where it is not here, the first of the others that is."""
        from modelsync.install import present

        project, lock = self._project, self._lock or self._project.lock
        folder = project.folder(project.manifest)
        for one in (meant, *others):
            model = lock.by_key.get(one.key) if lock is not None else None
            if model is not None:
                ready = present.paths(self._context, folder, model)
                if present.state(self._context, model, ready) == "here":
                    if one is not meant:
                        self._context.warn(f"{meant.title} is not on this machine: {one.title} is taken")
                    return one
        return meant

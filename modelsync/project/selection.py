"""Which models a command means: names, groups and the variant. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from modelsync.spec.manifest.model import Entry, Manifest


class Groups(NamedTuple):
    """The group flags of a command line.

    `only` selects the named groups and leaves the ungrouped out; `plus` adds to the defaults; `minus` takes away;
    `everything` takes all groups.
    """

    plus: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    everything: bool = False

    @property
    def given(self) -> bool:
        """Whether any flag was given: such a sync is of a part, and removes nothing."""
        return bool(self.plus or self.only or self.minus or self.everything)


class Selection(NamedTuple):
    """Which models a command is about.

    Attributes:
        names: These models; empty: those of the groups.
        groups: The group flags.
        variant: The variant of the models that have it; `auto`: of each model the largest that fits this machine;
            None: the settings' variant.
    """

    names: Sequence[str] = ()
    groups: Groups = Groups()
    variant: str | None = None

    @property
    def partial(self) -> bool:
        """Whether names or groups were given: such a sync is of a part, and removes nothing."""
        return bool(self.names or self.groups.given)


def select(manifest: "Manifest", selection: Selection) -> "tuple[Entry, ...]":
    """The selected entries, one for each name, in the manifest's order; its variant is taken as it is.

    Names win over groups. A variant applies to the models that have it; the others stay with their own entry.

    Raises:
        NotFoundError: a name, a group or the variant that nothing in the manifest has.
        UsageError: flags that contradict each other.
    """
    names, groups, variant = selection
    if names and groups.given:
        raise UsageError("names and group flags do not go together", hint="give one or the other")
    if groups.only and (groups.plus or groups.everything):
        raise UsageError("--only-group does not go with --group or --all-groups")
    known = {group for entry in manifest.entries for group in entry.groups}
    for group in (*groups.plus, *groups.only, *groups.minus):
        if group not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise NotFoundError(
                f"no model is in the group {group!r}", hint=f"groups in the manifest: {listed}"
            )

    bases = [entry for entry in manifest.entries if entry.variant is None]
    if names:
        wanted = {manifest.entry(name).name for name in names}
        chosen = [entry for entry in bases if entry.name in wanted]
    else:
        chosen = [entry for entry in bases if _in_groups(entry.groups, manifest.default_groups, groups)]
    if variant is None:
        return tuple(chosen)
    variants = {entry.name: entry for entry in manifest.entries if entry.variant == variant}
    if not variants:
        listed = ", ".join(sorted({e.variant for e in manifest.entries if e.variant})) or "none"
        raise NotFoundError(f"no model has a variant {variant!r}", hint=f"variants in the manifest: {listed}")
    return tuple(variants.get(entry.name, entry) for entry in chosen)


def _in_groups(mine: tuple[str, ...], defaults: tuple[str, ...] | None, groups: Groups) -> bool:
    if not mine:
        return not groups.only
    taken = set(mine)
    if groups.only:
        taken &= set(groups.only)
    elif not groups.everything and defaults is not None:
        taken &= {*defaults, *groups.plus}
    return bool(taken - set(groups.minus))

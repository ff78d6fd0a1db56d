"""Which models a command means: names, groups and variants. Pure, and light."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

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


AUTO = "auto"


class VariantChoice(NamedTuple):
    """Which variants are asked for.

    Attributes:
        plain: Variants of every model that has them; of two that one model has, the later counts.
        named: Pairs of a model and its variant; they win over `plain`, and of one model the later counts.
        everything: Every variant of each model, and the entry itself.
    """

    plain: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    everything: bool = False

    def of(self, name: str) -> tuple[str, ...]:
        """The words that are asked of a model: the first that it has counts."""
        mine = tuple(variant for each, variant in self.named if each == name)
        return mine[-1:] or self.plain[::-1]

    @property
    def text(self) -> str | None:
        """The choice in words, the same for the same choice; None where nothing is asked."""
        pairs = (f"{name}={variant}" for name, variant in dict(self.named).items())
        return " ".join((*self.plain, *sorted(pairs))) or None


# A str is a variant of every model that has it, a mapping names the variant of each model.
Variant: TypeAlias = str | Mapping[str, str] | VariantChoice | None


def choice_of(variant: Variant) -> VariantChoice:
    """A choice of variants, from each form in which it is given."""
    if isinstance(variant, VariantChoice):
        return variant
    if isinstance(variant, str):
        return VariantChoice((variant,))
    return VariantChoice(named=tuple((variant or {}).items()))


def parse_choice(words: Iterable[str]) -> VariantChoice:
    """The choice that `V` and `NAME=V` make.

    Raises:
        UsageError: a word is neither.
    """
    plain, named = [], []
    for word in words:
        name, mark, variant = word.partition("=")
        if not name or (mark and not variant):
            raise UsageError(
                f"{word!r} is no variant", hint="V is one of the models that have it, NAME=V of that model"
            )
        if mark:
            named.append((name, variant))
        else:
            plain.append(name)
    return VariantChoice(tuple(plain), tuple(named))


def every_variant(variant: Variant) -> VariantChoice:
    """The choice of `--all-variants`.

    Raises:
        UsageError: variants are named too.
    """
    if variant is not None:
        raise UsageError("--all-variants does not go with --variant", hint="give one or the other")
    return VariantChoice(everything=True)


class Selection(NamedTuple):
    """Which models a command is about.

    Attributes:
        names: These models; empty: those of the groups.
        groups: The group flags.
        variant: The variants that are asked for; `auto`: the largest that fits this machine; None: the settings'.
    """

    names: Sequence[str] = ()
    groups: Groups = Groups()
    variant: Variant = None

    @property
    def partial(self) -> bool:
        """Whether names or groups were given: such a sync is of a part, and removes nothing."""
        return bool(self.names or self.groups.given)


def select(manifest: "Manifest", selection: Selection) -> "tuple[Entry, ...]":
    """The selected entries, one for each name, in the manifest's order; which variant is meant is left open.

    Names win over groups.

    Raises:
        NotFoundError: a name or a group that nothing in the manifest has.
        UsageError: flags that contradict each other.
    """
    names, groups, _ = selection
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
        return tuple(entry for entry in bases if entry.name in wanted)
    return tuple(entry for entry in bases if _in_groups(entry.groups, manifest.default_groups, groups))


def unknown_variants(manifest: "Manifest", choice: VariantChoice) -> tuple[NotFoundError, ...]:
    """An error for each word of a choice that nothing in the manifest has."""
    errors = []
    has = variants_of(manifest)
    for variant in choice.plain:
        if variant != AUTO and not any(variant in mine for mine in has.values()):
            listed = ", ".join(sorted({each for mine in has.values() for each in mine})) or "none"
            errors.append(
                NotFoundError(
                    f"no model has a variant {variant!r}", hint=f"variants in the manifest: {listed}"
                )
            )
    for name, variant in choice.named:
        try:
            manifest.entry(name, None if variant == AUTO else variant)
        except NotFoundError as error:
            errors.append(error)
    return tuple(errors)


def variants_of(manifest: "Manifest") -> dict[str, dict[str, "Entry"]]:
    """The variants of each model that has any, by name."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in manifest.entries:
        if entry.variant is not None:
            found.setdefault(entry.name, {})[entry.variant] = entry
    return found


def asked_of(mine: "Mapping[str, Entry]", choice: VariantChoice, name: str) -> str | None:
    """The variant that a choice asks of a model, or `auto`; None where it asks for nothing that the model has.

    Args:
        mine: The model's variants.
        choice: What is asked.
        name: The model.
    """
    return next((word for word in choice.of(name) if word == AUTO or word in mine), None)


def _in_groups(mine: tuple[str, ...], defaults: tuple[str, ...] | None, groups: Groups) -> bool:
    if not mine:
        return not groups.only
    taken = set(mine)
    if groups.only:
        taken &= set(groups.only)
    elif not groups.everything and defaults is not None:
        taken &= {*defaults, *groups.plus}
    return bool(taken - set(groups.minus))

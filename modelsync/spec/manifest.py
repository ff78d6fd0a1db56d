"""`models.toml`: what a project wants, as values."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from modelsync.errors import NotFoundError
from modelsync.spec.names import did_you_mean, printable
from modelsync.spec.request import Request

LoadValue: TypeAlias = bool | int | float | str | tuple[float, ...]


class Entry(NamedTuple):
    """One name, or one variant of it, with what it asks for."""

    name: str
    variant: str | None
    request: Request
    groups: tuple[str, ...] = ()
    load: Mapping[str, LoadValue] = {}


class Manifest(NamedTuple):
    """A whole manifest; variants stand behind the entry that they vary."""

    dir: str | None = None
    default_groups: tuple[str, ...] | None = None  # None: all
    endpoint: str | None = None
    mirrors: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(entry.name for entry in self.entries if entry.variant is None)

    def entry(self, name: str, variant: str | None = None) -> Entry:
        """The entry of that name and variant.

        Raises:
            NotFoundError: there is none; the message says what is near.
        """
        found = next((entry for entry in self.entries if entry.name == name and entry.variant == variant), None)
        if found is not None:
            return found
        variants = [entry.variant for entry in self.entries if entry.name == name and entry.variant is not None]
        if name in self.names:
            raise NotFoundError(
                f"`{name}` has no variant `{printable(str(variant))}`{did_you_mean(str(variant), variants)}",
                hint=f"its variants are {', '.join(variants)}" if variants else "it has no variants",
            )
        raise NotFoundError(
            f"no model is called `{printable(name)}`{did_you_mean(name, self.names)}",
            hint=f"`modelsync add {printable(name)} URI` adds it",
        )

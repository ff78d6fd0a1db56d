"""`models.toml`: what a project wants, as values."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from modelsync.errors import NotFoundError
from modelsync.spec.load_values import LoadValue
from modelsync.spec.names import did_you_mean, printable
from modelsync.spec.request import Request

MAX_ENTRIES = 10_000

# By name and variant: the globs of files that may run code when they are loaded.
AllowedCode: TypeAlias = Mapping[tuple[str, str | None], tuple[str, ...]]


class Entry(NamedTuple):
    """One name, or one variant of it, with its request.

    `load` holds arguments of `llama_cpp.Llama`. `allow_code` are globs of files that may run code when they are loaded.
    `license` is what a person states where the source publishes none; like `groups` it decides no bytes.
    """

    name: str
    variant: str | None
    request: Request
    groups: tuple[str, ...] = ()
    load: Mapping[str, LoadValue] = {}
    allow_code: tuple[str, ...] = ()
    license: str | None = None

    @property
    def title(self) -> str:
        """`llama3`, or `llama3 [server]` for a variant."""
        return f"{self.name} [{self.variant}]" if self.variant else self.name

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells it from the others: its name and its variant."""
        return self.name, self.variant

    @property
    def keys(self) -> tuple[str, ...]:
        """The path of keys to it in the manifest."""
        variant = ("variants", self.variant) if self.variant is not None else ()
        return ("models", self.name, *variant)


class Manifest(NamedTuple):
    """A whole manifest; variants follow their entry."""

    dir: str | None = None
    default_groups: tuple[str, ...] | None = None  # None: all
    endpoint: str | None = None
    mirrors: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    allowed_licenses: tuple[str, ...] | None = None  # None: all

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the file."""
        return tuple(entry.name for entry in self.entries if entry.variant is None)

    @property
    def allowed_code(self) -> AllowedCode:
        """What the entries permit; those that permit nothing are left out."""
        return {entry.key: entry.allow_code for entry in self.entries if entry.allow_code}

    def entry(self, name: str, variant: str | None = None) -> Entry:
        """The entry of that name and variant.

        Raises:
            NotFoundError: there is none; the message suggests the nearest.
        """
        variants = {entry.variant: entry for entry in self.entries if entry.name == name}
        if variant in variants:
            return variants[variant]
        if not variants:
            raise NotFoundError(
                f"no model is called `{printable(name)}`{did_you_mean(name, self.names)}",
                hint=f"`modelsync add {printable(name)} URI` adds one",
            )
        others = [other for other in variants if other is not None]
        raise NotFoundError(
            f"`{name}` has no variant `{printable(str(variant))}`{did_you_mean(str(variant), others)}",
            hint=f"its variants: {', '.join(others) or 'none'}",
        )

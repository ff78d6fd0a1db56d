"""Checks of single values of a manifest, each with its place."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from modelsync.errors import ModelsyncError
from modelsync.spec.manifest.keys import MAX_TEXTS
from modelsync.spec.names import did_you_mean
from modelsync.spec.toml import Fault

Path: TypeAlias = tuple[str | int, ...]

_KINDS: Mapping[type, str] = {str: "text in quotes", dict: "a table", list: "a list"}
_T = TypeVar("_T")


def check_keys(table: Mapping[str, Any], known: tuple[str, ...], at: Path) -> None:
    """Raises a `Fault` for a key that is not known, with the nearest one that is."""
    for key in table:
        if key not in known:
            near = did_you_mean(key, known)
            raise Fault((*at, key), f"unknown key{near}", None if near else f"known here: {', '.join(known)}")


def typed(value: Any, kind: type[_T], at: Path) -> _T:
    """Returns `value` if it is of this type.

    Raises:
        Fault: it is not.
    """
    if isinstance(value, kind):
        return value
    raise Fault(at, f"{_KINDS[kind]} is expected, not {_named(value)}")


def _named(value: object) -> str:
    """The kind of a TOML value; a boolean is named itself."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number"
    return _KINDS.get(type(value), "a date or time")


def checked(at: Path, check: Callable[[str], _T], text: str) -> _T:
    """What `check` makes of a text; its error becomes a `Fault`."""
    try:
        return check(text)
    except ModelsyncError as error:
        raise Fault(at, error.message, error.hint) from None


def texts(value: Any, at: Path, limit: int = MAX_TEXTS) -> list[tuple[str, Path]]:
    """The texts of a list, each with its own path."""
    items = typed(value, list, at)
    if len(items) > limit:
        raise Fault(at, f"it has more than {limit} elements")
    return [(typed(item, str, (*at, index)), (*at, index)) for index, item in enumerate(items)]

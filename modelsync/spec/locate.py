"""Finds the line of a key in a TOML text, for errors."""

from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_WORK = 2_000_000  # characters parsed again: a statement of many lines is tried once a line


class Statement(NamedTuple):
    """A table header or a key with its value; lines count from 1 and `last` is included."""

    first: int
    last: int
    path: tuple[str, ...]  # from the document's root


def statements(text: str) -> Iterator[Statement]:
    """The statements of a TOML text, in order; blank lines and comments between them are none.

    A statement is the fewest lines after the last one that are valid TOML by themselves. tomllib parses them, so no
    second parser is needed.
    """
    import tomllib

    lines = text.removeprefix("\ufeff").split("\n")
    header: tuple[str, ...] = ()
    first, work = 0, -len(text)
    while first < len(lines):
        if lines[first].lstrip(" \t").startswith("#") or not lines[first].strip():
            first += 1
            continue
        for last in range(first, len(lines)):
            chunk = "\n".join(lines[first : last + 1]) + "\n"
            work += len(chunk)
            if work > MAX_WORK:
                return
            try:
                value = tomllib.loads(chunk)
            except (ValueError, RecursionError):
                continue
            path = _keys(value)
            if lines[first].lstrip(" \t").startswith("["):
                header, path = path, ()
            yield Statement(first + 1, last + 1, header + path)
            break
        else:
            return
        first = last + 1


def _keys(value: Any) -> tuple[str, ...]:
    """The path of keys that a statement sets."""
    path: list[str] = []
    while True:
        if isinstance(value, list) and len(value) == 1:  # the header of an array of tables
            value = value[0]
        if not isinstance(value, dict) or len(value) != 1:
            return tuple(path)
        [(key, value)] = value.items()
        path.append(key)


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line of the statement whose path has the longest common start with `path`; None if none has any."""
    keys = tuple(key for key in path if isinstance(key, str))
    best, line = 0, None
    for statement in statements(text):
        common = 0
        for one, other in zip(statement.path, keys, strict=False):
            if one != other:
                break
            common += 1
        if common > best:
            best, line = common, statement.first
            if common == len(keys):
                break
    return line

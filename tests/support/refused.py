"""Calls with hostile input, which may end well or in a good error, and in nothing else."""

from collections.abc import Callable
from typing import TypeVar

from modelsync.errors import ModelsyncError

_T = TypeVar("_T")


def tried(
    call: Callable[[], _T], error: type[ModelsyncError] | tuple[type[ModelsyncError], ...] = ModelsyncError
) -> _T | None:
    """What the call returns, or None if it raised an error of that type, with words fit for a terminal."""
    try:
        return call()
    except error as raised:
        words = raised.message + (raised.hint or "")
        if not words.isprintable() or not raised.message or len(words) > 3_000:
            raise AssertionError(f"no words for people: {words!r}") from raised
        return None

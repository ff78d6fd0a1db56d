"""What reports of GGUF models and of other files share."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from modelsync.errors import NotFoundError
from modelsync.gguf.metadata import Array, Value
from modelsync.spec.names import printable

_NEAR = 5  # keys that are offered for one that is not there
_LONGEST_KEY = 200  # characters of a key that is compared with it


class TypeRow(NamedTuple):
    """The tensors of one type: how many they are, their numbers, and their bytes."""

    type: str
    tensors: int
    parameters: int
    bytes: int


def value_of(metadata: Mapping[str, Value], key: str, title: str) -> Value:
    """The value of a key.

    Raises:
        NotFoundError: there is none; the hint names the nearest.
    """
    if key not in metadata:
        near = ", ".join(printable(one) for one in _nearest(key, metadata))
        raise NotFoundError(
            f"{printable(title)} has no key `{printable(key)}`",
            hint=f"did you mean {near}?" if near else "--full lists all keys",
        )
    return metadata[key]


def sound(value: Any) -> Any:
    """A value of a header as JSON can hold it: numbers that are none become their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: sound(item) for key, item in value.items()}
    if isinstance(value, Array | list):
        return [sound(item) for item in value]
    return value


def _nearest(key: str, keys: Mapping[str, Value]) -> list[str]:
    import difflib

    short = [one for one in keys if len(one) <= _LONGEST_KEY]
    ends = [one for one in short if one.endswith(f".{key}")]
    close = difflib.get_close_matches(key[:_LONGEST_KEY], short, n=_NEAR)
    return list(dict.fromkeys(ends + close))[:_NEAR]

"""The metadata of a header: a mapping that decodes values on access.

Only keys are decoded while a header is read, so a large vocabulary costs no more than its bytes.
"""

import struct
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias

from modelsync.gguf.types import ARRAY, FLOAT32, LITTLE, SCALAR_FORMATS, SCALAR_SIZES, STRING, VALUE_NAMES

HEAD_ITEMS = 8  # of an array, in `plain`
HEAD_CHARACTERS = 200  # of each string there
_CHUNK = 8192  # array items decoded at once

Scalar: TypeAlias = bool | int | float | str


class Array:
    """An array of a header. Its items are decoded on every iteration.

    Attributes:
        type: The type of the items, by its name in the GGUF specification (`string`, `float32`, …).
    """

    __slots__ = ("_at", "_data", "_length", "_order", "_type", "type")

    def __init__(self, data: memoryview, at: int, order: str = LITTLE) -> None:
        """An array whose item type is at offset `at` of a header."""
        self._data = data
        self._order = order
        kind, length = struct.unpack_from(f"{order}IQ", data, at)
        self._type: int = kind
        self._length: int = length
        self._at = at + 12
        self.type = VALUE_NAMES[self._type]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Scalar]:
        return self._strings() if self._type == STRING else self._numbers()

    def __repr__(self) -> str:
        return f"<{self._length} x {self.type}>"

    def head(self, items: int = HEAD_ITEMS) -> list[Scalar]:
        """The first `items` items."""
        return list(islice(self, items))

    def _strings(self) -> Iterator[str]:
        at, unpack = self._at, struct.Struct(f"{self._order}Q").unpack_from
        for _ in range(self._length):
            (length,) = unpack(self._data, at)
            yield _text(self._data[at + 8 : at + 8 + length])
            at += 8 + length

    def _numbers(self) -> Iterator[Scalar]:
        size, letter = SCALAR_SIZES[self._type], SCALAR_FORMATS[self._type]
        for first in range(0, self._length, _CHUNK):
            count = min(_CHUNK, self._length - first)
            values = struct.unpack_from(f"{self._order}{count}{letter}", self._data, self._at + first * size)
            yield from map(_shortest, values) if self._type == FLOAT32 else values


Value: TypeAlias = Scalar | Array


class Metadata(Mapping[str, Value]):
    """Keys and values of a header, in the order of the file.

    Invalid UTF-8 in a string is decoded as U+FFFD. A float32 becomes the shortest decimal that rounds to it.
    """

    __slots__ = ("_data", "_order", "_places")

    def __init__(
        self, data: memoryview, places: Mapping[str, tuple[int, int, int, int]], order: str = LITTLE
    ) -> None:
        """A view of checked bytes.

        Args:
            data: The header.
            places: For each key, where its entry begins, the type of its value, and where that begins and ends.
            order: Of the bytes of a number.
        """
        self._data = data
        self._places = places
        self._order = order

    def __getitem__(self, key: str) -> Value:
        _, kind, at, end = self._places[key]
        if kind == STRING:
            return _text(self._data[at + 8 : end])
        if kind == ARRAY:
            return Array(self._data, at, self._order)
        value: Scalar = struct.unpack_from(self._order + SCALAR_FORMATS[kind], self._data, at)[0]
        return _shortest(value) if kind == FLOAT32 else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def number(self, key: str) -> int | None:
        """The integer under a key; None if it is missing or of another type."""
        value = self.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, key: str) -> str | None:
        """The string under a key; None if it is missing or of another type."""
        value = self.get(key)
        return value if isinstance(value, str) else None

    def encoded(self, key: str) -> memoryview:
        """The bytes of a key and its value, as in the file."""
        begin, _, _, end = self._places[key]
        return self._data[begin:end]


def plain(metadata: Mapping[str, Value]) -> dict[str, Any]:
    """Metadata for JSON: an array becomes `{"type", "length", "head"}`, with long strings cut."""
    return {key: _plain(value) for key, value in metadata.items()}


def _plain(value: Value) -> Any:
    if not isinstance(value, Array):
        return value
    head = [item[:HEAD_CHARACTERS] if isinstance(item, str) else item for item in value.head()]
    return {"type": value.type, "length": len(value), "head": head}


def _text(data: memoryview) -> str:
    return str(data, "utf-8", "replace")


def _shortest(value: Any) -> float:
    """The decimal with the fewest digits that is the same float32: 1e-05, not 9.999999747378752e-06."""
    if not value.is_integer():
        for digits in (6, 7, 8):
            short = float(f"{value:.{digits}g}")
            if struct.unpack("<f", struct.pack("<f", short))[0] == value:
                return short
    return float(value)

"""Checks a safetensors file by its header: tensors and offsets, to the byte. Pure.

Source: the safetensors format (README, "Format") and what version 0.8 of its own reader accepts.
"""

import json
import re
from collections import Counter
from typing import Any, NamedTuple

from modelsync.content.findings import Content
from modelsync.content.view import View

MAX_HEADER = 100_000_000  # bytes, of the format
MAX_READ = 32 << 20  # bytes of a header that are parsed: a larger one takes too much memory
LONGEST = 2**64 - 1
# Half of a surrogate pair alone, which is no character; escapes before it are taken in pairs.
_HALF = re.compile(
    r"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB]..(?!\\u[dD][c-fC-F]..)|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..)"
)
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("C64", "F64", "I64", "U64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


class TensorSpan(NamedTuple):
    """One tensor of a header: `begin` and `end` are bytes behind the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorHeader(NamedTuple):
    """A header: its tensors by offset, its free text values, and its bytes with the length before it."""

    tensors: tuple[TensorSpan, ...]
    metadata: dict[str, str]
    nbytes: int


class _FaultError(Exception):
    """The header is not valid; the message is a clause."""


def begins(head: bytes, size: int) -> bool:
    """Whether the first bytes look like a header's."""
    length = int.from_bytes(head[:8], "little")
    return (
        len(head) > 8 and length <= MAX_HEADER and head[8:].lstrip(b" \t\r\n").startswith(b"{") and size > 8
    )


def look(view: View) -> Content:
    """What a file is that should be safetensors."""
    try:
        if int.from_bytes(view.at(0, 8), "little") in range(MAX_READ + 1, MAX_HEADER + 1):
            return Content("safetensors", unseen=f"its header has more than {MAX_READ >> 20} MiB")
        read(view)
    except _FaultError as fault:
        return Content("safetensors", fault=str(fault))
    return Content("safetensors")


def read(view: View) -> TensorHeader:
    """Reads and checks the header against the size of the file."""
    first = view.at(0, 8)
    if len(first) < 8:
        raise _FaultError("it is too short for a header")
    length = int.from_bytes(first, "little")
    if length > MAX_HEADER:
        raise _FaultError("the length of its header makes no sense")
    if 8 + length > view.size:
        raise _FaultError("it ends before its header does")
    document = _parsed(view.at(8, length))
    metadata = document.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _FaultError("its metadata is not text")
    tensors = sorted((_span(name, each) for name, each in document.items()), key=lambda each: each[3:])
    at = 0
    for tensor in tensors:
        if tensor.begin != at or tensor.end < at:
            raise _FaultError(f"tensor {tensor.name[:64]!r} does not begin where the one before it ends")
        bits = BITS[tensor.dtype]
        for count in tensor.shape:
            bits *= count
            if bits > 8 * LONGEST:
                raise _FaultError(f"the shape of tensor {tensor.name[:64]!r} makes no sense")
        if bits != 8 * (tensor.end - tensor.begin):
            raise _FaultError(f"tensor {tensor.name[:64]!r} has another size than its shape says")
        at = tensor.end
    if 8 + length + at != view.size:
        raise _FaultError(f"its tensors end at byte {8 + length + at}, the file at {view.size}")
    return TensorHeader(tuple(tensors), metadata, 8 + length)


class _Object(dict[str, Any]):
    """An object, with the keys that it has twice: some of them its own reader refuses."""

    twice: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "_Object":
        made = cls(pairs)
        if len(made) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            made.twice = frozenset(key for key, count in counts.items() if count > 1)
        return made


def _parsed(data: bytes) -> _Object:
    try:
        text = data.decode()
        if _HALF.search(text):
            raise ValueError("half of a character")
        document = json.loads(text, parse_int=_integer, parse_constant=_refused, object_pairs_hook=_Object.of)
    except (ValueError, RecursionError):
        raise _FaultError("its header is not JSON") from None
    if not isinstance(document, _Object) or "__metadata__" in document.twice:
        raise _FaultError("its header is not a JSON object, or has its metadata twice")
    return document


def _integer(text: str) -> int | float:
    if text.startswith("-"):
        return -1.0  # no count
    return int(text) if len(text) <= 20 else 1e30


def _refused(text: str) -> None:
    raise ValueError(text)


def _span(name: str, said: Any) -> TensorSpan:
    if not isinstance(said, _Object) or said.twice & {"dtype", "shape", "data_offsets"}:
        raise _FaultError(f"it says nothing of tensor {name[:64]!r}")
    dtype, shape, offsets = said.get("dtype"), said.get("shape"), said.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _FaultError(f"tensor {name[:64]!r} has no known type")
    sizes, place = _counts(shape), _counts(offsets)
    if sizes is None or place is None or len(place) != 2:
        raise _FaultError(f"the shape or the offsets of tensor {name[:64]!r} make no sense")
    return TensorSpan(name, dtype, sizes, *place)


def _counts(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(each) is int and 0 <= each <= LONGEST for each in value):
        return tuple(value)
    return None

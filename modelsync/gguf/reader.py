"""Reads a header with no I/O in it: bytes go in, and what is still needed, or the header, comes out.

    reader = HeaderReader("model.gguf", size=4_920_739_232)
    answer = reader.feed(first)
    while isinstance(answer, Need):
        answer = reader.feed(fetch(max(answer.bytes, CHUNK)))

A header comes from anyone. Every count and length is held against the bytes that are there before it is believed,
each with a message of its own. Whatever the bytes are, the reader takes time in proportion to them, and at most
64 MiB over their size.

Source: the GGUF specification, and what llama.cpp's own reader refuses (`gguf_init_from_file`).
"""

import struct
from collections.abc import Generator
from typing import NamedTuple, NoReturn

from modelsync.errors import NotAModelError
from modelsync.gguf.header import DEFAULT_ALIGNMENT, Header, Tensor, padded
from modelsync.gguf.magic import MAGIC, check_magic
from modelsync.gguf.metadata import Metadata
from modelsync.gguf.types import (
    ARRAY,
    BOOL,
    REMOVED_TENSOR_TYPES,
    SCALAR_SIZES,
    STRING,
    TENSOR_TYPES,
    UINT32,
    VALUE_NAMES,
)
from modelsync.spec.names import printable

MAX_HEADER = 64 << 20  # bytes; the largest vocabularies make 16 MB
MAX_FILE = 1 << 50  # bytes of a file
MAX_COUNT = 65536  # of tensors, of metadata entries
MAX_KEY = 65535  # bytes
MAX_KEYS = 4 << 20  # bytes of all keys together
MAX_TENSOR_NAME = 64  # bytes, its terminating zero in llama.cpp's memory included
MAX_DIMENSIONS = 4
MIN_ALIGNMENT, MAX_ALIGNMENT = 8, 65536
_ENOUGH_TO_GUESS = 64  # bytes that tell what a file is that is no GGUF
_SMALLEST_ENTRY = 8 + 1 + 4 + 1  # bytes: a key of one letter and a bool
_SMALLEST_INFO = 8 + 0 + 4 + 8 + 4 + 8  # bytes: a tensor of one dimension without a name
_TRUNCATED = "fetch the file again: it looks truncated"

_U32 = struct.Struct("<I").unpack_from
_U64 = struct.Struct("<Q").unpack_from
_INFO_TAIL = struct.Struct("<IQ").unpack_from

_Needs = Generator[int, None, Header]  # yields up to where bytes must be there for the next step


class Need(NamedTuple):
    """A header goes on past the bytes that are there."""

    bytes: int  # at least so many more


class HeaderReader:
    """Puts a header together from bytes as they come, from the start of a file."""

    def __init__(self, what: str, *, size: int | None = None) -> None:
        """A reader that has seen nothing yet.

        Args:
            what: The file's name, for messages.
            size: Of the whole file, bytes, if known: what cannot be in there is refused the sooner.
        """
        self._what = printable(what)
        self._size = size
        self._data = bytearray()
        self._steps = self._walk()
        self._goal = next(self._steps)

    def feed(self, data: bytes | memoryview) -> Header | Need:
        """Takes the next bytes of the file; what follows the header is left alone.

        Raises:
            NotAModelError: they are not a good GGUF header.
        """
        self._data += memoryview(data)[: MAX_HEADER - len(self._data)]
        while self._goal <= len(self._data):
            try:
                self._goal = next(self._steps)
            except StopIteration as done:
                header: Header = done.value
                return header
        return Need(self._goal - len(self._data))

    def end(self) -> NoReturn:
        """Says that no more bytes will come, though more are needed.

        Raises:
            NotAModelError: always; it says what the file is instead.
        """
        check_magic(bytes(self._data[:_ENOUGH_TO_GUESS]), self._what)
        raise self._bad(
            f"it ends after {len(self._data)} bytes, inside its header, which goes on to byte {self._goal} at least",
            _TRUNCATED,
        )

    def _walk(self) -> _Needs:
        """Goes through a header from its first byte to the last of its tensor infos."""
        data = self._data
        yield len(MAGIC)
        if not data.startswith(MAGIC):
            yield min(_ENOUGH_TO_GUESS, self._size or _ENOUGH_TO_GUESS)
            check_magic(bytes(data[:_ENOUGH_TO_GUESS]), self._what)
        yield from self._until(24, "its first 24 bytes")
        self._check_version(_U32(data, 4)[0])
        tensors, entries = struct.unpack_from("<QQ", data, 8)
        self._check_count(tensors, "tensors", _SMALLEST_INFO)
        self._check_count(entries, "metadata entries", _SMALLEST_ENTRY)
        places, infos_at = yield from self._entries(entries)
        alignment = self._alignment(places)
        infos, end = yield from self._infos(infos_at, tensors, alignment)
        self._check_fits(infos, padded(end, alignment))
        del data[end:]
        view = memoryview(data).toreadonly()
        return Header(
            _U32(data, 4)[0], Metadata(view, places), tuple(infos), alignment, infos_at, end, self._size
        )

    # --- metadata --------------------------------------------------------------------------------------

    def _entries(self, count: int) -> Generator[int, None, tuple[dict[str, tuple[int, int, int]], int]]:
        data, at = self._data, 24
        places: dict[str, tuple[int, int, int]] = {}
        keys = 0
        for _ in range(count):
            if at + 8 > len(data):
                yield from self._until(at + 8, "a key")
            (length,) = _U64(data, at)
            if not 0 < length <= MAX_KEY:
                raise self._bad(f"a key has {length} bytes; there may be 1 to {MAX_KEY}")
            keys += length
            if keys > MAX_KEYS:
                raise self._bad(f"its keys take more than {MAX_KEYS >> 20} MiB")
            end = at + 8 + length + 4
            if end > len(data):
                yield from self._until(end, "a key")
            raw = data[at + 8 : at + 8 + length]
            if not raw.isascii():
                raise self._bad(f"a key is not ASCII: `{printable(raw.decode('utf-8', 'replace'))}`")
            key = raw.decode("ascii")
            if key in places:
                raise self._bad(f"it has the key `{printable(key)}` twice")
            (kind,) = _U32(data, end - 4)
            at = yield from self._value(kind, end, key)
            places[key] = (kind, end, at)
        return places, at

    def _value(self, kind: int, at: int, key: str) -> Generator[int, None, int]:
        """Goes over a value that begins at `at`; returns where it ends."""
        size = SCALAR_SIZES.get(kind)
        if size is not None:
            if at + size > len(self._data):
                yield from self._until(at + size, f"`{printable(key)}`")
            if kind == BOOL:
                self._check_bools(at, at + 1, key)
            return at + size
        if kind == STRING:
            yield from self._until(at + 8, f"`{printable(key)}`")
            end: int = at + 8 + _U64(self._data, at)[0]
            if end > len(self._data):
                yield from self._until(end, f"the string of `{printable(key)}`")
            return end
        if kind == ARRAY:
            return (yield from self._array(at, key))
        raise self._bad(f"`{printable(key)}` has the unknown value type {kind}")

    def _array(self, at: int, key: str) -> Generator[int, None, int]:
        subject = f"the array `{printable(key)}`"
        yield from self._until(at + 12, subject)
        (kind,) = _U32(self._data, at)
        count: int = _U64(self._data, at + 4)[0]
        at += 12
        if kind == ARRAY:
            raise self._bad(f"{subject} holds arrays; arrays hold no arrays")
        if kind >= len(VALUE_NAMES):
            raise self._bad(f"{subject} holds the unknown value type {kind}")
        size = SCALAR_SIZES.get(kind, 8)  # of a string at least its length
        if at + count * size > MAX_HEADER:
            raise self._bad(f"{subject} says it has {count} items, more than a header can hold")
        end = at + count * size
        if kind == STRING:
            self._check_reach(end, subject)
            return (yield from self._strings(at, count, subject))
        yield from self._until(end, subject)
        if kind == BOOL:
            self._check_bools(at, end, key)
        return end

    def _strings(self, at: int, count: int, subject: str) -> Generator[int, None, int]:
        """The long way of a header, a vocabulary: one step for each string, and nothing else in it."""
        data, unpack = self._data, _U64
        left = count
        while left:
            before, last = left, len(data) - 8  # the last place where a length may begin
            for left in range(before, 0, -1):  # noqa: B007 - what is left when the bytes run out
                if at > last:
                    break
                at += 8 + unpack(data, at)[0]
            else:
                left = 0
            yield from self._until(at + 8 if left else at, subject)
        return at

    def _alignment(self, places: dict[str, tuple[int, int, int]]) -> int:
        kind, at, _ = places.get("general.alignment", (None, 0, 0))
        if kind is None:
            return DEFAULT_ALIGNMENT
        if kind != UINT32:
            raise self._bad(f"its `general.alignment` is a {VALUE_NAMES[kind]}, not a uint32")
        alignment: int = _U32(self._data, at)[0]
        if not MIN_ALIGNMENT <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            raise self._bad(
                f"its `general.alignment` is {alignment}, not a power of two from {MIN_ALIGNMENT} to {MAX_ALIGNMENT}"
            )
        return alignment

    # --- tensors ---------------------------------------------------------------------------------------

    def _infos(self, at: int, count: int, alignment: int) -> Generator[int, None, tuple[list[Tensor], int]]:
        data = self._data
        infos: list[Tensor] = []
        names: set[str] = set()
        offset = 0
        for _ in range(count):
            if at + 8 > len(data):
                yield from self._until(at + 8, "a tensor info")
            (length,) = _U64(data, at)
            if length >= MAX_TENSOR_NAME:
                raise self._bad(
                    f"a tensor's name has {length} bytes; there must be fewer than {MAX_TENSOR_NAME}"
                )
            at += 8 + length
            if at + 4 > len(data):
                yield from self._until(at + 4, "a tensor info")
            name = self._name(bytes(data[at - length : at]))
            if name in names:
                raise self._bad(f"it has the tensor `{printable(name)}` twice")
            names.add(name)
            (dimensions,) = _U32(data, at)
            if not 1 <= dimensions <= MAX_DIMENSIONS:
                raise self._bad(
                    f"tensor `{printable(name)}` has {dimensions} dimensions; there may be 1 to 4"
                )
            end = at + 4 + 8 * dimensions + 12
            if end > len(data):
                yield from self._until(end, f"the info of tensor `{printable(name)}`")
            shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
            kind, stated = _INFO_TAIL(data, end - 12)
            tensor = self._tensor(name, shape, kind, stated)
            if stated != offset:
                raise self._bad_tensor(
                    name, f"is said to begin at {stated} of the data; the tensors before it end at {offset}"
                )
            infos.append(tensor)
            offset = padded(offset + tensor.nbytes, alignment)
            at = end
        return infos, at

    def _name(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            name = printable(raw.decode("utf-8", "replace"))
            raise self._bad(f"a tensor's name is not UTF-8: `{name}`") from None

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, offset: int) -> Tensor:
        stored = TENSOR_TYPES.get(kind)
        if stored is None:
            raise self._unknown_type(name, kind)
        tensor = Tensor(name, shape, stored, offset)
        elements = tensor.elements
        if not elements:
            raise self._bad_tensor(name, "has a dimension of 0")
        if elements >= 1 << 63:
            raise self._bad_tensor(name, f"says it has {elements} numbers, more than can be counted")
        if shape[0] % stored.block:
            raise self._bad_tensor(
                name, f"has rows of {shape[0]}, not whole blocks of {stored.block} ({stored.name})"
            )
        return tensor

    def _unknown_type(self, name: str, kind: int) -> NotAModelError:
        if kind in REMOVED_TENSOR_TYPES:
            return self._bad_tensor(
                name,
                f"is {REMOVED_TENSOR_TYPES[kind]}, a type that llama.cpp has removed",
                "look for a newer conversion of the model; Q4_0 is repacked when it is loaded",
            )
        return self._bad_tensor(name, f"has the unknown type {kind}", "a newer modelsync may know that type")

    # --- bounds ----------------------------------------------------------------------------------------

    def _until(self, end: int, subject: str) -> Generator[int, None, None]:
        """Waits for the bytes up to `end`, which `subject` takes, if they can be there."""
        self._check_reach(end, subject)
        if end > len(self._data):
            yield end

    def _check_reach(self, end: int, subject: str) -> None:
        if end > MAX_HEADER:
            raise self._bad(f"{subject} goes on to byte {end}; a header has at most {MAX_HEADER >> 20} MiB")
        if self._size is not None and end > self._size:
            raise self._bad(
                f"it ends at byte {self._size}, inside its header: {subject} goes on to byte {end}",
                _TRUNCATED,
            )

    def _check_version(self, version: int) -> None:
        if version in (2, 3):
            return
        if version == 1:
            raise self._bad(
                "it has version 1 of the format, of August 2023, which llama.cpp reads no more",
                "look for a newer conversion of the model",
            )
        if version and version & 0xFFFF == 0:
            raise self._bad(
                "it is big-endian, made for machines such as IBM Z",
                "look for a little-endian file of the model",
            )
        raise self._bad(
            f"it has version {version} of the format; modelsync reads 2 and 3",
            "a newer modelsync may read it",
        )

    def _check_count(self, count: int, things: str, smallest: int) -> None:
        if count > MAX_COUNT:
            raise self._bad(f"it says it has {count} {things}; there may be {MAX_COUNT}")
        if self._size is not None and count * smallest > self._size - 24:
            raise self._bad(
                f"it says it has {count} {things}, more than its {self._size} bytes can hold", _TRUNCATED
            )

    def _check_bools(self, at: int, end: int, key: str) -> None:
        for first in range(at, end, 1 << 20):  # so that a long array is not copied whole
            if self._data[first : min(end, first + (1 << 20))].translate(None, b"\0\1"):
                raise self._bad(f"`{printable(key)}` is said to be bool and is neither true nor false")

    def _check_fits(self, tensors: list[Tensor], data_at: int) -> None:
        if not tensors:
            return
        end = data_at + tensors[-1].offset + tensors[-1].nbytes
        if end > MAX_FILE:
            raise self._bad(f"its tensors say they take {end} bytes; no file has over {MAX_FILE >> 40} TiB")
        if self._size is not None and end > self._size:
            raise self._bad(
                f"it ends at byte {self._size}, and its tensors at {end}: {end - self._size} bytes are missing",
                _TRUNCATED,
            )

    def _bad_tensor(self, name: str, why: str, hint: str | None = None) -> NotAModelError:
        return self._bad(f"tensor `{printable(name)}` {why}", hint)

    def _bad(self, why: str, hint: str | None = None) -> NotAModelError:
        return NotAModelError(f"{self._what} is not a good GGUF file: {why}", hint=hint)


def read_header(data: bytes | memoryview, what: str, *, size: int | None = None) -> Header:
    """The header that `data` begins with.

    Args:
        data: The file, or so much of it that the header is whole.
        what: The file's name, for messages.
        size: Of the whole file, bytes, if known.

    Raises:
        NotAModelError: it does not begin with a good header, or the header goes on past it.
    """
    reader = HeaderReader(what, size=size)
    answer = reader.feed(data)
    if isinstance(answer, Need):
        reader.end()
    return answer

"""Reads a header without I/O: bytes go in; the header, or the number of bytes still needed, comes out.

    reader = HeaderReader("model.gguf", size=4_920_739_232)
    answer = reader.feed(first)
    while isinstance(answer, NeedMore):
        answer = reader.feed(fetch(max(answer.bytes, CHUNK)))

A header is untrusted input. Every count and length is checked against the size of the file before it is used. The
reader's time is linear in the bytes, and its memory at most 64 MiB more than their size.

Source: the GGUF specification, and what llama.cpp's own reader refuses (`gguf_init_from_file`).
"""

import struct
from collections.abc import Generator
from typing import Any, NamedTuple, NoReturn, TypeAlias

from modelsync.gguf.bounds import MAX_HEADER, MAX_KEY, MAX_KEYS, Bounds
from modelsync.gguf.header import DEFAULT_ALIGNMENT, Header, padded
from modelsync.gguf.infos import read_infos
from modelsync.gguf.magic import MAGIC, check_magic
from modelsync.gguf.metadata import Metadata
from modelsync.gguf.types import ARRAY, BIG, LITTLE, SCALAR_SIZES, STRING, UINT32, VALUE_NAMES
from modelsync.spec.names import printable

_ENOUGH_TO_GUESS = 64  # bytes that show what a file is that is not GGUF


# Of a metadata entry: where it begins, the type of its value, and where that begins and ends.
_Place: TypeAlias = tuple[int, int, int, int]


class NeedMore(NamedTuple):
    """The header needs more bytes."""

    bytes: int  # at least


class HeaderReader:
    """Reads a header from the bytes of a file, from its start, in chunks of any size."""

    def __init__(self, what: str, *, size: int | None = None) -> None:
        """A reader without bytes.

        Args:
            what: The file's name, for messages.
            size: Bytes of the whole file, if known. A count that cannot fit is refused at once then.
        """
        self._bounds = Bounds(what, size)
        self._data = bytearray()
        self._order = LITTLE
        self._steps = self._walk()
        self._goal = next(self._steps)

    def feed(self, data: bytes | memoryview) -> Header | NeedMore:
        """Takes the next bytes of the file; bytes after the header are ignored.

        Raises:
            NotAModelError: the header is invalid.
        """
        self._data += memoryview(data)[: MAX_HEADER - len(self._data)]
        while self._goal <= len(self._data):
            try:
                self._goal = next(self._steps)
            except StopIteration as done:
                header: Header = done.value
                return header
        return NeedMore(self._goal - len(self._data))

    def end(self) -> NoReturn:
        """Ends the input although more bytes are needed.

        Raises:
            NotAModelError: always; it says what the file is instead.
        """
        check_magic(bytes(self._data[:_ENOUGH_TO_GUESS]), self._bounds.what)
        raise self._bounds.ended(len(self._data), self._goal)

    def _walk(self) -> Generator[int, None, Header]:
        """Parses a header; yields the number of bytes that the next step needs."""
        data, bounds = self._data, self._bounds
        yield len(MAGIC)
        if not data.startswith(MAGIC):
            yield min(_ENOUGH_TO_GUESS, bounds.size or _ENOUGH_TO_GUESS)
            check_magic(bytes(data[:_ENOUGH_TO_GUESS]), bounds.what)
        yield from self._until(24, "its first 24 bytes")
        (version,) = self._unpack("I", len(MAGIC))
        if version & 0xFFFF == 0:  # its two bytes are at the other end
            self._order = BIG
        version, tensors, entries = self._unpack("IQQ", len(MAGIC))
        bounds.version(version)
        bounds.counts(tensors, entries)
        places, infos_at = yield from self._entries(entries)
        alignment = self._alignment(places)
        infos, end = yield from read_infos(data, infos_at, tensors, alignment, bounds, self._order)
        if infos:
            bounds.data_end(padded(end, alignment) + infos[-1].offset + infos[-1].nbytes)
        del data[end:]
        metadata = Metadata(memoryview(data).toreadonly(), places, self._order)
        big_endian = self._order == BIG
        return Header(
            version, metadata, tuple(infos), alignment, infos_at, end, bounds.size, big_endian=big_endian
        )

    def _entries(self, count: int) -> Generator[int, None, tuple[dict[str, _Place], int]]:
        data, at = self._data, 24
        places: dict[str, _Place] = {}
        keys = 0
        for _ in range(count):
            if at + 8 > len(data):
                yield from self._until(at + 8, "a key")
            (length,) = self._unpack("Q", at)
            if not 0 < length <= MAX_KEY:
                raise self._bounds.bad(f"a key has {length} bytes; there may be 1 to {MAX_KEY}")
            keys += length
            if keys > MAX_KEYS:
                raise self._bounds.bad(f"its keys take more than {MAX_KEYS >> 20} MiB")
            end = at + 8 + length + 4
            if end > len(data):
                yield from self._until(end, "a key")
            key = data[at + 8 : at + 8 + length].decode("utf-8", "backslashreplace")
            if key in places:
                raise self._bounds.bad(f"it has the key `{printable(key)}` twice")
            (kind,) = self._unpack("I", end - 4)
            begin, at = at, (yield from self._value(kind, end, key))
            places[key] = (begin, kind, end, at)
        return places, at

    def _value(self, kind: int, at: int, key: str) -> Generator[int, None, int]:
        """Skips the value that begins at `at`; returns where it ends."""
        size = SCALAR_SIZES.get(kind)
        if size is not None:
            if at + size > len(self._data):
                yield from self._until(at + size, f"`{printable(key)}`")
            return at + size
        if kind == STRING:
            yield from self._until(at + 8, f"`{printable(key)}`")
            end: int = at + 8 + self._unpack("Q", at)[0]
            if end > len(self._data):
                yield from self._until(end, f"the string of `{printable(key)}`")
            return end
        if kind == ARRAY:
            return (yield from self._array(at, key))
        raise self._bounds.bad(f"`{printable(key)}` has the unknown value type {kind}")

    def _array(self, at: int, key: str) -> Generator[int, None, int]:
        subject = f"the array `{printable(key)}`"
        yield from self._until(at + 12, subject)
        kind, count = self._unpack("IQ", at)
        at += 12
        if kind == ARRAY:
            raise self._bounds.bad(f"{subject} holds arrays; arrays hold no arrays")
        if kind >= len(VALUE_NAMES):
            raise self._bounds.bad(f"{subject} holds the unknown value type {kind}")
        size = SCALAR_SIZES.get(kind, 8)  # a string has at least its length
        self._bounds.items(at, count, size, subject)
        if kind == STRING:
            return (yield from self._strings(at, count, subject))
        end: int = at + count * size
        yield from self._until(end, subject)
        return end

    def _strings(self, at: int, count: int, subject: str) -> Generator[int, None, int]:
        """Skips an array of strings; a tight loop, because a vocabulary is most of a header."""
        data, unpack = self._data, struct.Struct(f"{self._order}Q").unpack_from
        left = count
        while left:
            before, last = left, len(data) - 8  # the last offset at which a length may begin
            for left in range(before, 0, -1):  # noqa: B007 - what is left when the bytes run out
                if at > last:
                    break
                at += 8 + unpack(data, at)[0]
            else:
                left = 0
            yield from self._until(at + 8 if left else at, subject)
        return at

    def _alignment(self, places: dict[str, _Place]) -> int:
        if "general.alignment" not in places:
            return DEFAULT_ALIGNMENT
        _, kind, at, _ = places["general.alignment"]
        if kind != UINT32:
            raise self._bounds.bad(f"its `general.alignment` is a {VALUE_NAMES[kind]}, not a uint32")
        alignment: int = self._unpack("I", at)[0]
        self._bounds.alignment(alignment)
        return alignment

    def _until(self, end: int, subject: str) -> Generator[int, None, None]:
        """Waits for the bytes of `subject` up to `end`, if the file can have them."""
        self._bounds.reach(end, subject)
        if end > len(self._data):
            yield end

    def _unpack(self, letters: str, at: int) -> tuple[Any, ...]:
        """Numbers at an offset, in the file's byte order."""
        return struct.unpack_from(self._order + letters, self._data, at)


def read_header(data: bytes | memoryview, what: str, *, size: int | None = None) -> Header:
    """Reads the header at the start of `data`.

    Args:
        data: The file, or its first bytes up to the end of the header or further.
        what: The file's name, for messages.
        size: Bytes of the whole file, if known.

    Raises:
        NotAModelError: the header is invalid or incomplete.
    """
    reader = HeaderReader(what, size=size)
    answer = reader.feed(data)
    if isinstance(answer, NeedMore):
        reader.end()
    return answer

"""Reads a file in a plain tar of a registry as a source of bytes: the tar's headers are read by ranges to find it.

What is compressed has no parts that can be asked for. No digest decides about what is read here: it is for looking at
headers alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from modelsync.content import heads, tars
from modelsync.errors import NotSyncedError, RefusedError

if TYPE_CHECKING:
    from modelsync.transfer.rate_limit import RateLimit
    from modelsync.transfer.responses import ByteSource, SourceResponse

_WINDOW = 64 << 10  # bytes that are asked for at once: the headers of small members come together
_MOST = 128  # ranges that are asked for to find what is in a tar
_HINT = "`modelsync sync` or `modelsync pull` brings it here"


class TarEntry(NamedTuple):
    """A file in a tar: its name from the root, where its bytes begin, and how many they are."""

    name: str
    offset: int
    size: int


class TarMember:
    """A file in a tar, as a `ByteSource`.

    Args:
        layer: The tar.
        name: The file's name from the root of the tar.
    """

    max_streams = 1
    is_origin = False

    def __init__(self, layer: "ByteSource", name: str) -> None:
        self._layer = layer
        self._name = name
        self._entry: TarEntry | None = None

    @property
    def limit(self) -> "RateLimit | None":
        """The limit on reading its bytes, or None."""
        return self._layer.limit

    def delivered(self) -> None:
        """Notes that bytes came."""
        self._layer.delivered()

    @contextmanager
    def open(self, start: int, end: int | None, if_range: str | None) -> "Iterator[SourceResponse]":
        """Requests the bytes from `start` up to `end`.

        Raises:
            NotSyncedError: no part of the tar can be read by itself, or it has no such file.
            RefusedError: it is no tar, or damaged.
            NetworkError: no response, or an invalid one.
        """
        if self._entry is None:
            found = (entry for entry in entries(self._layer) if entry.name == self._name)
            self._entry = next(found, None)
        if self._entry is None:
            raise NotSyncedError("its layer has no such file", hint="`modelsync lock --verify` tells more")
        _, offset, size = self._entry
        first, last = min(start, size), min(size if end is None else end, size)
        if first == last:
            yield _Slice(None, first, 0, size)
            return
        with self._layer.open(offset + first, offset + last, if_range) as answer:
            if answer.status != 206 or answer.start != offset + first:
                raise _no_part("its registry gives no part of a layer")
            yield _Slice(answer, first, last - first, size)


def entries(layer: "ByteSource") -> Iterator[TarEntry]:
    """The files in a tar, in its order; what is between the headers is passed over.

    Raises:
        NotSyncedError: no part of it can be read by itself, or it has too many files to find them so.
        RefusedError: it is no tar, or damaged.
        NetworkError: it cannot be read.
    """
    window = _Window(layer)
    head = window.read(0, heads.HEAD)
    if heads.packing(head) is not None and not heads.is_tar(head):
        raise _no_part("its layer is compressed, and no part of it can be read by itself")
    walk = tars.walk()
    at = 0
    try:
        step: tars.Step | None = next(walk)
        while step is not None:
            answer = b""
            if isinstance(step, tars.Need):
                answer = window.read(at, at + step.size)
                at += step.size
            else:
                yield TarEntry(tars.from_root(step.name), at, step.size)
                at += tars.padded(step.size)
            try:
                step = walk.send(answer)
            except StopIteration:
                return
    except tars.TarError as error:
        raise RefusedError(f"its layer cannot be read: {error}") from None


class _Window:
    """The bytes of a tar that were asked for last."""

    def __init__(self, layer: "ByteSource") -> None:
        self._layer = layer
        self._start = 0
        self._data = b""
        self._asked = 0
        self._end: int | None = None

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`; fewer at the end of the tar."""
        if self._end is not None:
            end = min(end, self._end)
        if start >= end:
            return b""
        if not self._start <= start < end <= self._start + len(self._data):
            self._start, self._data = start, self._fetched(start, max(end, start + _WINDOW))
        return self._data[start - self._start : end - self._start]

    def _fetched(self, start: int, end: int) -> bytes:
        self._asked += 1
        if self._asked > _MOST:
            raise _no_part("its layer has too many files to find it among them")
        end = end if self._end is None else min(end, self._end)
        with self._layer.open(start, end, None) as answer:
            if answer.status != 206 or answer.start != start:
                raise _no_part("its registry gives no part of a layer")
            self._end = answer.total
            data = bytearray()
            buffer = memoryview(bytearray(_WINDOW))
            while len(data) < end - start and (count := answer.read_into(buffer[: end - start - len(data)])):
                data += buffer[:count]
            self._layer.delivered()
        return bytes(data)


class _Slice:
    """A range of a file in a tar: an answer about the tar, told as one about the file."""

    status = 206

    def __init__(self, answer: "SourceResponse | None", start: int, left: int, total: int) -> None:
        self._answer = answer
        self._left = left
        self.start = start
        self.total: int | None = total

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the answer about the tar."""
        return self._answer.headers if self._answer is not None else {}

    @property
    def origin(self) -> object:
        """The server."""
        return self._answer.origin if self._answer is not None else None

    @property
    def waited(self) -> float:
        """Seconds that reading it has waited for bytes so far."""
        return self._answer.waited if self._answer is not None else 0.0

    def read_into(self, buffer: memoryview) -> int:
        """Reads bytes that are there into `buffer`; returns how many, 0 at the end."""
        if self._answer is None or not self._left:
            return 0
        count = self._answer.read_into(buffer[: self._left])
        self._left -= count
        return count


def _no_part(words: str) -> NotSyncedError:
    return NotSyncedError(words, hint=_HINT)

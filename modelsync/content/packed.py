"""Looks through a compressed file from its beginning on, as its bytes come, in bounded memory. Pure.

A compressed tar is followed to its end; of anything else the first unpacked bytes tell what it is.
"""

import zlib
from collections.abc import Generator
from typing import Any

from modelsync.content import heads, numpy_array, pickles, tars
from modelsync.content.findings import Content
from modelsync.content.view import View, of_bytes

_OUT = 256 << 10  # bytes that are unpacked at once
_BEGIN = 64 << 10  # bytes of an inner file that are looked at
_RATIO, _FREE = 64, 64 << 20  # how much more the unpacked bytes may be than the packed ones
_LZMA_MEMORY = 256 << 20
_ZFILE = 21  # bytes before the stream: a mark and the length as text
_SURE = frozenset({"gzip", "bzip2", "xz", "zfile"})
_UNREADABLE = {"zstd": "Zstandard", "lz4": "LZ4", "7z": "7-Zip", "rar": "RAR"}
_NO_STREAM = "it is compressed and damaged"


def most_unpacked(packed: int) -> int:
    """The most bytes that so many packed ones may become."""
    return _RATIO * packed + _FREE


class PackedLook:
    """A look through one compressed file.

    Args:
        head: Its first bytes, as `heads.packing` takes them.

    Attributes:
        content: What it is, once that is known; None: it goes on.
        position: Bytes that were taken.
    """

    def __init__(self, head: bytes) -> None:
        self.content: Content | None = None
        self.position = 0
        self._packing = heads.packing(head)
        self._skip = _ZFILE if self._packing == "zfile" else 0
        self._stream: Any = None
        self._unpacked = 0
        self._inner = _InnerLook()
        if self._packing in _UNREADABLE:
            name = _UNREADABLE[self._packing]
            self.content = Content("packed", unseen=f"it is compressed with {name}")
        else:
            self._stream = self._begin()

    def feed(self, data: bytes | memoryview) -> Content | None:
        """Takes the next bytes of the file; returns what it is once that is known."""
        self.position += len(data)
        if self.content is None:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            try:
                self.content = self._unpack(bytes(data[skipped:]))
            except (zlib.error, OSError, EOFError, ValueError, _lzma_error()) as error:
                self.content = self._broken(error)
        return self.content

    def end(self) -> Content:
        """What it is, after its last byte."""
        if self.content is None:
            self.content = self._inner.end() if self._unpacked or self._ended else self._broken(None)
        return self.content

    @property
    def _ended(self) -> bool:
        return bool(self._stream.eof)

    def _unpack(self, data: bytes) -> Content | None:
        while True:
            if self._stream.eof:  # the next stream of the same file
                data = data or self._stream.unused_data
                if self._packing == "gzip":
                    data = data.lstrip(b"\0")  # padding
                if not data or not self._goes_on(data):
                    return None
                self._stream = self._begin()
            out = self._stream.decompress(data, _OUT)
            data = self._left()
            self._unpacked += len(out)
            found = self._inner.feed(out)
            if found is not None:
                return found
            if self._inner.decided:
                return Content("packed")
            if self._unpacked > most_unpacked(self.position):
                return Content("packed", unseen=f"it unpacks to more than {_RATIO} times its size")
            if self._stream.eof:
                if not (data or self._stream.unused_data):
                    return None
            elif not self._more(data, out):
                return None

    def _goes_on(self, data: bytes) -> bool:
        """Whether another stream follows; the readers of each format leave out what is none."""
        return self._packing in ("bzip2", "xz") or (self._packing == "gzip" and data[:1] == b"\x1f")

    def _left(self) -> bytes:
        return bytes(getattr(self._stream, "unconsumed_tail", b""))

    def _more(self, data: bytes, out: bytes) -> bool:
        """Whether more comes out of what was given."""
        if isinstance(getattr(self._stream, "needs_input", None), bool):
            return not self._stream.needs_input
        return bool(data) or len(out) == _OUT

    def _begin(self) -> Any:
        if self._packing == "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        if self._packing in ("zlib", "zfile"):
            return zlib.decompressobj()
        if self._packing == "bzip2":
            import bz2

            return bz2.BZ2Decompressor()
        import lzma

        form = lzma.FORMAT_XZ if self._packing == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(form, memlimit=_LZMA_MEMORY)

    def _broken(self, error: Exception | None) -> Content:
        if self._packing not in _SURE and not self._unpacked:
            return Content("unknown")  # it only began like one
        if error is not None and "emory" in str(error):
            return Content("packed", unseen="it takes too much memory to unpack")
        if self._unpacked:
            return Content("packed", unseen="it is damaged, so it cannot be unpacked to its end")
        return Content("packed", fault=_NO_STREAM)


def _lzma_error() -> type[Exception]:
    import lzma

    return lzma.LZMAError


class _InnerLook:
    """A look at what comes out of a compressed file: a tar to its end, else the beginning."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._walk: Generator[tars.Step, bytes, None] | None = None
        self._step: tars.Step | None = None
        self.decided = False  # nothing of what follows counts, and nothing spoke against it
        self._skip = 0  # bytes of a member that are passed over
        self._began = False  # whether the member's first bytes were looked at

    def feed(self, data: bytes) -> Content | None:
        """Takes the next bytes; returns what speaks against the file, if something does."""
        if self.decided:
            return None
        self._buffer += data
        if self._walk is None:
            if len(self._buffer) < _BEGIN:
                return None
            return self._start()
        return self._through()

    def end(self) -> Content:
        """What the file is, after the last byte."""
        found = self._start() if self._walk is None and not self.decided else None
        if found is None and self._walk is not None:
            found = self._through(last=True)
        return found or Content("packed")

    def _start(self) -> Content | None:
        if heads.is_tar(bytes(self._buffer[: heads.HEAD])):
            self._walk = tars.walk()
            self._step = next(self._walk)
            return self._through()
        self.decided = True
        found = inner(bytes(self._buffer), None)
        self._buffer.clear()
        return found

    def _through(self, *, last: bool = False) -> Content | None:
        try:
            while self._step is not None:
                step = self._step
                if isinstance(step, tars.Need):
                    if len(self._buffer) < step.size and not last:
                        return None
                    block = bytes(self._buffer[: step.size])
                    del self._buffer[: step.size]
                    self._advance(block)
                    continue
                if not self._began:
                    count = min(step.size, _BEGIN)
                    if len(self._buffer) < count and not last:
                        return None
                    found = inner(bytes(self._buffer[:count]), step)
                    if found is not None:
                        return found
                    self._began, self._skip = True, tars.padded(step.size)
                passed = min(self._skip, len(self._buffer))
                del self._buffer[:passed]
                self._skip -= passed
                if self._skip:
                    if not last:
                        return None
                    raise tars.TarError("it ends in the middle of a member")
                self._began = False
                self._advance(b"")
        except tars.TarError as error:
            return Content("packed", unseen=str(error))
        self._buffer.clear()
        return None

    def _advance(self, answer: bytes) -> None:
        assert self._walk is not None
        try:
            self._step = self._walk.send(answer)
        except StopIteration:
            self._step, self.decided = None, True


def inner(head: bytes, member: tars.Member | None) -> Content | None:
    """What speaks against a file that is inside a compressed one; None: nothing, or not what can be told.

    Args:
        head: Its first bytes, or all of a shorter one.
        member: Its name and size; None: it is the only one, of unknown size.
    """
    size = len(head) if member is None else member.size
    name = "what is packed in it" if member is None else f"`{member.name[:200]}` in it"
    whole = size <= len(head) and (member is not None or len(head) < _BEGIN)
    kind = heads.kind_of(head, size)
    found = pickles.verdict(View(lambda start, end: head[start:end], size))
    if found == "pickle" or (member is not None and member.name.lower().endswith((".pkl", ".pickle"))):
        return Content("packed", code=f"{name} is a Python pickle")
    if found == "cut" and not whole:
        return Content("packed", unseen=f"{name} may be a Python pickle")
    if kind == "numpy":
        array = numpy_array.look(of_bytes(head))
        if array.code or array.unseen:
            return Content("packed", code=f"{name} is an array of Python objects, which is a pickle")
    if kind == "zip":
        if b"data.pkl" in head[:_BEGIN]:
            return Content("packed", code=f"{name} is a PyTorch file with a Python pickle")
        return Content("packed", unseen=f"{name} is an archive of its own")
    if kind == "tar" or heads.is_packed(head):
        return Content("packed", unseen=f"{name} is an archive of its own")
    return None

"""Reads the unpacked bytes of a tar layer, member by member, in bounded memory. Pure."""

import zlib
from collections.abc import Iterator
from typing import Protocol

from modelsync.content import heads, tars
from modelsync.content.packed import most_unpacked
from modelsync.errors import NotFoundError, RefusedError

_PIECE = 1 << 20
_UNREAD = {"zstd": "Zstandard", "xz": "xz", "bzip2": "bzip2", "lz4": "LZ4"}
_REPACK = "push the model again with raw or gzip layers: weights hardly get smaller"


class Readable(Protocol):
    """Where the bytes of a layer come from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        ...


class LayerReader:
    """The unpacked bytes of a layer, and how far the present member has been read.

    Args:
        digest: `sha256:<hex>` of the layer, for messages.
        reader: Its bytes.

    Raises:
        RefusedError: it is no tar.
        NotFoundError: it is compressed with what is not read.
    """

    def __init__(self, digest: str, reader: Readable) -> None:
        self._reader = reader
        self._digest = digest
        self._head = self._exactly(heads.HEAD)
        self._packed = len(self._head)
        self._unpacked = 0
        self._left = self._padding = 0
        self._gzip: zlib._Decompress | None = None
        packing = heads.packing(self._head) if not heads.is_tar(self._head) else None
        if packing == "gzip":
            self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif packing in _UNREAD:
            raise NotFoundError(
                f"a layer of it is compressed with {_UNREAD[packing]}, which modelsync does not read",
                hint=_REPACK,
            )
        elif self._head and not heads.is_tar(self._head) and self._head.strip(b"\0"):
            raise RefusedError(f"the layer {digest} should be a tar, and is none")

    def take(self, size: int) -> bytes:
        """The next `size` unpacked bytes; fewer at the end."""
        data = bytearray()
        while len(data) < size and (piece := self._read(size - len(data))):
            data += piece
        return bytes(data)

    def begin_member(self, size: int) -> None:
        """The next bytes are those of a member, and the padding behind it."""
        self._left, self._padding = size, tars.padded(size) - size

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the present member that have not been read.

        Raises:
            RefusedError: the layer is damaged, or ends before them.
        """
        try:
            yield from self._member_bytes()
        except (tars.TarError, zlib.error) as error:
            raise refusal(self._digest, error) from None

    def skip_to_end_of_member(self) -> None:
        """Passes over what is left of the present member."""
        for _ in self._member_bytes():
            pass
        self.take(self._padding)
        self._padding = 0

    def drain(self) -> None:
        """Reads the rest of the layer without unpacking it."""
        while self._reader.read(_PIECE):
            pass

    def _member_bytes(self) -> Iterator[bytes]:
        while self._left:
            piece = self._read(min(self._left, _PIECE))
            if not piece:
                raise tars.TarError("it ends in the middle of a file")
            self._left -= len(piece)
            yield piece

    def _read(self, size: int) -> bytes:
        """Some of the next unpacked bytes; none at the end."""
        if self._gzip is None:
            return self._next(size)
        while True:
            if self._gzip.eof:
                rest = self._gzip.unused_data.lstrip(b"\0")
                if not rest and not (rest := self._next(_PIECE).lstrip(b"\0")):
                    return b""
                self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
                data = rest
            else:
                data = self._gzip.unconsumed_tail or self._next(_PIECE)
            out = self._gzip.decompress(data, size)
            self._unpacked += len(out)
            if self._unpacked > most_unpacked(self._packed):
                raise tars.TarError("it unpacks to far more than its size")
            if out or (not data and not self._gzip.eof):
                return out

    def _next(self, size: int) -> bytes:
        """Some of the next bytes of the layer as they are."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        data = self._reader.read(size)
        self._packed += len(data)
        return data

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (piece := self._reader.read(size - len(data))):
            data += piece
        return bytes(data)


def refusal(digest: str, error: Exception) -> RefusedError:
    """The error of a layer that cannot be unpacked."""
    what = "it is compressed and damaged" if isinstance(error, zlib.error) else str(error)
    return RefusedError(f"the layer {digest} cannot be unpacked: {what}")

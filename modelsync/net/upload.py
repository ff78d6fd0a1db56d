"""Bytes that are sent to a server."""

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

import httpx2

from modelsync.errors import StoreError

_PIECE = 256 * 1024  # bytes


class UploadBody(httpx2.SyncByteStream):
    """A file's bytes from where it stands to its end, rewound for every try.

    httpx2 would send a request's second try from where the first one left the file: after a 401, nothing.

    Args:
        file: Where they are.
        on_bytes: Called with the number of bytes of each piece that is about to be sent, and before another try with
            the negative number of those of the last one. It may wait, or raise.
        piece: The most bytes of a piece.

    Attributes:
        length: Bytes.
    """

    def __init__(
        self, file: BinaryIO, on_bytes: Callable[[int], None] | None = None, piece: int = _PIECE
    ) -> None:
        self._on_bytes = on_bytes
        self._piece = min(piece, _PIECE)
        self._told = 0
        self._file = file
        self._start = file.tell()
        self.length = file.seek(0, os.SEEK_END) - self._start

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        if self._told and self._on_bytes is not None:
            self._on_bytes(-self._told)
        self._told = 0
        left = self.length  # a file that grows meanwhile is sent as long as it was
        while left and (piece := self._file.read(min(self._piece, left))):
            left -= len(piece)
            if self._on_bytes is not None:
                self._told += len(piece)
                self._on_bytes(len(piece))
            yield piece
        if left:
            raise StoreError(
                f"a file became {left} bytes shorter while it was sent",
                hint="`modelsync verify --repair` fetches what is damaged",
            )

"""Bytes that are sent to a server."""

import os
from collections.abc import Iterator
from typing import BinaryIO

import httpx2

_PIECE = 256 * 1024  # bytes


class UploadBody(httpx2.SyncByteStream):
    """A file's bytes from where it stands to its end, rewound for every try.

    httpx2 would send a request's second try from where the first one left the file: after a 401, nothing.

    Attributes:
        length: Bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.tell()
        self.length = file.seek(0, os.SEEK_END) - self._start

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        while piece := self._file.read(_PIECE):
            yield piece

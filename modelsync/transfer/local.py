"""Reads a local file as a source: the segments with a `file:` URL."""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from modelsync.errors import NotFoundError, RefusedError, StoreError
from modelsync.spec.names import printable
from modelsync.transfer.responses import ChangedError


class LocalSource:
    """A regular file on this machine.

    Args:
        url: `file:///…`, an absolute path.
    """

    max_streams = 1  # one reader gets all that a disk gives
    is_origin = False  # the validator of a local file is valid on this machine alone
    limit = None

    def __init__(self, url: str) -> None:
        self._path = path_of(url)

    @contextmanager
    def open(self, start: int, end: int | None, if_range: str | None) -> Iterator["LocalResponse"]:
        """Opens the file and answers as a server does: a range, or the whole if `if_range` no longer matches.

        Raises:
            NotFoundError: there is no such file.
            RefusedError: it is a device, a pipe or a folder.
            StoreError: it cannot be read.
        """
        shown = printable(self._path)
        try:
            # O_NONBLOCK: opening a pipe without a writer would block for ever
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            fd = os.open(self._path, flags)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"there is no file {shown}", hint="put it there, or correct the URI in models.toml"
            ) from error
        except OSError as error:
            if stat.S_ISREG(_mode(self._path)):
                raise StoreError(f"cannot read {shown}: {error.strerror}") from error
            raise _not_regular(shown) from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise _not_regular(shown)
            tag = _tag(status)
            whole = (start == 0 and end is None) or if_range not in (None, tag)
            first, last = (
                (0, status.st_size) if whole else (start, min(end or status.st_size, status.st_size))
            )
            os.lseek(fd, first, os.SEEK_SET)
            yield LocalResponse(200 if whole else 206, {"etag": tag}, first, last, status.st_size, fd, shown)
        finally:
            os.close(fd)

    def delivered(self) -> None:
        """Does nothing."""


class LocalResponse(NamedTuple):
    """The bytes of an open file from `start` up to `end`."""

    status: int
    headers: Mapping[str, str]
    start: int
    end: int
    total: int
    fd: int
    shown: str
    origin: str = "file:"
    waited: float = 0.0

    def read_into(self, buffer: memoryview) -> int:
        """Reads the next bytes; returns how many, 0 at the end.

        Raises:
            ChangedError: the file was written to meanwhile.
            StoreError: it cannot be read.
        """
        try:
            left = self.end - os.lseek(self.fd, 0, os.SEEK_CUR)
            count = _read(self.fd, buffer[: max(0, left)])
            unchanged = count or _tag(os.fstat(self.fd)) == self.headers["etag"]
        except OSError as error:
            raise StoreError(f"cannot read {self.shown}: {error.strerror}") from error
        if not unchanged:
            raise ChangedError(
                f"{self.shown} is being written while it is read",
                hint="wait until it is written, then run it again",
            )
        return count


if sys.platform == "win32":

    def _read(fd: int, buffer: memoryview) -> int:
        data = os.read(fd, len(buffer))
        buffer[: len(data)] = data
        return len(data)
else:

    def _read(fd: int, buffer: memoryview) -> int:
        return os.readv(fd, [buffer])


def path_of(url: str) -> str:
    """The path that a `file:` URL names.

    Raises:
        RefusedError: it names another machine, or no absolute path.
    """
    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise RefusedError(
            f"{printable(url)} does not name a file of this machine", hint="write file:///path"
        )
    return path.lstrip("/") if sys.platform == "win32" else path


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - a Path has no more to say
    except OSError:
        return stat.S_IFREG


def _not_regular(shown: str) -> RefusedError:
    return RefusedError(
        f"{shown} is not a regular file",
        hint="a model is copied from a file, never from a folder, pipe or device",
    )


def _tag(status: os.stat_result) -> str:
    """A strong validator: it changes with any write to the file, and with another file in its place."""
    return f'"{status.st_dev:x}-{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'

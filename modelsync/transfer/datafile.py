"""A file that many threads write and read at offsets, with the space of a large one set aside beforehand."""

import errno
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from modelsync.system.disks import require_space

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # what the system says when no more fits
LARGE = 8 << 20  # bytes worth setting aside: whether there is room for fewer, their writing tells as soon
BLOCK = 512  # bytes; what st_blocks counts, whatever the file system's own blocks are


class DataFile:
    """An open file; every method may be called from any thread.

    Args:
        path: Made if it is not there.

    Raises:
        OSError: it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()  # where there is no pwrite: seek and write must not be parted
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)

    @property
    def size(self) -> int:
        """Bytes from the first to the last, holes included."""
        return os.fstat(self._fd).st_size

    def allocate(self, size: int) -> None:
        """Makes the file `size` bytes long and sets its space aside, where the file system can and it is worth it.

        Raises:
            DiskFullError: there is too little space; the file is unchanged. Checked where `LARGE` bytes or more
                are lacking.
        """
        status = os.fstat(self._fd)
        lacking = size - taken(status)
        if lacking >= LARGE:
            require_space([(self.path.parent, lacking)])
            _reserve(self._fd, size)
            status = os.fstat(self._fd)
        if status.st_size != size:
            os.ftruncate(self._fd, size)

    def resize(self, size: int) -> None:
        """Makes the file just `size` bytes long."""
        if self.size != size:
            os.ftruncate(self._fd, size)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Writes all of `data` at `offset`."""
        view = memoryview(data)
        while view:
            done = self._write_some(view, offset)
            view, offset = view[done:], offset + done

    def copy(self, source: int, at: int, offset: int, count: int) -> int | None:
        """Copies bytes from `at` of another open file to `offset` without a way through this process.

        Returns:
            How many it copied; 0: there are no more. None where the system cannot do that with these files.
        """
        if not hasattr(os, "copy_file_range"):
            return None
        try:
            return os.copy_file_range(source, self._fd, count, at, offset)
        except OSError as error:  # EXDEV, EOPNOTSUPP, EIO on either side: reading and writing tells which
            if error.errno in FULL:
                raise
            return None

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Reads bytes from `offset` on into `buffer`; gives how many, 0 at the end of the file."""
        return self._read_some(buffer, offset)

    def write_back(self, offset: int, size: int) -> None:
        """Begins to bring bytes to the disk and does not wait for it, so that a later `sync` has less to do."""
        _write_back(self._fd, offset, size)

    def sync(self) -> None:
        """Returns once what was written is on the disk."""
        flush(self._fd)

    def close(self) -> None:
        """Closes the file; nothing is flushed."""
        os.close(self._fd)

    if sys.platform == "win32":

        def _write_some(self, view: memoryview, offset: int) -> int:
            with self._turn:
                os.lseek(self._fd, offset, os.SEEK_SET)
                return os.write(self._fd, view)

        def _read_some(self, buffer: memoryview, offset: int) -> int:
            with self._turn:
                os.lseek(self._fd, offset, os.SEEK_SET)
                data = os.read(self._fd, len(buffer))
            buffer[: len(data)] = data
            return len(data)
    else:

        def _write_some(self, view: memoryview, offset: int) -> int:
            return os.pwrite(self._fd, view, offset)

        def _read_some(self, buffer: memoryview, offset: int) -> int:
            if hasattr(os, "preadv"):
                return os.preadv(self._fd, [buffer], offset)
            data = os.pread(self._fd, len(buffer), offset)
            buffer[: len(data)] = data
            return len(data)


def allocated(path: Path) -> int:
    """Bytes of disk that a file holds already; 0 if it is not there."""
    try:
        return taken(path.stat())
    except OSError:
        return 0


def taken(status: os.stat_result) -> int:
    """Bytes of disk that a file of this status holds."""
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * BLOCK


def flush(fd: int) -> None:
    """fdatasync, where there is one."""
    getattr(os, "fdatasync", os.fsync)(fd)


if sys.platform == "linux":
    _SYNC_FILE_RANGE_WRITE = 2

    def _reserve(fd: int, size: int) -> None:
        """fallocate(2), not posix_fallocate(3): the latter writes the whole file where the former cannot."""
        from ctypes import c_int, c_int64

        call = _function("fallocate64") or _function("fallocate")
        if call is not None:
            call(c_int(fd), c_int(0), c_int64(0), c_int64(size))  # else the space is taken as the bytes come

    def _write_back(fd: int, offset: int, size: int) -> None:
        """sync_file_range(2); a failure is no harm, for nothing depends on it."""
        from ctypes import c_int, c_int64, c_uint

        call = _function("sync_file_range")
        if call is not None:
            call(c_int(fd), c_int64(offset), c_int64(size), c_uint(_SYNC_FILE_RANGE_WRITE))

    @cache
    def _function(name: str) -> Callable[..., int] | None:
        """One of the C library's, which may lack it."""
        import ctypes

        return getattr(ctypes.CDLL(None), name, None)
else:

    def _reserve(fd: int, size: int) -> None:
        """Nothing to call here: the space is taken as the bytes come."""

    def _write_back(fd: int, offset: int, size: int) -> None:
        """Nothing to call here: the system writes when it sees fit."""

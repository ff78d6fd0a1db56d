"""A preallocated file that many threads read and write at offsets."""

import errno
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from modelsync.system.disks import require_space

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
LARGE = 8 << 20  # bytes worth preallocating: for fewer, the writes find out just as soon
OWN_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(
    os, "O_BINARY", 0
)  # a link that stands there is not followed
BLOCK = 512  # bytes; the unit of st_blocks on every file system


class DataFile:
    """An open file. Its methods may be called from any thread.

    Args:
        path: Created if missing.

    Raises:
        OSError: it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # without pwrite, no other thread may come between seek and write
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | OWN_FILE, 0o644)

    @property
    def size(self) -> int:
        """Length in bytes, holes included."""
        return os.fstat(self._fd).st_size

    def allocate(self, size: int) -> None:
        """Makes the file `size` bytes long and, if it lacks `LARGE` bytes or more, preallocates its space.

        Raises:
            DiskFullError: there is too little space; the file is unchanged. For less than `LARGE` bytes it does not
                check.
        """
        status = os.fstat(self._fd)
        lacking = size - disk_bytes(status)
        if lacking >= LARGE:
            require_space([(self.path.parent, lacking)])
            _reserve(self._fd, size)
            status = os.fstat(self._fd)
        if status.st_size != size:
            os.ftruncate(self._fd, size)

    def resize(self, size: int) -> None:
        """Makes the file `size` bytes long."""
        if self.size != size:
            os.ftruncate(self._fd, size)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Writes all of `data` at `offset`."""
        view = memoryview(data)
        while view:
            done = self._write_some(view, offset)
            view, offset = view[done:], offset + done

    def copy(self, source: int, at: int, offset: int, count: int) -> int | None:
        """Lets the kernel copy bytes from `at` of another open file to `offset`.

        Returns:
            How many it copied; 0 at the end. None where the kernel cannot copy between these files.
        """
        if not hasattr(os, "copy_file_range"):
            return None
        try:
            return os.copy_file_range(source, self._fd, count, at, offset)
        except OSError as error:  # EXDEV, EOPNOTSUPP, EIO of either file: reading and writing shows which
            if error.errno in FULL:
                raise
            return None

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Reads from `offset` into `buffer`; returns how many bytes, 0 at the end of the file."""
        return self._read_some(buffer, offset)

    def write_back(self, offset: int, size: int) -> None:
        """Starts writing bytes to the disk without waiting, so that a later `sync` has less to do."""
        _write_back(self._fd, offset, size)

    def sync(self) -> None:
        """Waits until everything written is on the disk."""
        flush(self._fd)

    def close(self) -> None:
        """Closes the file without flushing it."""
        os.close(self._fd)

    if sys.platform == "win32":

        def _write_some(self, view: memoryview, offset: int) -> int:
            with self._lock:
                os.lseek(self._fd, offset, os.SEEK_SET)
                return os.write(self._fd, view)

        def _read_some(self, buffer: memoryview, offset: int) -> int:
            with self._lock:
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
    """Bytes of disk that a file occupies; 0 if it is missing."""
    try:
        return disk_bytes(path.stat())
    except OSError:
        return 0


def disk_bytes(status: os.stat_result) -> int:
    """Bytes of disk that a file occupies, by its stat result."""
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * BLOCK


def flush(fd: int) -> None:
    """Calls fdatasync, or fsync where it is missing."""
    getattr(os, "fdatasync", os.fsync)(fd)


if sys.platform == "linux":
    _SYNC_FILE_RANGE_WRITE = 2

    def _reserve(fd: int, size: int) -> None:
        """Calls fallocate(2). posix_fallocate(3) would write the whole file where that is not supported."""
        from ctypes import c_int, c_int64

        call = _function("fallocate64") or _function("fallocate")
        if call is not None:
            call(c_int(fd), c_int(0), c_int64(0), c_int64(size))

    def _write_back(fd: int, offset: int, size: int) -> None:
        """Calls sync_file_range(2). Nothing depends on its success."""
        from ctypes import c_int, c_int64, c_uint

        call = _function("sync_file_range")
        if call is not None:
            call(c_int(fd), c_int64(offset), c_int64(size), c_uint(_SYNC_FILE_RANGE_WRITE))

    @cache
    def _function(name: str) -> Callable[..., int] | None:
        """A function of the C library, or None."""
        import ctypes

        return getattr(ctypes.CDLL(None), name, None)
else:

    def _reserve(fd: int, size: int) -> None:
        """Does nothing: space is allocated by the writes."""

    def _write_back(fd: int, offset: int, size: int) -> None:
        """Does nothing: the system writes when it sees fit."""

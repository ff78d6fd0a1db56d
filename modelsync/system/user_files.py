"""Reads the small files of a user: regular ones alone, and never more than a bound.

A variable may name any path: a device without an end, or a pipe that no one writes to.
"""

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe is not waited for


def read(path: Path, limit: int = 1 << 20) -> bytes:
    """The content of a file; the null device is an empty one.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read, is larger, or is no regular file.
    """
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            if str(path) == os.devnull:
                return b""
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(path))
    return data


def read_text(path: Path, limit: int = 1 << 20) -> str:
    """Like `read`, as text.

    Raises:
        OSError: as with `read`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read(path, limit).decode()

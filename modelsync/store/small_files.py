"""Reads the small files of a store and of a project's folder: bounded, and believing nothing. Light.

What is at such a path may be damaged, of another version or planted: endless (`/dev/zero`), a pipe that no one writes
to, or JSON of any shape. None of it stops a command: what makes no sense counts as absent.
"""

import errno
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from modelsync.errors import ModelsyncError

T = TypeVar("T")

MAX_BYTES = 64 << 20  # of one file: for 16 TiB of one model, or a lock of 10,000 files
_CHUNK = 65_536
_DAY = 86_400.0  # seconds
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe is not waited for

# What reading JSON of another shape than expected raises.
SENSELESS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    OverflowError,
    ModelsyncError,
)


def read(path: "str | Path", limit: int = MAX_BYTES) -> bytes:
    """The content of a small file. Three system calls for one of less than 64 KiB.

    Args:
        path: The file.
        limit: Bytes that it may have.

    Raises:
        OSError: it cannot be read, or is larger.
    """
    descriptor = os.open(path, FLAGS)
    try:
        data = os.read(descriptor, min(_CHUNK, limit + 1))
        if len(data) < _CHUNK and len(data) <= limit:
            return data
        parts, size = [data], len(data)
        while size <= limit and (data := os.read(descriptor, min(1 << 20, limit + 1 - size))):
            parts.append(data)
            size += len(data)
    finally:
        os.close(descriptor)
    if size > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return b"".join(parts)


def parsed(path: "str | Path", parse: Callable[[Any], T | None], limit: int = MAX_BYTES) -> T | None:
    """What a small JSON file says; None where there is none, or it makes no sense.

    Args:
        path: The file.
        parse: Checks the JSON's value. What it raises on a wrong shape counts as None.
        limit: Bytes that the file may have.
    """
    try:
        return parse(json.loads(read(path, limit)))
    except (OSError, *SENSELESS):
        return None


def is_text(value: object) -> bool:
    """Whether a value is a string that the system takes as a path or a name."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def text_or_null(value: object) -> dict[str, str | None] | None:
    """A value whose items are texts or null, as it was read; None where it is another."""
    if not isinstance(value, dict):
        return None
    known = all(isinstance(item, str | None) for item in value.values())
    return value if known else None


def touch(path: "str | Path", touched: float) -> bool:
    """Notes that a root is in use, at most once a day: its time tells when it was used last.

    Args:
        path: The root's file.
        touched: Its modification time, in seconds since the epoch.

    Returns:
        Whether this was the first time today.
    """
    if abs(time.time() - touched) <= _DAY:
        return False
    with suppress(OSError):  # a store that is only read
        os.utime(path)
    return True

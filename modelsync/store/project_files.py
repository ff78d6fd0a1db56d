"""Reads and writes files that may have come with a repository: never through a link that leads out of it. Light.

A manifest, a lock, a record or a `.gitattributes` may be a symbolic link to the user's own files, a pipe that no one
writes to, or endless (`/dev/zero`). Such a file is refused by its name.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from modelsync.errors import RefusedError
from modelsync.spec.names import printable
from modelsync.store import atomic, small_files

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def read(path: Path, limit: int, *, inside: Path | None) -> bytes:
    """The content of a regular file.

    Args:
        path: The file.
        limit: The most bytes that it may have.
        inside: The folder that links must not leave; None: links may lead anywhere.

    Raises:
        RefusedError: it is a link that leads out of `inside`, or no regular file.
        OSError: it cannot be read, is larger, or is not there.
    """
    real = target(path, inside)
    descriptor = os.open(real, small_files.FLAGS | _NO_FOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file(path)
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data


def write(path: Path, data: bytes, *, inside: Path, expected: bytes | None = None) -> os.stat_result | None:
    """Writes a file by one rename and keeps its mode; a link that stays inside keeps leading to it.

    Args:
        path: The file.
        data: What it is to hold.
        inside: The folder that links must not leave.
        expected: What the file must hold just before the rename, empty where it must not be there; None: anything.

    Returns:
        How the new file looks; None if the file does not hold what was expected: then nothing was written.

    Raises:
        RefusedError: the path is a link that leads out of `inside`, or no regular file.
        OSError: the folder cannot be written.
    """
    real = target(path, inside)
    temp = real.with_name(f".{real.name}.{atomic.unique()}")
    try:
        with temp.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            temp.chmod(real.stat().st_mode & 0o7777)
        seen = temp.stat()
        if expected is not None and not _holds(real, expected):
            atomic.unlink(temp)
            return None
        atomic.rename(temp, real)
        atomic.sync_folder(real.parent)
        with suppress(OSError):
            now = real.stat()  # the rename changed its change time
            if os.path.samestat(now, seen) and now.st_mtime_ns == seen.st_mtime_ns:
                return now
        return seen
    except BaseException:
        atomic.unlink(temp)
        raise


def target(path: Path, inside: Path | None) -> Path:
    """Where a file really is, or will be: links are followed as far as they may be.

    Args:
        path: The file, which may not be there.
        inside: The folder that links must not leave; None: links may lead anywhere.

    Raises:
        RefusedError: it is a link that leads out of `inside`, or no regular file.
        OSError: it cannot be looked at.
    """
    real = path
    try:
        seen = path.lstat()
        if stat.S_ISLNK(seen.st_mode):
            real = Path(os.path.realpath(path))
            if inside is not None and not real.is_relative_to(os.path.realpath(inside)):
                raise RefusedError(
                    f"{printable(str(path), 1000)} is a symbolic link that leads out of the project",
                    hint="see who made it; a regular file in its place, or a link inside the project, is taken",
                )
            seen = real.lstat()
    except FileNotFoundError:
        return real
    if stat.S_ISLNK(seen.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if not stat.S_ISREG(seen.st_mode):
        raise _no_file(path)
    return real


def _no_file(path: Path) -> RefusedError:
    return RefusedError(
        f"{printable(str(path), 1000)} is no regular file",
        hint="see who made it, and put a file in its place",
    )


def _holds(path: Path, expected: bytes) -> bool:
    """Whether a file holds just this; one that is not there counts as empty."""
    try:
        return read(path, len(expected), inside=None) == expected
    except OSError as error:
        return isinstance(error, FileNotFoundError) and not expected

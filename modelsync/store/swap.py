"""Renames that overwrite nothing: into an empty place, or in exchange for what stands there.

Linux has `renameat2` and macOS `renamex_np` for it. Where the system or the file system has neither, a hard link fills
an empty place, and otherwise a look just before the rename has to do.
"""

import errno
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

from modelsync.store import atomic

_ASIDE = ".modified"

# What answers that the system, the file system or this kind of file cannot do it.
_CANNOT = {
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EMLINK,
    errno.EXDEV,
}


def fill(source: Path, target: Path) -> None:
    """Renames `source` to `target`, where nothing is.

    Raises:
        FileExistsError: something is at `target`; both are as they were.
        OSError: it cannot be renamed.
    """
    if _rename(source, target, _EMPTY):
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _CANNOT:
            raise
    else:
        atomic.unlink(source)
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    atomic.move(source, target)


def replace(source: Path, target: Path, is_ours: Callable[[Path], bool]) -> bool:
    """Renames `source` to `target`, over what is ours there.

    Args:
        source: The new file.
        target: Its place.
        is_ours: Whether what is at a path may be replaced.

    Returns:
        False if what is at `target` is not ours; it stays, and so does `source`.

    Raises:
        OSError: it cannot be renamed.
    """
    try:
        if not os.path.lexists(target):
            fill(source, target)
            return True
        if not is_ours(target):
            return False
        exchanged = _rename(source, target, _EXCHANGE)
    except FileExistsError:
        return False
    except FileNotFoundError:
        if not os.path.lexists(source):
            raise
        fill(source, target)  # what was there has just gone
        return True
    if not exchanged:  # the look just before has to do
        atomic.move(source, target)
        return True
    if is_ours(source):  # where now is what was at `target`
        atomic.unlink(source)
        return True
    try:
        _rename(source, target, _EXCHANGE)
    except OSError:  # the user removed our file in that moment
        put_back(source, target)
    return False


def set_aside(source: Path, target: Path) -> Path:
    """Renames a user's file that is, or belongs, at `target` to `<name>.modified`, or `.modified-2`, whatever is free.

    Raises:
        OSError: it cannot be renamed.
    """
    for number in count(1):
        place = target.with_name(f"{target.name}{_ASIDE}{f'-{number}' if number > 1 else ''}")
        with suppress(FileExistsError):
            fill(source, place)
            return place
    raise AssertionError


def set_aside_as(target: Path) -> tuple[Path, ...]:
    """The files beside `target` that have a name of `set_aside`, in order."""
    name = re.compile(rf"{re.escape(target.name + _ASIDE)}(-[0-9]+)?")
    try:
        return tuple(sorted(each for each in target.parent.iterdir() if name.fullmatch(each.name)))
    except OSError:
        return ()


def put_back(source: Path, target: Path) -> None:
    """Gives a user's file its name again; where something else has got it meanwhile, it becomes `<name>.modified`.

    Raises:
        OSError: it cannot be renamed, and stays at `source`.
    """
    try:
        fill(source, target)
    except FileExistsError:
        fill(source, target.with_name(f"{target.name}{_ASIDE}"))


def _rename(source: Path, target: Path, flags: int) -> bool:
    """One call of the system; False where it has none, or not for these files."""
    call = _call()
    if call is None:
        return False
    sys.audit("os.rename", os.fspath(source), os.fspath(target), -1, -1)  # as Python's own calls do
    number = call(os.fsencode(source), os.fsencode(target), flags)
    if number in _CANNOT:
        return False
    if number:
        raise OSError(number, os.strerror(number), str(target))
    return True


if sys.platform == "darwin":
    _EMPTY, _EXCHANGE = 4, 2  # RENAME_EXCL, RENAME_SWAP

    @cache
    def _call() -> Callable[[bytes, bytes, int], int] | None:
        import ctypes

        function = getattr(ctypes.CDLL(None, use_errno=True), "renamex_np", None)
        if function is None:
            return None
        return lambda source, target, flags: (
            ctypes.get_errno() if function(source, target, ctypes.c_uint(flags)) else 0
        )
else:
    _EMPTY, _EXCHANGE = 1, 2  # RENAME_NOREPLACE, RENAME_EXCHANGE
    _HERE = -100  # AT_FDCWD

    @cache
    def _call() -> Callable[[bytes, bytes, int], int] | None:
        if sys.platform != "linux":
            return None
        import ctypes

        function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if function is None:
            return None
        return lambda source, target, flags: (
            ctypes.get_errno() if function(_HERE, source, _HERE, target, ctypes.c_uint(flags)) else 0
        )

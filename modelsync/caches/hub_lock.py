"""The lock that the Hugging Face tools take while they make a blob: `flock` on a file, or a file that is there."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

_STEP = 0.05  # seconds between two tries
_BUSY = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


class BusyLockError(Exception):
    """Another program has the lock."""


@contextmanager
def locked(path: Path, patience: float, cancel: "threading.Event | None" = None) -> Iterator[None]:
    """Holds the lock for a `with` block.

    The file stays afterwards, as the other tools leave it: to remove it would let two of them have the lock.

    Args:
        path: The lock's file.
        patience: Seconds to wait while another program has it.
        cancel: Ends the wait when set.

    Raises:
        BusyLockError: another program still has it.
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + patience
    while True:
        descriptor = _taken(path)
        if descriptor is not None:
            break
        if time.monotonic() >= until or (cancel is not None and cancel.is_set()):
            raise BusyLockError(str(path))
        time.sleep(_STEP)
    try:
        yield
    finally:
        if descriptor < 0:
            path.unlink(missing_ok=True)
        else:
            with suppress(OSError):
                _unlock(descriptor)
            os.close(descriptor)


def _taken(path: Path) -> int | None:
    """The open file whose lock is ours; -1 where the file itself is the lock; None if another program has it."""
    made = True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o664)
    except FileExistsError:
        made = False
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
    try:
        _lock(descriptor)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except FileNotFoundError:  # the lock of a file that has just been removed is no lock
        pass
    except OSError as error:
        os.close(descriptor)
        if error.errno in _NO_LOCKS:
            return -1 if made else None  # then who makes the file has the lock
        if error.errno in _BUSY:
            return None
        raise
    os.close(descriptor)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

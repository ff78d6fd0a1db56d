"""The lock of a digest: who holds it fetches; who wants the same waits.

Where the file system has no locks, everyone who wants the digest works in a folder of their own: the bytes are
fetched twice, and both are right. A later process of the same machine resumes
what was left in such a folder.
"""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import CancelledError, StoreError
from modelsync.store import atomic
from modelsync.store.layout import PARTIALS, Store

if TYPE_CHECKING:
    import threading

    from filelock import BaseFileLock

POLL = 0.1  # seconds between two tries for a lock that someone else has

# What a file system without locks answers: some network shares, FUSE and Android.
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


class Held(NamedTuple):
    """The right to work on a key.

    Attributes:
        key: The digest, or what `layout.url_key` gave.
        folder: Where the partial of this key is, or is to be: only the holder touches it.
        exclusive: Whether a file lock is held. False: `folder` is private, and others may work on the key too.
    """

    key: str
    folder: Path
    exclusive: bool


@contextmanager
def hold(
    store: Store,
    key: str,
    *,
    blocking: bool = True,
    cancel: "threading.Event | None" = None,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[Held | None]:
    """Holds the lock of `key` for a `with` block.

    After a wait, look for the blob again: the one who had the lock has most likely published it. Who wants
    several keys waits for none while holding another. Locks exclude threads as well as processes: do not hold a
    key twice.

    Args:
        store: The store.
        key: A digest, or what `layout.url_key` gave.
        blocking: Whether to wait while someone else has it. When not, the block gets None.
        cancel: Ends the wait with `CancelledError` when set.
        on_wait: Called once, when the wait begins.

    Raises:
        StoreError: the store cannot be written.
    """
    path = store.lock_path(key)
    with atomic.told(f"cannot lock {key[:16]}… in the store"):
        if not path.parent.is_dir():
            atomic.prepare(store)
            path.parent.mkdir(exist_ok=True)
    with locked(path, blocking=blocking, cancel=cancel, on_wait=on_wait) as answer:
        if answer == "taken":
            yield None
        elif answer == "held":
            yield Held(key, store.partial_path(key), exclusive=True)
        else:
            with atomic.told(f"cannot begin {key[:16]}… in the store"):
                folder = _private_folder(store, key)
            yield Held(key, folder, exclusive=False)


@contextmanager
def locked(
    path: Path,
    *,
    blocking: bool = True,
    cancel: "threading.Event | None" = None,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[str]:
    """Locks a file for a `with` block, which gets `held`, `taken` (by another) or `none` (there are no locks here).

    Raises:
        StoreError: the file cannot be made or opened.
        CancelledError: the wait was cancelled.
    """
    from filelock import FileLock

    # thread_local: a lock may be released by another thread than took it. No soft lock: it outlives its process.
    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    waiting = False
    while not (answer := _attempt(lock, path)):
        if not blocking:
            answer = "taken"
            break
        if not waiting and on_wait is not None:
            on_wait()
        waiting = True
        _pause(cancel)
    try:
        yield answer
    finally:
        lock.release()


def _attempt(lock: "BaseFileLock", path: Path) -> str | None:
    """One try: `held`, `none` where there are no locks, None while another has it."""
    from filelock import Timeout

    with atomic.told(f"cannot lock {path}"):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return "none"
    return "held"


def _pause(cancel: "threading.Event | None") -> None:
    if cancel is None:
        time.sleep(POLL)
    elif cancel.wait(POLL):
        raise CancelledError("interrupted while another process fetched the same file")


def is_held(store: Store, key: str) -> bool:
    """Whether a process has the lock of `key` now, or may have it."""
    path = store.lock_path(key)
    if not path.exists():
        return False
    try:
        with locked(path, blocking=False) as answer:
            return answer == "taken"
    except StoreError:
        return True


def is_at_work(private_folder: str) -> bool | None:
    """Whether the process that a private folder's name tells of is alive; None if that is on another machine."""
    machine, start, process = [*private_folder.rpartition(".")[2].split("-"), "", ""][:3]
    here, started = _machine()
    if machine != here:
        return None
    return start == started and process.isdecimal() and _alive(int(process))


def _private_folder(store: Store, key: str) -> Path:
    """A name for the folder of this process alone: what a process that is no more left behind moves there.

    The name tells whose it is: `<key>.<machine>-<start of the machine>-<process>-<random>`.
    """
    machine, start = _machine()
    folder = store.root / PARTIALS
    mine = folder / f"{key}.{machine}-{start}-{os.getpid()}-{os.urandom(4).hex()}"
    for left in sorted(folder.glob(f"{key}.{machine}-*")):
        if is_at_work(left.name) is False:
            with suppress(OSError):  # of two that try, one gets it
                left.rename(mine)
                break
    return mine


def _machine() -> tuple[str, str]:
    """8 hex digits each: for this machine or container, where a process's number means anything, and its start."""
    import hashlib
    import platform

    from modelsync.system.disks import boot_id

    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    words = (f"{platform.node()} {space}", boot_id() or "")
    machine, start = (hashlib.sha256(word.encode()).hexdigest()[:8] for word in words)
    return machine, start


def _alive(process: int) -> bool:
    if sys.platform == "win32":  # where os.kill(…, 0) ends a process, and where file locks work
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

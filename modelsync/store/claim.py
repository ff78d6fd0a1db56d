"""Claims: files that say which process works on something, on any file system.

A claim is a file that only one process can create (`O_EXCL`). It names its owner, which touches it every few seconds.
No file lock is needed: some network file systems have none, or grant them to everyone.

    {"id": "<16 hex>", "host": "node7", "machine": "<16 hex>", "process": 4711, "started": "88123", …}

A claim is free again when its owner removes it, at once when its owner is seen to have ended (a process of this
machine and container, or of an earlier boot of it), and otherwise when it was not touched for a minute. An owner that
was suspended for longer may have lost its claim: it asks with `confirm` before it writes.
"""

import errno
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.errors import CancelledError
from modelsync.store import atomic, claim_owner
from modelsync.system import processes

POLL = 0.1  # seconds between two tries for a claim that another process has
BEAT = 10.0  # seconds between two touches by the owner
STALE = 60.0  # seconds without a touch after which a claim is free
_SURE = 30.0  # seconds after a touch in which no other process can have taken the claim
_REMOVAL = re.compile(r"(\.[0-9a-f]{16})+")
_SKEW = 3600.0  # seconds by which the clocks of two machines may differ


class HeldClaim:
    """A claim that this process has.

    Attributes:
        path: Its file.
        id: 16 hex digits, another one for each claim.
        ended: The id of the claim that was here before, if its owner ended without removing it; else None.
    """

    def __init__(self, path: Path, id: str, ended: str | None = None) -> None:
        self.path = path
        self.id = id
        self.ended = ended
        self._touched = processes.clock()

    def confirm(self) -> bool:
        """Whether it is still this process's. No system call where it was touched a moment ago."""
        return processes.clock() - self._touched < _SURE or self.touch()

    def touch(self) -> bool:
        """Makes it fresh; False if another process has taken it over."""
        owner = claim_owner.read(self.path)
        if owner is None or owner.id != self.id:
            return False
        try:
            os.utime(self.path)
        except OSError:
            return False
        self._touched = processes.clock()
        return True


@contextmanager
def claimed(
    path: Path,
    *,
    blocking: bool = True,
    cancel: "threading.Event | None" = None,
    on_wait: Callable[[], None] | None = None,
    on_ended: Callable[[str], None] | None = None,
    hint: str = atomic.STORE_HINT,
) -> Iterator[HeldClaim | None]:
    """Claims a path for a `with` block. Excludes threads as well as processes: do not claim a path twice.

    Args:
        path: The claim's file; its folder has to be there.
        blocking: Whether to wait while another process has it. If not, the block gets None.
        cancel: Ends the wait with `CancelledError` when set.
        on_wait: Called once, when the wait begins.
        on_ended: Called with the id of a claim whose owner has ended, before that claim is removed.
        hint: What to do where the claim cannot be made.

    Raises:
        StoreError: the file cannot be made, or an old one not be removed, or no regular file is there.
        CancelledError: the wait was cancelled.
    """
    ended: str | None = None
    waiting = False
    with atomic.told(f"cannot lock {path}", hint=hint):
        while (mine := _create(path, ended)) is None:
            _check_file(path)
            free = _looked_at(path)
            if free is not None and _remove(path, free, on_ended, hint):
                ended = free.owner.id if free.owner is not None else ended
            if not os.path.lexists(path):
                continue
            if not blocking:
                break
            if not waiting and on_wait is not None:
                on_wait()
            waiting = True
            _pause(cancel)
    if mine is None:
        yield None
        return
    _pulse.add(mine)
    try:
        yield mine
    finally:
        _pulse.remove(mine)
        if holder(path) == mine.id:
            with suppress(OSError):
                _release(path)


def is_held(path: Path) -> bool:
    """Whether a process has a claim on this path now, or may have it."""
    return os.path.lexists(path) and _looked_at(path) is None


def holder(path: Path) -> str | None:
    """The id of the claim on this path, whether its owner is still there or not; None where there is none."""
    owner = claim_owner.read(path)
    return owner.id if owner is not None else None


def _create(path: Path, ended: str | None) -> HeldClaim | None:
    owner = claim_owner.this_process()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except FileExistsError:
        return None
    except PermissionError:
        if sys.platform == "win32" and os.path.lexists(path):  # one that is just being removed
            return None
        raise
    try:
        try:
            os.write(descriptor, claim_owner.dumps(owner))
        finally:
            os.close(descriptor)
    except BaseException:
        atomic.unlink(path)
        raise
    return HeldClaim(path, owner.id, ended)


def _check_file(path: Path) -> None:
    """Checks that a process may have made what is there: none would ever remove a folder or a pipe."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "it is no regular file; see who made it, and remove it")


def _release(path: Path) -> None:
    for _ in range(20 if sys.platform == "win32" else 0):  # another process may be reading it
        try:
            path.unlink()
            return
        except PermissionError:
            time.sleep(0.01)
    path.unlink()


# --- claims whose owner has ended --------------------------------------------------------------------


class _Free(NamedTuple):
    """A claim that is free, as it was when that was seen."""

    owner: "claim_owner.Owner | None"
    mark: tuple[int, int]  # time and inode


# For a claim that others hold: its mark, and since when this process has seen it with this one.
_seen: dict[Path, tuple[tuple[int, int], float]] = {}


def _looked_at(path: Path) -> _Free | None:
    """The claim, if its owner has ended or did not touch it for a minute; None if it is held, or there is none.

    The clock of another machine may differ, and a network file system's too: what counts is that the claim's time
    stays the same while this process looks. Only one that is hours off is free at once.
    """
    try:
        seen = path.lstat()
    except OSError:
        _seen.pop(path, None)
        return None
    owner = claim_owner.read(path)
    running = claim_owner.is_running(owner, seen.st_mtime) if owner is not None else None
    mark = (seen.st_mtime_ns, seen.st_ino)
    last, since = _seen.get(path, (None, 0.0))
    if last != mark:
        since = processes.clock()
        _seen[path] = (mark, since)
    silent = processes.clock() - since > STALE
    if running is False or silent or (running is None and abs(time.time() - seen.st_mtime) > _SKEW):
        _seen.pop(path, None)
        return _Free(owner, mark)
    return None


def _remove(path: Path, free: _Free, on_ended: Callable[[str], None] | None, hint: str) -> bool:
    """Removes a free claim, and never another one that came to its place; says whether it did.

    Between seeing that a claim is free and removing it, its owner may release it and a third process make its own. So
    one process at a time, by a claim on the right to remove this one, looks once more and removes it.
    """
    name = free.owner.id if free.owner is not None else f"{(free.mark[0] ^ free.mark[1]) % (1 << 64):016x}"
    with claimed(path.with_name(f"{path.name}.{name}"), blocking=False, hint=hint) as right:
        if right is None:
            return False
        try:
            seen = path.lstat()
        except FileNotFoundError:
            return False
        if claim_owner.read(path) != free.owner or (seen.st_mtime_ns, seen.st_ino) != free.mark:
            return False
        if free.owner is not None and on_ended is not None:
            on_ended(free.owner.id)
        return atomic.unlink(path)


def is_removal(name: str, of: str) -> bool:
    """Whether a name is that of a claim on the right to remove the claim `of`."""
    rest = name.removeprefix(of)
    return rest != name and _REMOVAL.fullmatch(rest) is not None


def _pause(cancel: "threading.Event | None") -> None:
    if cancel is None:
        time.sleep(POLL)
    elif cancel.wait(POLL):
        raise CancelledError("interrupted while another process fetched the same file")


# --- touching the claims of this process -----------------------------------------------------------------------


class _Pulse:
    """Touches the claims of this process, in a thread that there is as long as there are claims."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._claims: set[HeldClaim] = set()
        self._runs = False

    def add(self, claim: HeldClaim) -> None:
        with self._news:
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="claims", daemon=True).start()
            self._claims.add(claim)

    def remove(self, claim: HeldClaim) -> None:
        with self._news:
            self._claims.discard(claim)

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait(BEAT)
                if not self._claims:
                    self._runs = False
                    return
                claims = tuple(self._claims)
            for claim in claims:
                claim.touch()


_pulse = _Pulse()


def _forked() -> None:
    """A child has neither the thread nor the claims of its parent."""
    global _pulse
    _pulse = _Pulse()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

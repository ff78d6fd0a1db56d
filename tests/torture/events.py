"""Counts what a process does to files and sockets, and lets something happen at its n-th event.

Audit hooks tell of most; what they miss (writes, syncs, stats, what comes from a socket) is replaced by functions that
tell first. Installed in a fork, just before its run; there is no way back.
"""

import builtins
import errno
import io
import itertools
import mmap
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NoReturn

from tests.torture.unsynced import Unsynced

Action = Literal["none", "kill", "tear", "interrupt", "cut", "ENOSPC", "EIO", "EACCES"]
Kind = Literal["write", "change", "read", "sync", "socket"]

# At which events each action may happen: a state on the disk that no other event shows is enough for a kill.
CHANGES: frozenset[Kind] = frozenset({"write", "change", "sync", "socket"})
STRIKES: dict[Action, frozenset[Kind]] = {
    "none": CHANGES,
    "kill": CHANGES,
    "tear": frozenset({"write"}),
    "interrupt": CHANGES,
    "cut": CHANGES,
    "ENOSPC": frozenset({"write", "change", "sync"}),
    "EIO": frozenset({"write", "change", "sync", "read", "socket"}),
    "EACCES": frozenset({"change", "read"}),
}
AUDITED: dict[str, Kind] = {
    **dict.fromkeys(
        (
            "os.rename",
            "os.remove",
            "os.rmdir",
            "os.mkdir",
            "os.chmod",
            "os.link",
            "os.symlink",
            "os.truncate",
        ),
        "change",
    ),
    "os.utime": "change",
    "fcntl.flock": "change",
    "fcntl.ioctl": "change",
    "os.listdir": "read",
    "os.scandir": "read",
    "socket.connect": "socket",
    "socket.getaddrinfo": "socket",
}


class Shared:
    """What a fork tells its parent while it lives, in memory that both see."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)

    def _number(self, at: int) -> int:
        value: int = struct.unpack_from("q", self._memory, at)[0]
        return value

    @property
    def events(self) -> int:
        """How many events there were."""
        return self._number(0)

    @property
    def received(self) -> int:
        """Bytes that came from sockets."""
        return self._number(8)

    @property
    def struck(self) -> str:
        """The event at which it happened, or nothing."""
        return bytes(self._memory[64:1024]).rstrip(b"\0").decode(errors="replace")

    def set(self, at: int, value: int) -> None:
        """Sets one of the numbers."""
        struct.pack_into("q", self._memory, at, value)

    def strike(self, name: str) -> None:
        """Notes at which event it happened."""
        text = name.encode()[:900]
        self._memory[64 : 64 + len(text)] = text


class Injector:
    """Counts the events of this process, and acts at one.

    Args:
        shared: Where the counts go.
        action: What happens.
        at: At which event, from 1; 0: never.
        scope: The folder whose files count.
    """

    def __init__(self, shared: Shared, action: Action, at: int, scope: Path) -> None:
        self._shared, self._action, self._at, self._scope = shared, action, at, str(scope)
        self._kinds = STRIKES[action]
        self._numbers = itertools.count(1)
        self._received = 0
        self._turn = threading.RLock()  # of power cuts: no thread writes once it has begun
        self._unsynced = Unsynced(scope)
        self._quiet = False

    def install(self) -> None:
        """From now on every event counts."""
        self._replace_calls()
        sys.addaudithook(self._audit)

    # --- what happens --------------------------------------------------------------------------------

    def _event(self, kind: Kind, name: str, tear: Callable[[], object] | None = None) -> None:
        if self._quiet or kind not in self._kinds:
            return
        number = next(self._numbers)
        self._shared.set(0, number)
        if number == self._at:
            self._shared.strike(name)
            self._strike(kind, name, tear)

    def _strike(self, kind: Kind, name: str, tear: Callable[[], object] | None) -> None:
        self._quiet = True
        if self._action == "interrupt":
            self._quiet = False
            os.kill(os.getpid(), signal.SIGINT)
        elif self._action in ("kill", "tear", "cut"):
            if self._action == "tear" and tear is not None:
                tear()
            elif self._action == "cut":
                self._turn.acquire()
                self._unsynced.lose(seed=self._at)
            _die()
        else:
            self._quiet = False
            if kind == "socket":
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            number = getattr(errno, self._action)
            raise OSError(number, os.strerror(number), name.partition(" ")[2] or None)

    # --- where events come from ----------------------------------------------------------------------

    def _ours(self, path: object) -> bool:
        if isinstance(path, int):
            return path > 2
        try:
            return os.path.abspath(os.fsdecode(path)).startswith(self._scope)  # type: ignore[arg-type]  # noqa: PTH100
        except TypeError:
            return False

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._quiet:
            return
        if event == "open":
            path, _, flags = arguments
            if not isinstance(path, int) and self._ours(path):
                changes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
                self._event("change" if changes else "read", f"open {_text(path)}")
        elif (kind := AUDITED.get(event)) is not None and (kind == "socket" or self._ours(arguments[0])):
            with self._turn:
                self._event(kind, f"{event} {_text(arguments[0])}")

    def _replace_calls(self) -> None:
        self._replace_writes()
        for name in ("stat", "lstat", "readlink"):
            self._tell(os, name, "read")
        for name in ("pread", "preadv", "read"):
            self._tell(os, name, "read")
        for name in ("send", "sendall"):
            self._tell(socket.socket, name, "socket")
        for name in ("recv", "recv_into"):
            self._tell(socket.socket, name, "socket", after=self._count_received)

    def _tell(
        self, owner: Any, name: str, kind: Kind, *, after: Callable[[Any], None] = lambda _: None
    ) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            if kind == "socket" or self._ours(arguments[0]):
                self._event(kind, f"{name} {_text(arguments[0])}")
            result = real(*arguments, **more)
            after(result)
            return result

        setattr(owner, name, call)

    def _count_received(self, result: Any) -> None:
        self._received += result if isinstance(result, int) else len(result)
        self._shared.set(8, self._received)

    def _replace_writes(self) -> None:
        write, pwrite = os.write, os.pwrite

        def torn_write(fd: int, data: Any) -> int:
            if fd <= 2:
                return write(fd, data)
            with self._turn:
                self._event(
                    "write", f"write {_text(fd)}", lambda: write(fd, memoryview(data)[: len(data) // 2])
                )
                self._unsynced.written(fd, None, len(data))
                return write(fd, data)

        def torn_pwrite(fd: int, data: Any, offset: int) -> int:
            half = memoryview(data)[: len(data) // 2]
            with self._turn:
                self._event("write", f"pwrite {_text(fd)}", lambda: pwrite(fd, half, offset))
                self._unsynced.written(fd, offset, len(data))
                return pwrite(fd, data, offset)

        os.write, os.pwrite = torn_write, torn_pwrite
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._syncing(name, getattr(os, name)))
        if hasattr(os, "copy_file_range"):
            copy = os.copy_file_range

            def torn_copy(source: int, target: int, count: int, at: Any = None, to: Any = None) -> int:
                with self._turn:
                    self._event("write", "copy_file_range", lambda: copy(source, target, count // 2, at, to))
                    self._unsynced.written(target, to, count)
                    return copy(source, target, count, at, to)

            os.copy_file_range = torn_copy  # type: ignore[assignment]
        from modelsync.transfer import datafile

        reserve = datafile._reserve

        def told_reserve(fd: int, size: int) -> None:
            self._event("change", "fallocate")
            reserve(fd, size)

        datafile._reserve = told_reserve
        self._replace_open()

    def _syncing(self, name: str, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            with self._turn:
                self._event("sync", f"{name} {_text(fd)}")
                real(fd)
                self._unsynced.synced(fd)

        return sync

    def _replace_open(self) -> None:
        """Files that are opened to be written anew write through Python, where a write can be told and torn."""
        real = io.open
        injector = self

        class Raw(io.FileIO):
            def write(self, data: Any, /) -> int:
                with injector._turn:
                    half = memoryview(data)[: len(data) // 2]
                    injector._event(
                        "write", f"write {_text(self.fileno())}", lambda: io.FileIO.write(self, half)
                    )
                    injector._unsynced.written(self.fileno(), None, len(data))
                    return super().write(data) or 0

        def told(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
            if mode.strip("bt") not in ("w", "x", "a") or not self._ours(file) or buffering == 0:
                return real(file, mode, buffering, *rest, **more)
            raw = io.BufferedWriter(Raw(file, mode.replace("t", "").replace("b", "")))
            return raw if "b" in mode else io.TextIOWrapper(raw, *rest[:1], **more)

        io.open = told
        builtins.open = told


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


def _text(value: object) -> str:
    if isinstance(value, int):
        try:
            return Path(f"/proc/self/fd/{value}").readlink().name
        except OSError:
            return str(value)
    return str(value)[-200:]

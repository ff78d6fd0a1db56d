"""A log file: lines of this program with their time, for the owner's eyes, of bounded size."""

import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from modelsync.errors import ConfigError

MOST = 8 << 20  # bytes; then the file becomes `<name>.1`, and a new one begins
LONGEST = 2000  # characters of a line
_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


class LogFile:
    """Appends lines to a file; several processes may do so at once.

    Args:
        path: The file. It is made for its owner alone.

    Raises:
        ConfigError: it cannot be written, or is a link or no regular file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        try:
            self._descriptor: int | None = self._open()
        except OSError as error:
            raise ConfigError(
                f"cannot write the log {path}: {error.strerror or error}",
                hint="MODELSYNC_LOG names a file of yours; unset it for no log",
            ) from None

    def line(self, text: str) -> None:
        """Appends a line. A disk that is full, or gone, ends the log and nothing else."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f".{int(now * 1000) % 1000:03d}"
        data = "".join(f"{stamp} {os.getpid()} {part[:LONGEST]}\n" for part in text.split("\n"))
        with self._guard:
            try:
                if self._descriptor is not None:
                    if os.fstat(self._descriptor).st_size > MOST:
                        self._begin_anew()
                    os.write(self._descriptor, data.encode("utf-8", "backslashreplace"))
            except OSError:
                self._end()

    def close(self) -> None:
        """Ends the log."""
        with self._guard:
            self._end()

    def _end(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _open(self) -> int:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("it is no regular file")
        return descriptor

    def _begin_anew(self) -> None:
        """Moves a full file aside, where no other process has done so, and begins another."""
        assert self._descriptor is not None
        with suppress(FileNotFoundError):
            if self._path.stat().st_size > MOST:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)

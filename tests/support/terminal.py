"""A terminal for tests: a program at the other end of a pty, and what it draws."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLORS = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")


class Terminal:
    """Runs a program, in a `with`, whose stdin and stderr are a terminal; stdout is a pipe unless it is one too.

    Args:
        words: The program and its words.
        folder: Where it runs.
        width: Columns.
        stdout: Whether stdout is the terminal.
        variables: Beside those of this process.
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        *,
        width: int = 80,
        stdout: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", **(variables or {})},
            stdin=theirs,
            stdout=theirs if stdout else subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._text = ""
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._ours)
        if self.process.stdout:
            self.process.stdout.close()

    @property
    def text(self) -> str:
        """What came so far, escapes and all."""
        with self._news:
            return self._text

    @property
    def plain(self) -> str:
        """The same without escapes."""
        return ESCAPES.sub("", self.text)

    def type(self, keys: str) -> None:
        """Types."""
        os.write(self._ours, keys.encode())

    def wait_for(self, there: Callable[[str], object], seconds: float = 30) -> None:
        """Waits until what came is as asked for, escapes removed."""
        with self._news:
            assert self._news.wait_for(lambda: there(ESCAPES.sub("", self._text)) or self._ended, seconds), (
                self._text
            )
            assert there(ESCAPES.sub("", self._text)), self._text

    def end(self) -> tuple[int, str]:
        """Waits for the program's end; its status, and its stdout where that is a pipe."""
        out = self.process.stdout.read().decode() if self.process.stdout else ""
        status = self.process.wait(60)
        self._reader.join()
        return status, out

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux says EIO when the other end is gone
            while data := os.read(self._ours, 65_536):
                with self._news:
                    self._text += data.decode(errors="replace")
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def _take_terminal() -> None:
    """Makes the terminal the program's own, so that Ctrl-C reaches it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

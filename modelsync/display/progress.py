"""Shows progress: bars on a terminal, a few plain lines elsewhere, or nothing.

Nothing is imported or written before the first event: most calls have nothing to fetch.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

from modelsync.display.terminal import encodable, in_notebook, moves_cursor, wants_color

if TYPE_CHECKING:
    from modelsync.transfer.progress import Event
    from modelsync.transfer.progress_board import FileProgress

VERBS = {
    "fetching": "fetched",
    "checking": "checked",
    "sending": "sent",
}  # phases that lines are written about, and the verb of the last line
STEP = 25  # per cent of a file between two plain lines about it
PAUSE = 10.0  # seconds between them at the least
SILENCE = 60.0  # seconds after which one is due even without a step: some CI systems end a silent job


@contextmanager
def listener(
    stream: TextIO | None = None, *, show: bool = True, lines: bool = True, color: bool | None = None
) -> "Iterator[Shown | None]":
    """A listener that shows progress until the context ends; None if none is to be shown.

    Args:
        stream: Where it is shown; stderr when None.
        show: False: show nothing.
        lines: Whether to write plain lines where bars cannot be drawn.
        color: Whether bars are coloured; None: decided by the stream and `NO_COLOR`.
    """
    stream = sys.stderr if stream is None else stream
    if stream is None or not show or not (lines or moves_cursor(stream)):
        yield None
        return
    shown = Shown(stream, color)
    try:
        yield shown
    finally:
        shown.close()


class Display(Protocol):
    """Shows events. Called from one thread at a time."""

    def hear(self, event: "Event") -> None:
        """Records an event."""

    def say(self, line: str) -> None:
        """Writes a line above the display."""

    def close(self) -> None:
        """Ends the display and restores the terminal."""


class Shown:
    """A listener with the display that suits the stream, made at the first event."""

    def __init__(self, stream: TextIO, color: bool | None) -> None:
        self._stream = stream
        self._color = color
        self._display: Display | None = None
        self._guard = threading.Lock()
        self._closed = False

    def __call__(self, event: "Event") -> None:
        """Records an event."""
        with self._guard:
            if self._closed:
                return
            if self._display is None:
                self._display = self._make()
            self._display.hear(event)

    def say(self, line: str) -> None:
        """Writes a line above the display."""
        with self._guard:
            if self._closed or self._display is None:
                _write(self._stream, line)
            else:
                self._display.say(line)

    def close(self) -> None:
        """Ends the display."""
        with self._guard:
            self._closed = True
            if self._display is not None:
                self._display.close()

    def _make(self) -> Display:
        if in_notebook(self._stream):
            from modelsync.display.notebook import NotebookBars

            return NotebookBars()
        if not moves_cursor(self._stream):
            return Lines(self._stream)
        from modelsync.display.bars import Bars

        return Bars(self._stream, wants_color(self._stream) if self._color is None else self._color)


class Lines:
    """Writes plain lines: a file began, how far it is now and then, it arrived."""

    def __init__(self, stream: TextIO) -> None:
        from modelsync.transfer.progress_board import Board

        self._stream = stream
        self._board = Board()
        self._told: dict[str, _LastLine] = {}

    def hear(self, event: "Event") -> None:
        """Writes a line if one is due."""
        now = time.monotonic()
        file = self._board.hear(event, now)
        told = self._told.get(file.label)
        if file.phase in VERBS and (told is None or told.phase == file.phase):
            self._moves(file, told, now)
        elif file.phase == "done" and told is not None:
            seconds = now - file.begun
            _write(
                self._stream, f"{VERBS[told.phase]} {file.label}{_amount(file)}{_pace(file.fetched, seconds)}"
            )
            del self._told[file.label]
        elif file.phase == "failed" and told is not None:
            _write(self._stream, f"failed {file.label}")
            del self._told[file.label]

    def say(self, line: str) -> None:
        """Writes a line between the others."""
        _write(self._stream, line)

    def close(self) -> None:
        """Does nothing: lines stay."""

    def _moves(self, file: "FileProgress", told: "_LastLine | None", now: float) -> None:
        from modelsync.display import units

        percent = 100 * file.done // file.total if file.total else 0
        if told is None:
            resumed = f", {units.size(file.done)} of it here already"
            resumed = resumed if file.done and file.phase == "fetching" else ""
            _write(self._stream, f"{file.phase} {file.label}{_amount(file)}{resumed}")
        elif now - told.when < PAUSE or (
            percent // STEP == told.percent // STEP and now - told.when < SILENCE
        ):
            return
        else:
            done = f"{percent} %" if file.total else units.size(file.done)
            _write(self._stream, f"{file.phase} {file.label}  {done}  {units.size(self._board.rate(now))}/s")
        self._told[file.label] = _LastLine(file.phase, now, percent)


class _LastLine(NamedTuple):
    """The last line about a file: its phase, time and per cent."""

    phase: str
    when: float
    percent: int


def _amount(file: "FileProgress") -> str:
    from modelsync.display import units

    return f"  {units.size(file.total)}" if file.total is not None else ""


def _pace(count: int, seconds: float) -> str:
    from modelsync.display import units

    if seconds < 0.1:
        return ""
    rate = f", {units.size(count / seconds)}/s" if seconds >= 1 and count else ""
    return f" in {units.duration(seconds)}{rate}"


def _write(stream: TextIO, line: str) -> None:
    with suppress(OSError, ValueError):  # the stream was closed: no reason to stop a transfer
        stream.write(encodable(f"{line}\n", stream))
        stream.flush()

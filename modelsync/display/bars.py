"""Bars on a terminal: one for each active file, as many as fit, and one for all."""

import time
from typing import TYPE_CHECKING, NamedTuple, TextIO

from rich.cells import cell_len, chop_cells
from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from modelsync.display import units
from modelsync.transfer.progress_board import WIRE, Board, FileProgress, TotalProgress

if TYPE_CHECKING:
    from modelsync.transfer.progress import Event

MOST = 8  # bars of files at once
REFRESH = 8  # redraws a second
GAP = 2  # columns between two columns
PERCENT = 4  # columns of `100%`
ECHO = 2  # columns left free for the ^C that a terminal echoes: a line of its own would move all others
NAME = 12  # columns of a name at the least
BAR = (8, 50)  # columns of a bar


class ColumnWidths(NamedTuple):
    """Widths in columns of the terminal; a part of width 0 is left out."""

    name: int
    bar: int
    amount: int

    @classmethod
    def fit(cls, width: int, name: int, amount: int) -> "ColumnWidths":
        """The widths for a terminal of `width`, given the columns that the longest name and amount need.

        Names and a short bar share the width, a long bar takes what names leave. If it is too narrow, amounts are
        left out first, then bars.
        """
        room = width - PERCENT - GAP
        bar = max(BAR[0], width // 5)
        if room - GAP - bar - GAP - amount < NAME:
            bar = 0
        if room - GAP - amount - (bar and bar + GAP) < NAME:
            amount = 0
        room -= (bar and bar + GAP) + (amount and amount + GAP)
        shown = max(1, min(name, room))
        return cls(shown, min(bar + room - shown, BAR[1]) if bar else 0, amount)


class Bars:
    """Draws progress bars until it is closed, then removes them.

    Args:
        stream: A terminal.
        color: Whether it is coloured.
    """

    def __init__(self, stream: TextIO, color: bool) -> None:
        self.board = Board()
        self._console = Console(file=stream, force_terminal=True, no_color=not color, highlight=False)
        self._name = self._amount = 0  # the widest so far: columns that move are hard to read
        self._live = Live(
            get_renderable=self.draw,
            console=self._console,
            refresh_per_second=REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def hear(self, event: "Event") -> None:
        """Records an event for the next redraw."""
        self.board.hear(event, time.monotonic())

    def say(self, line: str) -> None:
        """Writes a line above the bars; it stays."""
        self._console.print(Text.from_ansi(line), soft_wrap=True)

    def close(self) -> None:
        """Removes the bars and restores the cursor."""
        self._live.stop()

    def draw(self) -> RenderableType:
        """The bars as they are now."""
        active = self.board.active()
        most = max(1, min(MOST, self._console.height - 3))
        shown = active[:most]
        every = self.board.all(time.monotonic())
        summary = summarise(every)
        amounts = [amount(file) for file in shown] + [total(every)]
        self._name = max([self._name, len(joined(summary)), *(cell_len(file.label) for file in shown)])
        self._amount = max(self._amount, *map(len, amounts))
        layout = ColumnWidths.fit(self._console.width - ECHO, self._name, self._amount)

        table = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        for width in (layout.name, layout.bar, PERCENT, layout.amount):
            if width:
                table.add_column(width=width, no_wrap=True, overflow="crop")
        for file, words in zip(shown, amounts, strict=False):
            label = shortened(file.label, layout.name, "..." if self._console.options.ascii_only else "…")
            has_bar = file.phase in ("fetching", "checking", "sending")
            table.add_row(*self._cells(layout, label, file.done if has_bar else None, file.total, words))
        if rest := joined(others(self.board, len(active) - len(shown)), layout.name):
            table.add_row(Text(rest, style="dim"))
        words = joined(summary, layout.name)
        done = every.done if every.total else None
        table.add_row(*self._cells(layout, words, done, every.total, amounts[-1], "bold"))
        return table

    def _cells(
        self,
        layout: ColumnWidths,
        name: str,
        done: int | None,
        whole: int | None,
        words: str,
        style: str = "",
    ) -> list[RenderableType]:
        """One row; `done` None: without a bar."""
        percent = f"{100 * done // whole}%" if done is not None and whole else ""
        cells: list[RenderableType] = [Text(name, style=style)]
        if layout.bar:
            bar = ProgressBar(
                total=whole or None,
                completed=done or 0,
                pulse=not whole,
                complete_style="cyan",
                finished_style="green",
                pulse_style="cyan",
            )
            cells.append("" if done is None else bar)
        cells.append(Text(percent, style=style, justify="right"))
        if layout.amount:
            cells.append(Text(words, style=style, justify="right"))
        return cells


def amount(file: FileProgress) -> str:
    """How much of a file is here, or its phase."""
    if file.phase not in WIRE:
        return file.phase
    return units.size(file.done) if file.total is None else units.progress(file.done, file.total)


def total(every: TotalProgress) -> str:
    """How much of everything is here; empty while that is unknown."""
    return units.progress(every.done, every.total) if every.total else ""


def summarise(every: TotalProgress) -> list[str]:
    """The summary of all files: `2 of 5`, `41.2 MiB/s`, `2:31 left`."""
    words = (
        f"{every.ended} of {every.files}" if every.files > 1 else "",
        f"{every.failed} failed" if every.failed else "",
        f"{units.size(every.rate)}/s" if every.rate else "",
        f"{units.clock(every.eta_seconds)} left" if every.eta_seconds is not None else "",
    )
    return list(filter(None, words))


def others(board: Board, hidden: int) -> list[str]:
    """The files that are not shown: `3 more at work`, `7 waiting`."""
    waiting = sum(file.phase == "waiting" for file in board.files.values())
    words = (f"{hidden} more at work" if hidden else "", f"{waiting} waiting" if waiting else "")
    return list(filter(None, words))


def joined(words: list[str], width: int | None = None) -> str:
    """As many of the words as fit."""
    while words and width is not None and len(", ".join(words)) > width:
        words = words[:-1]
    return ", ".join(words)


def shortened(text: str, width: int, dots: str = "…") -> str:
    """`text` in at most `width` columns, without its middle where it is longer: names differ at their ends."""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(dots)
    if room < 2:
        return next(iter(chop_cells(text, width)), "") if width > 0 else ""
    head = next(iter(chop_cells(text, room - room * 3 // 5)))
    tail = next(iter(chop_cells(text[::-1], room * 3 // 5)))[::-1]
    return head + dots + tail

"""Bars in a notebook: one for each active file and one for all, drawn below the cell and removed at the end."""

import sys
import time
from contextlib import suppress
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from modelsync.display.bars import MOST, amount, joined, others, summarise, total
from modelsync.transfer.progress_board import Board

if TYPE_CHECKING:
    from modelsync.transfer.progress import Event

PAUSE = 0.2  # seconds between two redraws: each is a message to the browser

_ROW = (
    '<tr><td style="text-align:left">{name}</td><td>{bar}</td><td style="text-align:right">{amount}</td></tr>'
)


class NotebookBars:
    """Draws bars below the cell that runs until it is closed, then removes them."""

    def __init__(self) -> None:
        shown: Any = import_module("IPython.display")
        self.board = Board()
        self._html = shown.HTML
        self._drawn = time.monotonic()
        self._handle: Any = shown.display(shown.HTML(""), display_id=True)

    def hear(self, event: "Event") -> None:
        """Records an event; redraws if some time has passed."""
        now = time.monotonic()
        self.board.hear(event, now)
        if now - self._drawn >= PAUSE:
            self._drawn = now
            self._show(self.draw(now))

    def say(self, line: str) -> None:
        """Writes a line beside the bars; it stays."""
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Removes the bars."""
        self._show("")

    def draw(self, now: float) -> str:
        """The bars as they are now, as HTML."""
        active = self.board.active()
        every = self.board.all(now)
        rows = [self._row(file.label, file.done, file.total, amount(file)) for file in active[:MOST]]
        if rest := joined(others(self.board, len(active) - len(active[:MOST]))):
            rows.append(_ROW.format(name=f"<i>{escape(rest)}</i>", bar="", amount=""))
        rows.append(self._row(joined(summarise(every)), every.done, every.total, total(every)))
        return f"<table>{''.join(rows)}</table>"

    def _row(self, name: str, done: int, whole: int | None, words: str) -> str:
        known = f' value="{done}" max="{whole}"' if whole else ""
        return _ROW.format(name=escape(name), bar=f"<progress{known}></progress>", amount=escape(words))

    def _show(self, html: str) -> None:
        if self._handle is not None:
            self._handle.update(self._html(html))

"""Events for programs: one JSON object a line, as they happen.

Each line has the event of one file, and under `all` the totals of all files, as a terminal shows them.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from modelsync.errors import UsageError

if TYPE_CHECKING:
    from modelsync.transfer.progress import Event, Listener

STDERR = "-"


@contextmanager
def writer(place: str, beside: "Listener | None", warn: Callable[[str], None]) -> "Iterator[Listener | None]":
    """A listener that writes events to a file and passes them on to `beside`.

    If the reader has closed, or the disk is full, the work goes on without events, after one warning.

    Args:
        place: A path (a FIFO or `/dev/fd/3` too), or `-` for stderr.
        beside: Another listener, or None.
        warn: Tells a person something.

    Raises:
        UsageError: the file cannot be opened.
    """
    from modelsync.spec.names import printable

    try:
        stream: TextIO = sys.stderr if place == STDERR else open(place, "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"cannot write events to {printable(place)}: {error.strerror}") from None

    import json

    from modelsync.transfer.progress_board import Board

    board, turn = Board(), threading.Lock()
    broken = False

    def tell(event: "Event") -> None:
        nonlocal broken
        with turn:
            now = time.monotonic()
            board.hear(event, now)
            every = board.all(now)
            every = every._replace(rate=round(every.rate), eta_seconds=_tenths(every.eta_seconds))
            if not broken:
                try:
                    stream.write(json.dumps({**event._asdict(), "all": every._asdict()}) + "\n")
                    stream.flush()
                except OSError as error:
                    broken = True
                    warn(f"no more events are written to {printable(place)}: {error.strerror}")
        if beside is not None:
            beside(event)

    try:
        yield tell
    finally:
        if place != STDERR:
            with suppress(OSError):  # closing writes what is left, and may fail as before
                stream.close()


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)

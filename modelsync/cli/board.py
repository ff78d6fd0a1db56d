"""What is known of the files on their way: states, sums, a rate and a time to go. Pure; the clock is an argument."""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelsync.transfer.progress import Event, Phase

WINDOW = 10.0  # seconds that the rate is taken over
GRAIN = 0.25  # seconds between two samples of it
ENDED = frozenset({"done", "failed"})
MOVING = frozenset({"fetching", "checking"})


class File:
    """One file.

    Attributes:
        label: What it is called.
        phase: What is being done with it.
        done: Bytes that this phase has done.
        here: Bytes that are here; looking at them again does not take them away.
        total: Bytes of the whole, or None while that is not known.
        begun: When it was first worked on, in seconds of the clock.
        fetched: Bytes that have come since.
    """

    __slots__ = ("begun", "done", "fetched", "here", "label", "phase", "total")

    def __init__(self, label: str, now: float) -> None:
        self.label = label
        self.phase: Phase = "waiting"
        self.done = 0
        self.here = 0
        self.total: int | None = None
        self.begun = now
        self.fetched = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more is being done with it."""
        return self.phase in ENDED

    @property
    def active(self) -> bool:
        """Whether something is being done with it now."""
        return not self.ended and self.phase != "waiting"


class Board:
    """All files that were heard of, in the order in which work on them began."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._came = 0  # bytes that were fetched, or only checked, since the beginning
        self._samples: deque[tuple[float, int]] = deque()

    def hear(self, event: "Event", now: float) -> File:
        """Takes in an event, and returns the file that it is about as it is now."""
        file = self.files.get(event.label)
        if file is None:
            file = self.files[event.label] = File(event.label, now)
        elif file.phase == "waiting" and event.phase != "waiting":
            self.files[event.label] = self.files.pop(event.label)  # it takes its place among those that began
            file.begun = now
        goes_on = file.phase == event.phase
        was = file.here
        file.phase = event.phase
        file.done = event.done
        file.total = event.total if event.total is not None else file.total
        if file.phase in ("linking", "done"):
            file.here = file.total or file.done
        else:
            file.here = max(file.here, file.done) if file.phase == "checking" else file.done
        if file.phase in MOVING:
            # The first word on a file tells what earlier runs left: that was not fetched now.
            more = max(0, file.here - was) if goes_on else 0
            file.fetched += more if file.phase == "fetching" else 0
            self._came += more
            if not self._samples or now - self._samples[-1][0] >= GRAIN:
                self._samples.append((now, self._came))
        return file

    def active(self) -> list[File]:
        """The files that are being worked on, those that began first in front."""
        return [file for file in self.files.values() if file.active]

    @property
    def ended(self) -> int:
        """How many files nothing more is done with."""
        return sum(file.ended for file in self.files.values())

    @property
    def bytes(self) -> tuple[int, int]:
        """Bytes that are here, and bytes of all files whose size is known."""
        sized = [file for file in self.files.values() if file.total is not None]
        return sum(file.here for file in sized), sum(file.total or 0 for file in sized)

    def rate(self, now: float) -> float:
        """Bytes a second over the last seconds; 0.0 when nothing came."""
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW:
            self._samples.popleft()
        if not self._samples:
            return 0.0
        then, came = self._samples[0]
        return (self._came - came) / (now - then) if now - then > GRAIN else 0.0

    def left(self, now: float) -> float | None:
        """Seconds to go at that rate, or None while it cannot be told."""
        here, total = self.bytes
        rate = self.rate(now)
        return (total - here) / rate if rate > 0 and total else None

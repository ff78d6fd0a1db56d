"""What is known of the files on their way: states, sums, a rate and a time to go. Pure; the clock is an argument."""

from typing import NamedTuple

from modelsync.transfer.eta import Pace
from modelsync.transfer.progress import Event, Phase

ASIDE = frozenset({"resolving", "linking"})
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
        reused: Bytes that were copied from other files since.
        aside: Whether nothing of it was moved so far: it is only looked up, or a folder that links are put into. It
            does not count among all files.
    """

    __slots__ = ("aside", "begun", "done", "fetched", "here", "label", "phase", "reused", "total")

    def __init__(self, label: str, now: float, *, aside: bool) -> None:
        self.label = label
        self.phase: Phase = "waiting"
        self.done = 0
        self.here = 0
        self.total: int | None = None
        self.begun = now
        self.fetched = 0
        self.reused = 0
        self.aside = aside

    @property
    def ended(self) -> bool:
        """Whether nothing more is being done with it."""
        return self.phase in ENDED

    @property
    def active(self) -> bool:
        """Whether something is being done with it now."""
        return not self.ended and self.phase != "waiting"


class All(NamedTuple):
    """All files together, at one moment.

    Attributes:
        files: How many there are.
        ended: With how many of them nothing more is done.
        failed: How many of those have failed.
        done: Bytes that are here.
        total: Bytes of all of them, or None while one's size is not known.
        rate: Bytes a second over the last seconds, those that were fetched or only checked.
        eta_seconds: Seconds to go, or None while that cannot be told. It does not jump.
    """

    files: int
    ended: int
    failed: int
    done: int
    total: int | None
    rate: float
    eta_seconds: float | None


class Board:
    """All files that were heard of, in the order in which work on them began.

    It hears events of one call, in one thread at a time: what the terminal and `--events` say of all files together.
    """

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._pace = Pace()  # of what is fetched, or only checked
        self._progress = Pace()  # of that and of what is copied

    def hear(self, event: Event, now: float) -> File:
        """Takes in an event, now in seconds of a clock; returns the file that it is about as it is now."""
        file = self.files.get(event.label)
        if file is None:
            file = self.files[event.label] = File(event.label, now, aside=event.phase in ASIDE)
        elif file.phase == "waiting" and event.phase != "waiting":
            self.files[event.label] = self.files.pop(event.label)  # it takes its place among those that began
            file.begun = now
        goes_on = file.phase == event.phase
        was = file.here
        file.phase = event.phase
        file.aside = file.aside and (file.ended or file.phase in ASIDE)
        file.done = event.done
        file.total = event.total if event.total is not None else file.total
        if file.phase in ("linking", "done"):
            file.here = file.total or file.done
        else:
            file.here = max(file.here, file.done) if file.phase == "checking" else file.done
        if file.phase in MOVING:
            # The first word on a file tells what earlier runs left: that was not fetched now.
            moved = max(0, file.here - was) if goes_on else 0
            more = max(0, moved - max(0, event.reused - file.reused))
            file.fetched += more if file.phase == "fetching" else 0
            file.reused = event.reused
            self._pace.hear(now, more)
            self._progress.hear(now, moved)
        return file

    def active(self) -> list[File]:
        """The files that are being worked on, those that began first in front."""
        return [file for file in self.files.values() if file.active]

    def counted(self) -> list[File]:
        """All files that count."""
        return [file for file in self.files.values() if not file.aside]

    def rate(self, now: float) -> float:
        """Bytes a second over the last seconds; 0.0 when nothing came."""
        return self._pace.rate(now)

    def all(self, now: float) -> All:
        """All files together."""
        files = self.counted()
        going = [file for file in files if not file.ended]
        sized = [file for file in files if file.total is not None]
        whole = all(file.total is not None for file in going)
        missing = sum((file.total or 0) - file.here for file in going)
        return All(
            files=len(files),
            ended=len(files) - len(going),
            failed=sum(file.phase == "failed" for file in files),
            done=sum(file.here for file in sized),
            total=sum(file.total or 0 for file in sized) if whole else None,
            rate=self.rate(now),
            eta_seconds=self._progress.left(now, max(0, missing)) if whole else None,
        )

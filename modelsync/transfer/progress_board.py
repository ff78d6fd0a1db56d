"""Adds up progress events: state per file, totals, rate and time left. Pure; the clock is an argument."""

from typing import NamedTuple

from modelsync.transfer.eta import RateMeter
from modelsync.transfer.progress import Event, Phase

UNCOUNTED = frozenset({"resolving", "linking"})
ENDED = frozenset({"done", "failed"})
WIRE = frozenset({"fetching", "sending"})
MOVING = WIRE | {"checking"}


class FileProgress:
    """The progress of one file.

    Attributes:
        label: Its name.
        phase: What is being done with it.
        done: Bytes done in this phase.
        here: Bytes that have arrived. It does not fall while they are checked.
        total: Bytes of the whole file; None: unknown.
        begun: When work on it began, in seconds of the clock.
        fetched: Bytes that have been fetched, or sent, since.
        reused: Bytes that have been copied from other files since.
        uncounted: Whether it does not count among the files, because no bytes of it were moved: a lookup, or a folder
            that gets links.
    """

    __slots__ = ("begun", "done", "fetched", "here", "label", "phase", "reused", "total", "uncounted")

    def __init__(self, label: str, now: float, *, uncounted: bool) -> None:
        self.label = label
        self.phase: Phase = "waiting"
        self.done = 0
        self.here = 0
        self.total: int | None = None
        self.begun = now
        self.fetched = 0
        self.reused = 0
        self.uncounted = uncounted

    @property
    def ended(self) -> bool:
        """Whether it is done or failed."""
        return self.phase in ENDED

    @property
    def active(self) -> bool:
        """Whether it is being worked on now."""
        return not self.ended and self.phase != "waiting"


class TotalProgress(NamedTuple):
    """The progress of all files together.

    Attributes:
        files: How many there are.
        ended: How many are done or failed.
        failed: How many have failed.
        done: Bytes that have arrived.
        total: Bytes of all files; None while one's size is unknown.
        rate: Bytes a second over the last seconds: fetched, sent or checked.
        eta_seconds: Seconds left; None: unknown. It does not jump.
    """

    files: int
    ended: int
    failed: int
    done: int
    total: int | None
    rate: float
    eta_seconds: float | None


class Board:
    """Adds up the events of one call, as the terminal and `--events` do. For one thread at a time.

    Attributes:
        files: By label, in the order in which work on them began.
    """

    def __init__(self) -> None:
        self.files: dict[str, FileProgress] = {}
        self._fetch_rate = RateMeter()  # without copied bytes
        self._total_rate = RateMeter()  # with copied bytes

    def hear(self, event: Event, now: float) -> FileProgress:
        """Takes an event; `now` is in seconds of any clock. Returns the updated file of the event."""
        file = self.files.get(event.label)
        if file is None:
            file = self.files[event.label] = FileProgress(
                event.label, now, uncounted=event.phase in UNCOUNTED
            )
        elif file.phase == "waiting" and event.phase != "waiting":
            self.files[event.label] = self.files.pop(event.label)  # ordered by the start of work
            file.begun = now
        goes_on = file.phase == event.phase
        was = file.here
        file.phase = event.phase
        file.uncounted = file.uncounted and (file.ended or file.phase in UNCOUNTED)
        file.done = event.done
        file.total = event.total if event.total is not None else file.total
        if file.phase in ("linking", "done"):
            file.here = file.total or file.done
        else:
            file.here = max(file.here, file.done) if file.phase == "checking" else file.done
        if file.phase in MOVING:
            # The first event of a file counts what earlier runs left, which was not fetched now.
            moved = max(0, file.here - was) if goes_on else 0
            more = max(0, moved - max(0, event.reused - file.reused))
            file.fetched += more if file.phase in WIRE else 0
            file.reused = event.reused
            self._fetch_rate.add(now, more)
            self._total_rate.add(now, moved)
        return file

    def active(self) -> list[FileProgress]:
        """The files that are being worked on, in the order in which that began."""
        return [file for file in self.files.values() if file.active]

    def counted(self) -> list[FileProgress]:
        """The files that count."""
        return [file for file in self.files.values() if not file.uncounted]

    def rate(self, now: float) -> float:
        """Bytes a second over the last seconds: fetched, sent or checked; 0.0 when nothing came."""
        return self._fetch_rate.rate(now)

    def all(self, now: float) -> TotalProgress:
        """The progress of all files together."""
        files = self.counted()
        going = [file for file in files if not file.ended]
        sized = [file for file in files if file.total is not None]
        whole = all(file.total is not None for file in going)
        missing = sum((file.total or 0) - file.here for file in going)
        return TotalProgress(
            files=len(files),
            ended=len(files) - len(going),
            failed=sum(file.phase == "failed" for file in files),
            done=sum(file.here for file in sized),
            total=sum(file.total or 0 for file in sized) if whole else None,
            rate=self.rate(now),
            eta_seconds=self._total_rate.seconds_left(now, max(0, missing)) if whole else None,
        )

"""The books of one file on its way: what its streams take, what they bring back, how they fail.

Its streams (`stream.py`), its own thread (`keeper.py`) and the run (`run.py`) share them, under the one lock of
the run: every method here wants it held, unless it says otherwise.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Protocol

from modelsync.errors import HttpStatusError, ModelsyncError
from modelsync.net.retry import Backoff, retryable
from modelsync.spec.names import printable
from modelsync.transfer.digests import Digests
from modelsync.transfer.jobs import Job, Segment
from modelsync.transfer.partial import Partial
from modelsync.transfer.progress import Event, Phase
from modelsync.transfer.ranges import Ranges
from modelsync.transfer.remote import STALE
from modelsync.transfer.responses import ChangedError, OtherSizeError, RangesRefusedError, Source
from modelsync.transfer.track import MANY, MiB, Take, Track

CROWDED = frozenset({429, 503})  # what a server answers that has too much to do
CHANGES = 3  # how often a source may have another version, or another size, before that is its last word


@dataclass(slots=True, eq=False)
class Lane:
    """One segment inside its file; it begins at `base`."""

    index: int
    base: int
    track: Track
    source: Source


class Run(Protocol):
    """What a file knows of the run that it is part of."""

    lock: Lock
    streams: int
    stopped: bool
    backoff: Callable[[], Backoff]

    def source(self, segment: Segment) -> Source:
        """Where a segment's bytes come from."""

    def wake(self) -> None:
        """There may be something to do for a free stream."""

    def received(self, count: int, worked: float) -> None:
        """A stream has brought bytes, and worked so many seconds for them: did not wait for them."""

    def crowded(self) -> None:
        """A server turned a request away because there are too many."""


class File:
    """A job that is being worked on.

    Attributes:
        label: Its name for people, safe to print.
        partial: Where its bytes go; there before the first lane is.
        lanes: Its segments, in order.
        phase: What is being done with it.
        told: What was last told of it.
        checked: Whether its first bytes have passed the job's check; until then one stream works on it.
        fetched: Bytes that have come from the source in this run.
        reused: Bytes that were copied from other files in this run.
        guessed: Which of all its bytes were copied, in this run or an earlier one, and not proved right yet.
        pace: Bytes that one stream brought in a second, at its best; 0: none has brought enough to tell.
        etag: What the URL's own server calls it, or None.
        epoch: Goes up when bytes are thrown away that may have been hashed.
        closed: Whether nothing may be taken any more.
        error: Why it failed, or None.
        news: Notified when any of this changes.
        spare: The digests of the first bytes, while its own thread waits and a stream may go on with them.
        lent: Whether a stream does.
    """

    partial: Partial

    def __init__(self, job: Job, run: Run) -> None:
        self.job = job
        self.run = run
        self.label = printable(job.label)
        self.lanes: list[Lane] = []
        self.phase: Phase = "fetching"
        self.told: Event | None = None
        self.checked = job.check is None
        self.fetched = self.reused = 0
        self.guessed = Ranges()
        self.pace = 0.0
        self.etag: str | None = None
        self.epoch = 0
        self.closed = False
        self.error: ModelsyncError | None = None
        self.news = Condition(run.lock)
        self.spare: Digests | None = None
        self.lent = False

    @property
    def over(self) -> bool:
        """Whether nothing more is wanted; may be asked without the lock."""
        return self.closed or self.error is not None or self.run.stopped

    @property
    def busy(self) -> bool:
        """Whether a stream works on it."""
        return any(lane.track.active for lane in self.lanes)

    @property
    def here(self) -> int:
        """Bytes that are here."""
        return sum(lane.track.done.covered for lane in self.lanes)

    def prefix(self) -> tuple[int, bool]:
        """How many bytes are here without a gap, and whether that is all."""
        for lane in self.lanes:
            if not lane.track.complete:
                return lane.base + lane.track.done.prefix, False
        last = self.lanes[-1]
        return last.base + (last.track.size or 0), True

    def event(self) -> Event:
        """How far it is. What no stream has taken up yet waits."""
        sizes = [lane.track.size for lane in self.lanes]
        known = bool(sizes) and None not in sizes
        total = sum(s or 0 for s in sizes) if known else self.job.size
        waits = self.phase == "fetching" and not (self.fetched or self.reused or self.busy)
        return Event("waiting" if waits else self.phase, self.label, self.here, total, self.reused)

    def take(self, now: float, pace: float, streams: int) -> tuple[Lane, Take] | None:
        """Something to do for a free stream, one of so many that bring `pace` bytes a second each, or None."""
        lanes = [] if self.over else self.lanes
        if not self.checked:
            lanes = [] if self.busy else [lane for lane in lanes if not lane.track.complete][:1]
        for lane in lanes:
            take = lane.track.take(now, pace, streams, in_order=not self.checked)
            if take is not None:
                return lane, take
        return None

    def brought(self, count: int, seconds: float) -> None:
        """A stream has brought so many bytes of one range in so many seconds."""
        if count >= MiB and seconds > 0:
            self.pace = max(self.pace, count / seconds)

    def settle(self, lane: Lane, take: Take, error: ModelsyncError | None) -> None:
        """A stream lets go of what it took, with or without an error."""
        track = lane.track
        track.release(take)
        if isinstance(error, HttpStatusError) and error.status in CROWDED:
            self.run.crowded()
        if error is not None and not self.over and _is_final(error, track, take):
            self.error = error
        self.drain(lane)
        self.nudge()
        self.run.wake()

    def drain(self, lane: Lane) -> None:
        """Throws away what is here of a segment, if that is to be done and nobody works on it any more."""
        track = lane.track
        if not track.draining or track.active or track.held:
            return
        try:
            self.clear(lane)
        except ModelsyncError as failure:
            self.error = self.error or failure
        track.restart()

    def clear(self, lane: Lane) -> None:
        """Nothing of a segment is here any more; no stream but the caller's works on it."""
        length = MANY if lane.track.promised is None else lane.track.promised
        self.partial.forget([(lane.base, lane.base + length)])
        self.partial.set_validator(lane.index, None)
        self.guessed = self.guessed.remove(lane.base, lane.base + length)
        self.reused = min(self.reused, self.guessed.covered)
        lane.track.clear()
        self.forget_hashes()

    def borrow(self, offset: int) -> Digests | None:
        """The digests of all bytes up to `offset`, for a stream that has the next ones at hand, if they can be had."""
        if self.spare is None or self.lent or self.spare.position != offset:
            return None
        self.lent = True
        return self.spare

    def forget_hashes(self) -> None:
        """What was hashed and checked so far is not there any more."""
        self.spare, self.lent = None, False
        self.epoch += 1
        self.checked = self.job.check is None

    def nudge(self) -> None:
        """Makes the file's own thread look again."""
        self.news.notify_all()


def _is_final(error: ModelsyncError, track: Track, take: Take) -> bool:
    """Whether a stream's error is the file's; if not, the track now knows when and how to go on."""
    now = time.monotonic()
    match error:
        case ChangedError():
            track.draining = True
            track.changes += 1
            return track.changes > CHANGES
        case OtherSizeError():
            track.oddities += 1
            return track.oddities >= CHANGES
        case RangesRefusedError():
            track.plain = True
            return False
        case HttpStatusError(status=416) if not track.plain:
            track.plain = not track.ranged  # a server that has given ranges before may do so again
            return not track.failed(take, now)
        case HttpStatusError():
            stale = error.redirected and error.status in STALE
            return not ((stale or retryable(error)) and track.failed(take, now, error.retry_after))
        case _:
            return not (retryable(error) and track.failed(take, now))

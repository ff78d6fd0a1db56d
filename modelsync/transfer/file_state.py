"""Shared state of one download: which ranges its streams claim, what they have brought, how they fail.

The streams (`stream.py`), the file's own thread (`file_worker.py`) and the scheduler share it. Every method needs the
scheduler's lock held, unless it says otherwise.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Protocol

from modelsync.errors import HttpStatusError, ModelsyncError
from modelsync.net.retry import LONGEST_WAIT, Backoff, StalledError, retryable
from modelsync.spec.names import printable
from modelsync.transfer.digests import Digests
from modelsync.transfer.jobs import Job, Segment
from modelsync.transfer.least_rate import Trial
from modelsync.transfer.partial import Partial
from modelsync.transfer.progress import Event, Phase
from modelsync.transfer.ranges import Ranges
from modelsync.transfer.responses import ByteSource, ChangedError, OtherSizeError, RangesRefusedError
from modelsync.transfer.small_files import Attempt
from modelsync.transfer.track import MANY, Claim, Track

CROWDED = frozenset({429, 503})  # statuses of an overloaded server
CHANGES = 3  # how often a source may have another version, or another size, before the file fails


@dataclass(slots=True, eq=False)
class OpenSegment:
    """A segment of a file that is being downloaded; `base` is its offset in the file."""

    index: int
    base: int
    track: Track
    source: ByteSource


class SchedulerLike(Protocol):
    """What a file uses of the scheduler."""

    lock: Lock
    streams: int
    stopped: bool
    backoff: Callable[[], Backoff]
    on_retry: Callable[[str, ModelsyncError], None] | None

    def source(self, segment: Segment) -> ByteSource:
        """The source of a segment's bytes."""

    def wake(self) -> None:
        """Wakes a free stream: there may be work."""

    def offer(self, file: "FileState") -> None:
        """Lets streams claim ranges of a file."""

    def withdraw(self, file: "FileState") -> None:
        """Ends that: nothing of the file will be claimed any more."""

    def claim(self, file: "FileState") -> tuple[OpenSegment, Claim] | None:
        """Claims a range of a file for its own thread, in place of a stream; None if all that may work do."""

    def released(self) -> None:
        """Ends a claim of a file's own thread."""

    def received(self, count: int, worked: float) -> None:
        """Counts bytes of a stream, and the seconds in which it did not wait for them."""

    def crowded(self) -> None:
        """Notes that a server rejected a request because of load."""


class FileState:
    """The state of one job.

    Attributes:
        label: The file's name for people, safe to print.
        partial: Where the bytes go; set before the first segment is.
        segments: Its segments, in order.
        phase: What is being done with it.
        last_event: The last event that was reported of it.
        checked: Whether the first bytes have passed the job's check; until then one stream works on the file.
        fetched: Bytes that have come from the source in this run.
        reused: Bytes that were copied from other files in this run.
        unverified: Which bytes were copied, in this run or an earlier one, and are not verified yet.
        etag: The ETag that the URL's own server gave, or None.
        epoch: Grows when bytes are discarded that may have been hashed.
        closed: Whether no more ranges may be claimed.
        error: Why it failed, or None.
        endless: Whether bytes came of a body whose length is not known, in this run.
        changed: Notified when any of this changes.
        prefix_digests: The digests of the first bytes, while its own thread waits and a stream may continue them.
        lent: Whether a stream does.
        in_memory: Bytes that have arrived and are in memory alone.
        attempt: What came of an earlier request for all of it, whose bytes are nowhere yet; or None.
    """

    partial: Partial

    def __init__(self, job: Job, scheduler: SchedulerLike, attempt: Attempt | None = None) -> None:
        self.job = job
        self.scheduler = scheduler
        self.label = printable(job.label)
        self.segments: list[OpenSegment] = []
        self.phase: Phase = "fetching"
        self.last_event: Event | None = None
        self.checked = job.check is None
        self.fetched = self.reused = 0
        self.unverified = Ranges()
        self.etag: str | None = None
        self.epoch = 0
        self.closed = False
        self.error: ModelsyncError | None = None
        self.endless = False
        self.changed = Condition(scheduler.lock)
        self.prefix_digests: Digests | None = None
        self.lent = False
        self.in_memory = 0
        self.attempt = attempt

    @property
    def over(self) -> bool:
        """Whether the file needs no more bytes. Needs no lock."""
        return self.closed or self.error is not None or self.scheduler.stopped

    @property
    def busy(self) -> bool:
        """Whether a stream works on it."""
        return any(segment.track.active for segment in self.segments)

    @property
    def here(self) -> int:
        """Bytes that have arrived, in this run and earlier ones."""
        return self.in_memory + sum(segment.track.done.covered for segment in self.segments)

    def prefix(self) -> tuple[int, bool]:
        """How many bytes there are from the start without a gap, and whether that is the whole file."""
        for segment in self.segments:
            if not segment.track.complete:
                return segment.base + segment.track.done.prefix, False
        last = self.segments[-1]
        return last.base + (last.track.size or 0), True

    def event(self) -> Event:
        """The file's progress. A file that no stream has worked on yet is waiting."""
        sizes = [segment.track.size for segment in self.segments]
        known = bool(sizes) and None not in sizes
        total = sum(s or 0 for s in sizes) if known else self.job.size
        waits = self.phase == "fetching" and not (self.fetched or self.reused or self.busy)
        return Event("waiting" if waits else self.phase, self.label, self.here, total, self.reused)

    def claim(self, now: float, stream_rate: float, streams: int) -> tuple[OpenSegment, Claim] | None:
        """Claims a range for a free stream.

        Args:
            now: The time.
            stream_rate: Bytes a second of one stream; 0: unknown.
            streams: How many streams share this file.

        Returns:
            The segment and the range; None if there is nothing to claim now.
        """
        segments = [] if self.over else self.segments
        if not self.checked:
            segments = (
                [] if self.busy else [segment for segment in segments if not segment.track.complete][:1]
            )
        for segment in segments:
            claim = segment.track.claim(now, stream_rate, streams, in_order=not self.checked)
            if claim is not None:
                return segment, claim
        return None

    def release(self, segment: OpenSegment, claim: Claim, error: ModelsyncError | None) -> None:
        """Releases a stream's claim, with or without an error."""
        track = segment.track
        track.release(claim)
        if isinstance(error, HttpStatusError) and error.status in CROWDED:
            self.scheduler.crowded()
        if error is not None and not self.over:
            if _is_final(error, track, claim, self.job.trial):
                self.error = error
            elif self.scheduler.on_retry is not None:
                self.scheduler.on_retry(self.label, error)
        self.drain(segment)
        self.notify()
        self.scheduler.wake()

    def drain(self, segment: OpenSegment) -> None:
        """Discards a draining segment's bytes, once no stream and no copy works on it."""
        track = segment.track
        if not track.draining or track.active or track.reserved:
            return
        try:
            self.clear(segment)
        except ModelsyncError as failure:
            self.error = self.error or failure
        track.restart()

    def clear(self, segment: OpenSegment) -> None:
        """Discards a segment's bytes. No stream but the caller's may work on it."""
        length = MANY if segment.track.promised is None else segment.track.promised
        self.partial.forget([(segment.base, segment.base + length)])
        self.partial.set_validator(segment.index, None)
        self.unverified = self.unverified.remove(segment.base, segment.base + length)
        self.reused = min(self.reused, self.unverified.covered)
        segment.track.clear()
        self.forget_hashes()

    def lose(self, ranges: Ranges) -> None:
        """Marks bytes of the file as missing, to be fetched again. No stream works on it."""
        for segment in self.segments:
            for start, end in ranges.within(segment.base, segment.base + (segment.track.size or 0)):
                segment.track.lose(start, end)
        self.unverified = self.unverified.without(ranges)
        self.phase = "fetching"

    def borrow_digests(self, offset: int) -> Digests | None:
        """Lends the digests of all bytes up to `offset` to the stream that has the next bytes; None if it cannot."""
        if self.prefix_digests is None or self.lent or self.prefix_digests.position != offset:
            return None
        self.lent = True
        return self.prefix_digests

    def forget_hashes(self) -> None:
        """Notes that bytes which were hashed and checked are gone."""
        self.prefix_digests, self.lent = None, False
        self.epoch += 1
        self.checked = self.job.check is None

    def notify(self) -> None:
        """Wakes the threads that wait for a change."""
        self.changed.notify_all()


def _is_final(error: ModelsyncError, track: Track, claim: Claim, trial: Trial | None) -> bool:
    """Whether a stream's error fails the file; if not, updates the track for the next try."""
    now = time.monotonic()
    once = trial is not None and not track.active and not (_is_busy(error) and trial.brings(now))
    match error:
        case ChangedError():
            track.draining = True
            track.changes += 1
            return trial is not None or track.changes > CHANGES
        case OtherSizeError():
            track.wrong_sizes += 1
            return trial is not None or track.wrong_sizes >= CHANGES
        case RangesRefusedError():
            track.plain = True
            return False
        case HttpStatusError(status=416) if not track.plain:
            track.plain = not track.ranged  # a server that has sent ranges before may do so again
            return once or not track.failed(claim, now)
        case HttpStatusError() if error.stale or retryable(error):
            return once or not track.failed(claim, now, error.retry_after)
        case _ if retryable(error):
            return once or not track.failed(claim, now)
        case _:
            return True


def _is_busy(error: ModelsyncError) -> bool:
    """Whether a server that works may give this error to a stream, because it serves others."""
    if isinstance(error, HttpStatusError):
        return error.status in CROWDED and (error.retry_after or 0.0) <= LONGEST_WAIT
    return isinstance(error, StalledError)

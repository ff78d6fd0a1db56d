"""Downloads one claimed range: requests it, judges the response, and writes the bytes to the partial."""

import time

from modelsync.errors import ModelsyncError, NetworkError
from modelsync.spec.digest import etag as bare_etag
from modelsync.transfer.digests import Digests
from modelsync.transfer.file_state import File, Lane
from modelsync.transfer.responses import (
    Bytes,
    ChangedError,
    Known,
    OtherSizeError,
    RangesRefusedError,
    judge,
    validator_of,
)
from modelsync.transfer.track import MiB, Take

AT_RISK = 8 * MiB  # bytes, over all streams, that a kill may lose: read and not recorded yet
BUFFER = 512 * 1024  # bytes; small enough to be still in a core's cache when they are written
WRITTEN_BACK = 8 * MiB  # bytes of a stream after which the disk starts to write them
SHOWN_EVERY = 0.25  # seconds between two records, at most: progress stays current on slow lines


class _OverError(Exception):
    """The bytes of this range are no longer needed."""


class Stream:
    """Downloads one claimed range of one segment, and releases the claim.

    Args:
        file: The file.
        segment: The segment.
        claim: The range.
        buffer: Memory to work in, `BUFFER` bytes.
    """

    def __init__(self, file: File, lane: Lane, take: Take, buffer: memoryview) -> None:
        self._file = file
        self._lane = lane
        self._track = lane.track
        self._take = take
        self._lock = file.run.lock
        self._whence = ""
        self._digests: Digests | None = None  # set while it hashes what it writes
        self._written_back = take.position
        self._buffer = buffer[: AT_RISK // file.run.streams]

    def work(self) -> None:
        """Downloads the range, and releases the claim with the error, if any."""
        error: ModelsyncError | None = None
        try:
            self._fetch()
        except _OverError:
            pass
        except ModelsyncError as caught:
            error = caught
        finally:
            with self._lock:
                self._file.settle(self._lane, self._take, error)

    def _fetch(self) -> None:
        take, validator = self._take, self._track.validator
        asks_all = (take.start, take.end) == (0, None)
        if_range = None if asks_all or self._track.digest or validator is None else validator.etag
        with self._lane.source.open(take.start, take.end, if_range) as answer:
            size = self._track.size
            with self._lock:
                self._accept(answer)
            if self._track.size not in (None, size):
                self._file.partial.allocate(self._lane.base + (self._track.size or 0))
            begun, since = take.position, time.monotonic()
            self._pour(answer)
        if take.position - take.start >= WRITTEN_BACK:  # a smaller range is synced soon anyway
            self._write_back(take.position)
        with self._lock:
            self._file.brought(take.position - begun, time.monotonic() - since)
        if take.limit is None:
            with self._lock:
                self._track.size = take.position  # of unknown size: the end of the body is the end
        elif take.position < take.limit and not take.grew:
            raise NetworkError(f"{self._file.label}: the response was empty")

    def _accept(self, answer: Bytes) -> None:
        """Judges the response, and prepares the claim and the track for its bytes."""
        file, track, take = self._file, self._track, self._take
        if file.over or track.draining:
            raise _OverError
        version = validator_of(answer)
        verdict = judge(answer, Known(track.promised, track.size, track.digest, track.validator))
        if verdict == "other-size":
            raise self._other_size(answer.total)
        if verdict == "plain" or (verdict == "whole" and track.held and not track.ranged):
            raise RangesRefusedError(f"{file.label}: nothing proves that its ranges belong together")
        if verdict == "whole" and (track.ranged or len(track.active) > 1):
            if track.digest or version == track.validator:
                raise NetworkError(f"{file.label}: the server sent the whole file instead of a range")
            verdict = "changed"
        if verdict == "changed":
            raise ChangedError(
                f"{file.label} changed at its source during the download", hint="run it again later"
            )
        if verdict == "whole":
            if track.done:
                file.clear(self._lane)
            take.position, take.limit = 0, track.promised if answer.total is None else answer.total
        elif answer.start != take.start:
            raise NetworkError(f"{file.label}: the server sent another range than was requested")
        else:
            total = track.promised if answer.total is None else answer.total
            take.limit = total if take.end is None else min(take.end, total or take.end)
        self._whence = str(answer.origin)
        if answer.total is not None:
            track.size = answer.total
        if not track.digest and version != track.validator:
            track.validator = version
            file.partial.set_validator(self._lane.index, version)
        if self._lane.source.is_origin:
            file.etag = bare_etag(answer.headers.get("etag", ""))

    def _pour(self, answer: Bytes) -> None:
        """Reads the body into the buffer, and stores that whenever it is nearly full, at intervals, and at the end."""
        file, lane, take, buffer = self._file, self._lane, self._take, self._buffer
        position, limit, rate = take.position, take.limit, lane.source.limit
        piece = len(buffer) if rate is None else min(rate.piece, len(buffer))
        beyond = memoryview(bytearray(1))  # filled only by a byte too many
        shown = time.monotonic()
        told, waited = shown, answer.waited  # up to when this stream's work was reported
        started = False
        filled = 0
        self._written_back = position
        with self._lock:
            self._digests = file.borrow(lane.base + position)
        try:
            while count := answer.read_into(buffer[filled : filled + piece] or beyond):
                if file.over or lane.track.draining:
                    raise _OverError
                position, filled = position + count, filled + count
                if limit is not None and position > limit:
                    filled = 0  # discards the rest: the body is not the promised file
                    raise self._other_size(None)
                if not started:
                    started = True
                    self._begin(answer)
                enough = filled >= len(buffer) * 7 // 8 or not file.checked
                # the last bytes are stored after the end of the body, which may yet be too long
                if position != limit and (enough or time.monotonic() - shown > SHOWN_EVERY):
                    shown = time.monotonic()
                    self._keep(filled, shown - told - (answer.waited - waited))
                    told, waited, filled = shown, answer.waited, 0
                    if position - self._written_back >= WRITTEN_BACK:
                        self._write_back(position)
                if rate is not None:
                    rate.pay(count, lambda: file.over or lane.track.draining)
        finally:
            try:
                self._keep(filled, time.monotonic() - told - (answer.waited - waited))
            finally:
                self._give_back()

    def _write_back(self, position: int) -> None:
        """Starts writing the bytes so far to the disk, so that the sync before publishing has less to do."""
        base = self._lane.base
        self._file.partial.write_back(base + self._written_back, base + position)
        self._written_back = position

    def _give_back(self) -> None:
        """Returns the hashing to the file's own thread."""
        file, digests = self._file, self._digests
        if digests is None:
            return
        self._digests = None
        with self._lock:
            if file.spare is digests:
                file.lent = False
            file.nudge()

    def _begin(self, answer: Bytes) -> None:
        self._lane.source.worked()
        with self._lock:
            self._track.began(ranged=answer.status == 206)
            self._file.run.wake()

    def _keep(self, count: int, worked: float) -> None:
        """Writes and records `count` bytes of the buffer."""
        file, take, base = self._file, self._take, self._lane.base
        if not count:
            return
        position = take.position + count
        file.partial.write(self._buffer[:count], base + take.position)
        file.partial.record(base + take.position, base + position, self._whence)
        if self._digests is not None:
            self._digests.update(self._buffer[:count])
        with self._lock:
            file.fetched += count
            file.run.received(count, worked)
            self._track.arrived(take, position)
            if self._digests is None:
                self._digests = file.borrow(base + position)
            if self._digests is None or not file.checked:
                file.nudge()

    def _other_size(self, total: int | None) -> OtherSizeError:
        promised = self._track.promised
        has = "more" if total is None else str(total)
        return OtherSizeError(
            f"{self._file.label} is another file at its source: {has} bytes instead of {promised}",
            hint="if it has changed upstream, `modelsync lock --upgrade` locks the new version",
        )

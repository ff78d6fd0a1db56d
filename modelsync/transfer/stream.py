"""Downloads one claimed range: requests it, judges the response, and writes the bytes to the partial."""

import time

from modelsync.errors import ModelsyncError, NetworkError
from modelsync.spec.digest import etag as bare_etag
from modelsync.system.disks import require_space
from modelsync.transfer.digests import Digests
from modelsync.transfer.file_state import FileState, OpenSegment
from modelsync.transfer.least_rate import LeastRate
from modelsync.transfer.other_size import no_file, other_size
from modelsync.transfer.responses import (
    ChangedError,
    Expectation,
    OtherSizeError,
    RangesRefusedError,
    SourceResponse,
    judge,
    validator_of,
)
from modelsync.transfer.track import Claim, MiB

AT_RISK = 8 * MiB  # bytes, over all streams, that a kill may lose: read and not recorded yet
BUFFER = 512 * 1024  # bytes; small enough to be still in a core's cache when they are written
WRITE_BACK_EVERY = 8 * MiB  # bytes of a stream after which the disk starts to write them
RECORD_EVERY = 0.25  # seconds between two records, at most: progress stays current on slow lines


class _UnneededError(Exception):
    """The bytes of this range are no longer needed."""


class RangeDownload:
    """Downloads one claimed range of one segment, and releases the claim.

    Args:
        file: The file.
        segment: The segment.
        claim: The range.
        buffer: Memory to work in, `BUFFER` bytes.
    """

    def __init__(self, file: FileState, segment: OpenSegment, claim: Claim, buffer: memoryview) -> None:
        self._file = file
        self._segment = segment
        self._track = segment.track
        self._take = claim
        self._lock = file.scheduler.lock
        self._provenance = ""
        self._digests: Digests | None = None  # set while it hashes what it writes
        self._written_back = claim.position
        self._buffer = buffer[: AT_RISK // file.scheduler.streams]

    def run(self) -> None:
        """Downloads the range, and releases the claim with the error, if any."""
        error: ModelsyncError | None = None
        try:
            self._fetch()
        except _UnneededError:
            pass
        except ModelsyncError as caught:
            error = caught
        finally:
            with self._lock:
                self._file.release(self._segment, self._take, error)
        if error is not None and self._file.error is error:
            self._file.job.failed(error)

    def _fetch(self) -> None:
        claim, validator = self._take, self._track.validator
        asks_all = (claim.start, claim.end) == (0, None)
        if_range = None if asks_all or self._track.digest or validator is None else validator.etag
        self._file.job.admit()
        with self._segment.source.open(claim.start, claim.end, if_range) as response:
            size = self._track.size
            try:
                with self._lock:
                    self._accept(response)
            except OtherSizeError as error:
                raise no_file(self._file.label, response) or error from None
            if self._track.size not in (None, size):
                self._file.partial.allocate(self._segment.base + (self._track.size or 0))
            self._copy_body(response)
        if claim.position - claim.start >= WRITE_BACK_EVERY:  # a smaller range is synced soon anyway
            self._write_back(claim.position)
        if claim.limit is None:
            with self._lock:
                self._track.size = claim.position  # of unknown size: the end of the body is the end
        elif claim.position < claim.limit and not claim.grew:
            raise NetworkError(f"{self._file.label}: the response was empty")

    def _accept(self, response: SourceResponse) -> None:
        """Judges the response, and prepares the claim and the track for its bytes."""
        file, track, claim = self._file, self._track, self._take
        if file.over or track.draining:
            raise _UnneededError
        version = validator_of(response)
        verdict = judge(response, Expectation(track.promised, track.size, track.digest, track.validator))
        if verdict == "other-size":
            raise other_size(file.label, track.promised, response.total)
        if verdict == "plain" or (verdict == "whole" and track.reserved and not track.ranged):
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
                file.clear(self._segment)
            claim.position, claim.limit = 0, track.promised if response.total is None else response.total
        elif response.start != claim.start:
            raise NetworkError(f"{file.label}: the server sent another range than was requested")
        else:
            total = track.promised if response.total is None else response.total
            claim.limit = total if claim.end is None else min(claim.end, total or claim.end)
        self._provenance = str(response.origin)
        if response.total is not None:
            track.size = response.total
        if not track.digest and version != track.validator:
            track.validator = version
            file.partial.set_validator(self._segment.index, version)
        if self._segment.source.is_origin:
            file.etag = bare_etag(response.headers.get("etag", ""))

    def _copy_body(self, response: SourceResponse) -> None:
        """Reads the body into the buffer, and stores that whenever it is nearly full, at intervals, and at the end."""
        file, segment, claim, buffer = self._file, self._segment, self._take, self._buffer
        position, limit, rate = claim.position, claim.limit, segment.source.limit
        piece = len(buffer) if rate is None else min(rate.piece, len(buffer))
        beyond = memoryview(bytearray(1))  # filled only by a byte too many
        recorded = time.monotonic()
        reported, waited = recorded, response.waited  # up to when this stream's work was reported
        started = False
        filled = 0
        trial = file.job.trial
        least = LeastRate(trial.seconds, waited) if trial is not None else None
        self._written_back = position
        with self._lock:
            self._digests = file.borrow_digests(segment.base + position)
        try:
            while count := response.read_into(buffer[filled : filled + piece] or beyond):
                if file.over or segment.track.draining:
                    raise _UnneededError
                position, filled = position + count, filled + count
                if trial is not None and least is not None:
                    trial.count(count, time.monotonic())
                    least.count(count, response.waited, response.origin)
                if limit is not None and position > limit:
                    filled = 0  # discards the rest: the body is not the promised file
                    raise other_size(file.label, segment.track.promised, None)
                if not started:
                    started = True
                    self._first_bytes(response)
                enough = filled >= len(buffer) * 7 // 8 or not file.checked
                # the last bytes are stored after the end of the body, which may yet be too long
                if position != limit and (enough or time.monotonic() - recorded > RECORD_EVERY):
                    recorded = time.monotonic()
                    self._store(filled, recorded - reported - (response.waited - waited))
                    reported, waited, filled = recorded, response.waited, 0
                    if position - self._written_back >= WRITE_BACK_EVERY:
                        self._write_back(position)
                if rate is not None:
                    rate.pay(count, lambda: file.over or segment.track.draining)
        finally:
            try:
                self._store(filled, time.monotonic() - reported - (response.waited - waited))
            finally:
                self._return_digests()

    def _write_back(self, position: int) -> None:
        """Starts writing the bytes so far to the disk, so that the sync before publishing has less to do."""
        base = self._segment.base
        self._file.partial.write_back(base + self._written_back, base + position)
        self._written_back = position

    def _return_digests(self) -> None:
        """Returns the hashing to the file's own thread."""
        file, digests = self._file, self._digests
        if digests is None:
            return
        self._digests = None
        with self._lock:
            if file.prefix_digests is digests:
                file.lent = False
            file.notify()

    def _first_bytes(self, response: SourceResponse) -> None:
        self._segment.source.delivered()
        with self._lock:
            self._track.began(ranged=response.status == 206)
            self._file.scheduler.wake()

    def _store(self, count: int, worked: float) -> None:
        """Writes and records `count` bytes of the buffer."""
        file, claim, base = self._file, self._take, self._segment.base
        if not count:
            return
        position = claim.position + count
        if claim.limit is None:  # nobody has said how much will come, so no check was made beforehand
            require_space([(file.partial.folder, count)])
            file.endless = True
        file.partial.write(self._buffer[:count], base + claim.position)
        file.partial.record(base + claim.position, base + position, self._provenance)
        if self._digests is not None:
            self._digests.update(self._buffer[:count])
        with self._lock:
            file.fetched += count
            file.scheduler.received(count, worked)
            self._track.arrived(claim, position)
            if self._digests is None:
                self._digests = file.borrow_digests(base + position)
            if self._digests is None or not file.checked:
                file.notify()

"""One stream: asks for a range, judges the answer, and writes what comes where it belongs."""

import time

from modelsync.errors import ModelsyncError, NetworkError
from modelsync.spec.digest import etag as bare_etag
from modelsync.transfer.answers import (
    Bytes,
    ChangedError,
    Known,
    OtherSizeError,
    RangesRefusedError,
    judge,
    validator_of,
)
from modelsync.transfer.file import File, Lane
from modelsync.transfer.track import MiB, Take

AT_RISK = 8 * MiB  # bytes, over all streams, that a kill may lose: written but not recorded, or still in hand
BUFFER = 256 * 1024  # bytes read at once: few enough to be in a core's cache still when they are written
SHOWN_EVERY = 0.25  # seconds


class _OverError(Exception):
    """Nobody wants these bytes any more."""


class Stream:
    """Works on one take of one segment, from asking to letting go.

    Args:
        file: Its file.
        lane: Its segment.
        take: Its range.
        buffer: Memory to work in, `BUFFER` bytes.
    """

    def __init__(self, file: File, lane: Lane, take: Take, buffer: memoryview) -> None:
        self._file = file
        self._lane = lane
        self._track = lane.track
        self._take = take
        self._lock = file.run.lock
        self._whence = ""
        most = min(MiB, AT_RISK // file.run.streams)
        self._buffer = buffer[: most // 4]
        self._step = most - len(self._buffer)  # the rest is for what is in hand

    def work(self) -> None:
        """Does it, and tells the file how it went."""
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
        take, validator, base = self._take, self._track.validator, self._lane.base
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
        self._file.partial.write_back(base + begun, base + take.position)
        with self._lock:
            self._file.brought(take.position - begun, time.monotonic() - since)
        if take.limit is None:
            with self._lock:
                self._track.size = take.position  # nobody had said it: the end of the body is the end
        elif take.position < take.limit and not take.grew:
            raise NetworkError(f"{self._file.label}: the answer ended before it began")

    def _accept(self, answer: Bytes) -> None:
        """Judges the answer; makes room in the books for its bytes."""
        file, track, take = self._file, self._track, self._take
        if file.over or track.draining:
            raise _OverError
        version = validator_of(answer)
        verdict = judge(answer, Known(track.promised, track.size, track.digest, track.validator))
        if verdict == "other-size":
            raise self._other_size(answer.total)
        if verdict == "plain" or (verdict == "whole" and track.held and not track.ranged):
            raise RangesRefusedError(f"{file.label}: nothing proves that its parts belong together")
        if verdict == "whole" and (track.ranged or len(track.active) > 1):
            if track.digest or version == track.validator:
                raise NetworkError(f"{file.label}: the whole came where a part was asked for")
            verdict = "changed"
        if verdict == "changed":
            raise ChangedError(
                f"{file.label} changes at its source while it is fetched", hint="run it again later"
            )
        if verdict == "whole":
            if track.done:
                file.clear(self._lane)
            take.position, take.limit = 0, track.promised if answer.total is None else answer.total
        elif answer.start != take.start:
            raise NetworkError(f"{file.label}: other bytes came than were asked for")
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
        """Writes the body. What is written counts once it is recorded: after every step, and at the end."""
        file, lane, take, buffer = self._file, self._lane, self._take, self._buffer
        position, limit, rate = take.position, take.limit, lane.source.limit
        if rate is not None:
            buffer = buffer[: rate.piece]
        shown = time.monotonic()
        told, waited = shown, answer.waited  # until when the run knows of this stream's work
        started = False
        try:
            while count := answer.read_into(buffer):
                if file.over or lane.track.draining:
                    raise _OverError
                if limit is not None and position + count > limit:
                    position = take.position  # of a body that is too long nothing more is believed
                    raise self._other_size(None)
                file.partial.write(buffer[:count], lane.base + position)
                position += count
                if not started:
                    started = True
                    self._begin(answer)
                enough = position - take.position >= self._step or not file.checked
                # the last bytes wait for the end of the body: it may yet turn out to be too long
                if position != limit and (enough or time.monotonic() - shown > SHOWN_EVERY):
                    shown = time.monotonic()
                    self._record(position, shown - told - (answer.waited - waited))
                    told, waited = shown, answer.waited
                if rate is not None:
                    rate.pay(count, lambda: file.over or lane.track.draining)
        finally:
            self._record(position, time.monotonic() - told - (answer.waited - waited))

    def _begin(self, answer: Bytes) -> None:
        self._lane.source.worked()
        with self._lock:
            self._track.began(ranged=answer.status == 206)
            self._file.run.wake()

    def _record(self, position: int, worked: float) -> None:
        take, base = self._take, self._lane.base
        count = position - take.position
        if not count:
            return
        self._file.partial.record(base + take.position, base + position, self._whence)
        with self._lock:
            self._file.fetched += count
            self._file.run.received(count, worked)
            self._track.arrived(take, position)
            self._file.nudge()

    def _other_size(self, total: int | None) -> OtherSizeError:
        promised = self._track.promised
        has = "more" if total is None else str(total)
        return OtherSizeError(
            f"{self._file.label} is another file at its source: {has} bytes instead of {promised}",
            hint="if it has changed upstream, `modelsync lock --upgrade` locks the new one",
        )

"""Fills a partial from other files that probably have the same bytes, while streams fetch the rest.

What may be copied is reserved in the tracks. A probe is a small range in it that is not reserved, so a stream fetches
it. A part is copied once its probe has arrived and the other file has equal bytes; otherwise its reservation ends and
the streams fetch it. Copied bytes count as unverified until the file's digest is right.

No decision here depends on time: a disk that is slow now, because the machine is busy or has much to write, is not
given up for a network that looks faster. That would fetch the whole file, and its bytes go to the same disk.
"""

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from modelsync.errors import ModelsyncError
from modelsync.transfer.copy_source import CopySources
from modelsync.transfer.delta_probes import DeltaPart, delta_parts, first_probes
from modelsync.transfer.file_state import FileState, OpenSegment
from modelsync.transfer.jobs import HEAD, Guess
from modelsync.transfer.ranges import Span
from modelsync.transfer.track import MiB, Track

STEP = MiB  # bytes copied and recorded in one step


class DeltaCopy:
    """Copies the guessed bytes of one file, in a thread of its own.

    Args:
        file: The file; no stream works on it yet.
        segments: The file's segments, not yet visible to streams.
        sizes: Bytes of each segment.
        guesses: Bytes that other files probably have.

    Attributes:
        copied_from: The other files from which bytes were copied.
    """

    def __init__(
        self, file: FileState, segments: Sequence[OpenSegment], sizes: Sequence[int], guesses: Iterable[Guess]
    ) -> None:
        self._file = file
        self._segments = segments
        self._lock = file.scheduler.lock
        self._parts = [
            part
            for part in delta_parts(guesses, sizes, file.job.sha256 or "")
            if not self._track(part).done.holds(*self._inside(part))
        ]
        self._probed: set[DeltaPart] = set()
        self._first_probes = set(first_probes(self._parts))
        self._any_equal = not self._first_probes  # whether one of the first probes was equal
        self._sources = CopySources()
        self.copied_from: set[Path] = set()
        self._crash: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="modelsync-copy", daemon=True)
        for part in self._parts:
            start, end = self._inside(part)
            for first, last in self._track(part).done.within(start, end).missing(end - start):
                self._track(part).reserve(start + first, start + last)
        for part in self._parts:
            if part.probe is None or part in self._first_probes:
                self._request_probe(part)
        if not file.checked and self._parts and self._parts[0].probe is not None:
            segments[0].track.unreserve(0, HEAD)  # streams request nothing else before the check has passed

    @property
    def starts(self) -> tuple[int, ...]:
        """The offset of each part."""
        return tuple(part.start for part in self._parts)

    def start(self) -> None:
        """Starts the thread, if there is anything to copy."""
        if self._parts:
            self._thread.start()

    def join(self) -> None:
        """Waits for the thread to end. The file must be over or whole."""
        if self._thread.ident is not None:
            self._thread.join()
        if self._crash is not None:
            raise self._crash

    # --- the thread ----------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (part := self._next()) is not None:
                self._copy_part(part)
        except ModelsyncError as error:
            with self._lock:
                self._file.error = self._file.error or error
        except BaseException as error:  # noqa: BLE001 - raised again by `join`
            self._crash = error
        finally:
            self._unreserve(list(self._parts))
            self._sources.close()

    def _next(self) -> DeltaPart | None:
        """Waits for the next part whose probe has arrived; None when no part is left."""
        with self._lock:
            while self._parts and not self._file.over:
                if hopeless := [part for part in self._parts if self._is_hopeless(part)]:
                    self._unreserve_locked(hopeless)
                    continue
                for part in self._parts:
                    if part in self._probed and self._is_probed(part):
                        return part
                self._file.changed.wait()
            return None

    def _copy_part(self, part: DeltaPart) -> None:
        place = next((place for place in part.places if self._is_equal(place, part)), None)
        if part in self._first_probes:
            self._first_probes.discard(part)
            self._on_first_probe(place is not None)
        with suppress(OSError):  # the other file is missing or unreadable
            while place and (span := self._next_span(part)):
                if not self._copy_step(part, place, *span):
                    break
            self._file.partial.write_back(part.start, part.end)
        self._unreserve([part])

    def _on_first_probe(self, equal: bool) -> None:
        """Handles the result of a first probe. The first equal one lets all parts be probed."""
        if equal and not self._any_equal:
            self._any_equal = True
            with self._lock:
                for part in self._parts:
                    self._request_probe(part)
                self._file.scheduler.wake()

    def _is_hopeless(self, part: DeltaPart) -> bool:
        """Whether a part can no longer be copied."""
        track = self._track(part)
        in_vain = part.probe is not None and not (self._any_equal or self._first_probes)
        return track.plain or track.draining or in_vain

    def _is_equal(self, place: tuple[Path, int], part: DeltaPart) -> bool:
        """Whether another file has the bytes of the part's probe at the same place."""
        if part.probe is None:
            return True
        start, end = part.probe
        mine = memoryview(bytearray(end - start))
        got = 0
        while got < len(mine) and (count := self._file.partial.read_into(mine[got:], start + got)):
            got += count
        path, offset = place
        with suppress(OSError):
            return mine == self._sources.read(path, offset + start - part.start, len(mine))
        return False

    def _next_span(self, part: DeltaPart) -> Span | None:
        """The next span of a part to copy, as offsets in the whole file; None: nothing is left."""
        with self._lock:
            track, (start, end) = self._track(part), self._inside(part)
            reserved = track.reserved.within(start, end)
            if not reserved or self._file.over or track.plain or track.draining:
                return None
            first, last = reserved.spans[0]
            return part.start + first, part.start + min(last, first + STEP)

    def _copy_step(self, part: DeltaPart, place: tuple[Path, int], start: int, end: int) -> bool:
        """Copies one step and records it; returns False at the end of the other file."""
        file, base = self._file, self._segments[part.segment].base
        path, offset = place
        count = self._sources.copy(path, offset + start - part.start, file.partial, start, end - start)
        if not count:
            return False
        self.copied_from.add(path)
        file.partial.record(start, start + count, f"a copy of {path}", unverified=True)
        with self._lock:
            self._track(part).copied(start - base, start + count - base)
            file.reused += count
            file.unverified = file.unverified.add(start, start + count)
            file.notify()
        return True

    # --- reservations --------------------------------------------------------------------------------

    def _request_probe(self, part: DeltaPart) -> None:
        """Lets the streams fetch the probe of a part, if it is missing."""
        self._probed.add(part)
        if part.probe is None:
            return
        file, track, base = self._file, self._track(part), self._segments[part.segment].base
        start, end = part.probe
        copied = [(start + a, start + b) for a, b in file.unverified.within(start, end)]
        file.partial.forget(copied)  # a probe must come from the source, not from a copy
        for first, last in copied:
            file.unverified = file.unverified.remove(first, last)
            track.lose(first - base, last - base)
            file.epoch += 1  # the old bytes may have been hashed
        track.unreserve(start - base, end - base)

    def _is_probed(self, part: DeltaPart) -> bool:
        """Whether the probe of a part has arrived."""
        base = self._segments[part.segment].base
        return part.probe is None or self._track(part).done.holds(part.probe[0] - base, part.probe[1] - base)

    def _unreserve(self, parts: Iterable[DeltaPart]) -> None:
        """Ends the reservations of parts: the streams fetch what is missing."""
        with self._lock:
            self._unreserve_locked(list(parts))

    def _unreserve_locked(self, parts: Sequence[DeltaPart]) -> None:
        for part in parts:
            if part in self._parts:
                self._parts.remove(part)
                self._first_probes.discard(part)
                self._track(part).unreserve(*self._inside(part))
                self._file.drain(self._segments[part.segment])
        self._file.notify()
        self._file.scheduler.wake()

    def _track(self, part: DeltaPart) -> Track:
        return self._segments[part.segment].track

    def _inside(self, part: DeltaPart) -> Span:
        """The offsets of a part in its segment."""
        base = self._segments[part.segment].base
        return part.start - base, part.end - base

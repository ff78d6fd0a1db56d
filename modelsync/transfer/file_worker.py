"""Opens the partial of one file, hashes it as it grows, and verifies it. Runs in a thread per file.

As the contiguous prefix grows, its bytes are read back from the page cache in bounded memory, while the streams write
beyond it.
"""

import time
from pathlib import Path

from modelsync.errors import HashMismatchError, ModelsyncError, StoreError
from modelsync.transfer.delta_copy import Guessing
from modelsync.transfer.digests import Digests
from modelsync.transfer.file_state import File, Lane
from modelsync.transfer.jobs import HEAD, Fetched, identity, segment_sizes
from modelsync.transfer.journal import Validator
from modelsync.transfer.partial import Partial
from modelsync.transfer.provenance import sentence
from modelsync.transfer.ranges import Ranges
from modelsync.transfer.track import MANY, SMALLEST, Track

READ = 2**18  # bytes of the buffer to read back and hash; one per open file
SYNC_EVERY = 10.0  # seconds between syncs; a power cut loses what came after the last


class Keeper:
    """Downloads and verifies one file.

    Args:
        file: Its state, already known to the scheduler.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._job = file.job
        self._lock = file.run.lock
        self._sizes = segment_sizes(file.job)
        self._resumed = 0
        self._anew = False  # whether it was restarted already, after a wrong digest
        self._note: str | None = None
        self._guessing: Guessing | None = None
        self._doubtful_files: tuple[Path, ...] = ()
        self._doubtful = MANY  # offset of the first byte that was or may be copied
        self._sure: Digests | None = None  # the digests up to there
        self._small = False  # one stream fetches it all, and hashes the bytes as they come
        self._useless = False  # what has arrived can never become the file
        self._last_sync = time.monotonic()

    def keep(self) -> Fetched | None:
        """Works until the file is whole or failed, and no stream works on it.

        Returns:
            None if the run was stopped before the file was whole.

        Raises:
            ModelsyncError: the file cannot be fetched.
        """
        file = self._file
        file.partial = Partial(self._job.folder, identity(self._job))
        digests: Digests | None = None
        try:
            if self._job.prepare is not None:
                self._job = self._job.prepare(self._job)
                self._sizes = segment_sizes(self._job)
            self._open()
            digests = self._attend()
        except ModelsyncError as error:
            file.error = error
        finally:
            with self._lock:
                file.closed = True
                file.nudge()
                file.run.wake()  # there is room for another file
            try:
                if self._guessing is not None:
                    self._guessing.join()
            finally:
                self._wait_for_streams()
                file.partial.close()
        if file.error is not None:
            if self._useless:
                file.partial.discard()
            raise file.error
        if digests is None:
            return None
        return Fetched(
            path=file.partial.path,
            size=digests.position,
            sha256=digests.sha256,
            blocks=digests.blocks,
            fetched=file.fetched,
            resumed=self._resumed,
            etag=file.etag if len(file.lanes) == 1 else None,
            pieces=tuple(digests.pieces),
            reused=file.reused,
            note=self._note,
            doubtful=self._doubtful_files,
        )

    # --- what an earlier run left --------------------------------------------------------------------

    def _open(self) -> None:
        """Makes the segments from what is in the partial, and lets the streams begin."""
        file = self._file
        self._allocate()
        file.guessed = file.partial.guessed
        here = self._with_head()
        lanes: list[Lane] = []
        base = 0
        small = sum(size or MANY for size in self._sizes) <= SMALLEST
        for index, (segment, size) in enumerate(zip(self._job.segments, self._sizes, strict=True)):
            # A HEAD first pays off for small files alone: a large file waits for its redirect once,
            # and a joined one would wait for each piece.
            source = file.run.source(
                segment._replace(leads=segment.leads and small and len(self._sizes) == 1)
            )
            streams = min(file.run.streams, source.widest)
            done = here.within(base, base + (MANY if size is None else size))
            lanes.append(Lane(index, base, self._track(index, base, size, done, streams), source))
            base += size or 0
        self._guessing = Guessing(file, lanes, [size or 0 for size in self._sizes], self._job.guesses)
        known = [start for start, _ in file.guessed.spans[:1]]
        self._doubtful = min((*known, *self._guessing.starts), default=MANY)
        self._small = self._doubtful == MANY and small
        with self._lock:
            file.lanes = lanes
            self._resumed = file.here - file.fetched
            file.run.wake()
        self._guessing.start()

    def _with_head(self) -> Ranges:
        """Writes the job's `head` to the partial; returns which bytes are there then."""
        file, here = self._file, self._file.partial.ranges
        head = self._job.head[: sum(size or 0 for size in self._sizes)]
        for start, end in here.within(0, len(head)).missing(len(head)):
            file.partial.write(head[start:end], start)
            file.partial.record(start, end, "its source, with the header")
            file.fetched += end - start
            here = here.add(start, end)
        return here

    def _track(self, index: int, base: int, size: int | None, done: Ranges, streams: int) -> Track:
        digest = self._job.sha256 is not None
        validator: Validator | None = None
        if not digest:
            validator = self._file.partial.validators.get(index)
            if validator is None or size not in (None, validator.total):
                if done or validator:
                    self._file.partial.forget([(base, base + (MANY if size is None else size))])
                    self._file.partial.set_validator(index, None)
                validator, done = None, Ranges()
            else:
                # fetch the last byte again: the response shows whether the version is still the same
                done = done.remove(validator.total - 1, MANY)
        return Track(
            size,
            digest=digest,
            streams=streams,
            done=done,
            validator=validator,
            backoff=self._file.run.backoff,
        )

    def _allocate(self) -> None:
        known = [size for size in self._sizes if size is not None]
        if known:
            self._file.partial.allocate(sum(known))

    # --- hashing and verifying -----------------------------------------------------------------------

    def _attend(self) -> Digests | None:
        """Hashes until the file is whole and right. None: the run was stopped, or the file failed."""
        pieces = [size or 0 for size in self._sizes] if len(self._sizes) > 1 else []
        digests = Digests(pieces)
        while not self._file.over:
            if not self._follow(digests, self._file.epoch):
                digests, self._sure = Digests(pieces), None
            elif self._job.sha256 in (None, digests.sha256):
                self._file.partial.finish(digests.position)
                return digests
            elif self._file.guessed:
                self._forget_guesses()
                digests, self._sure = self._sure or Digests(pieces), None
            else:
                self._begin_anew(digests.sha256)
                digests = Digests(pieces)
        return None

    def _follow(self, digests: Digests, epoch: int) -> bool:
        """Hashes the prefix as it grows, to the end of the file. False: it is over, or hashed bytes were discarded."""
        file = self._file
        buffer = memoryview(b"")

        def something_to_do() -> bool:
            prefix, whole = file.prefix()
            if file.over or file.epoch != epoch or (prefix >= HEAD and not file.checked):
                return True
            return not file.lent and (prefix > digests.position or whole)

        while True:
            with self._lock:
                if self._small and not file.lent:
                    file.spare = digests
                file.news.wait_for(something_to_do, SYNC_EVERY)
                if file.over or file.epoch != epoch:
                    return False
                prefix, whole = file.prefix()
                lent = file.lent
                if not lent:
                    file.spare = None
            if not file.checked and (prefix >= HEAD or whole):
                self._check(min(prefix, HEAD), epoch)
            if not whole and time.monotonic() - self._last_sync > SYNC_EVERY:
                file.partial.sync()
                self._last_sync = time.monotonic()
            if lent:
                continue
            if whole and prefix == digests.position:
                return True
            if whole:
                file.phase = "checking"
            if digests.position < self._doubtful < prefix:
                prefix = self._doubtful
            elif digests.position == self._doubtful and self._sure is None:
                self._sure = digests.copy()
            if prefix > digests.position:
                buffer = buffer or memoryview(bytearray(READ))  # not needed where a stream hashes
                data = self._read_back(buffer[: prefix - digests.position], digests.position)
                with self._lock:
                    if file.epoch != epoch:
                        return False
                digests.update(data)

    def _check(self, count: int, epoch: int) -> None:
        head = bytes(self._read_back(memoryview(bytearray(count)), 0))
        with self._lock:
            if self._file.epoch != epoch:  # the bytes read may be those of another version
                return
        if self._job.check is not None:
            try:
                self._job.check(head)
            except ModelsyncError:
                self._useless = True
                raise
        with self._lock:
            if self._file.epoch == epoch:
                self._file.checked = True
                self._file.run.wake()

    def _read_back(self, buffer: memoryview, offset: int) -> memoryview:
        count = self._file.partial.read_into(buffer, offset)
        if buffer and not count:
            raise StoreError(
                f"{self._file.partial.path} was truncated during the download",
                hint="make sure that no other program changes that folder, then run it again",
            )
        return buffer[:count]

    def _forget_guesses(self) -> None:
        """After a wrong digest, lets the streams fetch all copied bytes. No copy runs at this point."""
        file = self._file
        self._wait_for_streams()
        file.partial.forget(file.guessed)
        with self._lock:
            for lane in file.lanes:
                for start, end in file.guessed.within(lane.base, lane.base + (lane.track.size or 0)):
                    lane.track.lose(start, end)
            self._resumed -= file.guessed.covered - file.reused
            self._note = (
                f"{file.label}: bytes that were copied from another file were wrong and were fetched again"
            )
            if self._guessing is not None:
                self._doubtful_files = tuple(sorted(self._guessing.givers))
            file.guessed, file.reused = Ranges(), 0
            file.phase = "fetching"
            file.run.wake()

    def _begin_anew(self, got: str) -> None:
        """After a wrong digest, fetches everything again, once, if bytes of an earlier run may be the cause."""
        file = self._file
        self._wait_for_streams()
        brought = sentence(file.partial.history())
        if not self._resumed or self._anew:
            self._useless = True
            raise HashMismatchError(
                f"{file.label} is not what was promised: expected sha256 {self._job.sha256}, got {got}; {brought}",
                hint="nothing of it was kept; `modelsync lock --verify` shows whether it has changed upstream",
            )
        self._note = f"{file.label}: the partial file of an earlier run was wrong; fetched again ({brought})"
        file.partial.reset()
        self._allocate()
        with self._lock:
            for lane in file.lanes:
                lane.track.restart()
            file.forget_hashes()
            file.phase = "fetching"
            self._anew, self._resumed, file.reused = True, 0, 0
            file.run.wake()

    def _wait_for_streams(self) -> None:
        with self._lock:
            self._file.news.wait_for(lambda: not self._file.busy)

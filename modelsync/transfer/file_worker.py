"""Opens the partial of one file, hashes it as it grows, and verifies it. Runs in a thread per file.

As the contiguous prefix grows, its bytes are read back from the page cache in bounded memory, while the streams write
beyond it.
"""

import time

from modelsync.errors import CancelledError, HashMismatchError, ModelsyncError, StoreError
from modelsync.transfer.delta_copy import DeltaCopy
from modelsync.transfer.digests import Digests
from modelsync.transfer.file_state import FileState, OpenSegment
from modelsync.transfer.jobs import HEAD, Fetched, identity, segment_sizes
from modelsync.transfer.journal import Validator
from modelsync.transfer.partial import Partial
from modelsync.transfer.provenance import sentence
from modelsync.transfer.ranges import Ranges
from modelsync.transfer.refetch import Refetch
from modelsync.transfer.stream import BUFFER, RangeDownload
from modelsync.transfer.track import MANY, SMALLEST, Claim, MiB, Track

READ = 2**18  # bytes of the buffer to read back and hash; one per open file
OWN = MiB  # bytes of a file that its own thread fetches: to hand it to a stream costs more than to read it
SYNC_EVERY = 10.0  # seconds between syncs; a power cut loses what came after the last


class FileWorker:
    """Downloads and verifies one file.

    Args:
        file: Its state, already known to the scheduler.
    """

    def __init__(self, file: FileState) -> None:
        self._file = file
        self._job = file.job
        self._lock = file.scheduler.lock
        self._sizes = segment_sizes(file.job)
        self._refetch = Refetch(file)
        self._delta: DeltaCopy | None = None
        self._unverified_from = MANY  # offset of the first byte that was or may be copied
        self._verified_digests: Digests | None = None  # the digests up to there
        self._small = False  # one stream fetches it all, and hashes the bytes as they come
        self._own: tuple[OpenSegment, Claim] | None = None  # what this thread fetches itself
        self._unusable = False  # what has arrived can never become the file
        self._last_sync = time.monotonic()

    def run(self) -> Fetched | None:
        """Works until the file is whole or failed, and no stream works on it.

        Returns:
            None if the run was stopped before the file was whole.

        Raises:
            ModelsyncError: the file cannot be fetched.
        """
        file = self._file
        file.partial = Partial(self._job.folder, identity(self._job), confirm=self._job.confirm)
        digests: Digests | None = None
        try:
            self._job.admit()
            if self._job.prepare is not None:
                self._job = self._job.prepare(self._job)
                self._sizes = segment_sizes(self._job)
            self._open()
            digests = self._verify()
        except ModelsyncError as error:
            file.error = error
        finally:
            with self._lock:
                file.closed = True
                file.notify()
                file.scheduler.withdraw(file)
            try:
                if self._delta is not None:
                    self._delta.join()
            finally:
                self._wait_for_streams()
                file.partial.close()
        if file.error is not None:
            if self._unusable or (file.endless and not isinstance(file.error, CancelledError)):
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
            resumed=self._refetch.resumed.covered,
            etag=file.etag if len(file.segments) == 1 else None,
            pieces=tuple(digests.pieces),
            reused=file.reused,
            note=self._refetch.note,
            doubtful=tuple(sorted(self._delta.copied_from))
            if self._delta and self._refetch.lost_copies
            else (),
        )

    # --- what an earlier run left --------------------------------------------------------------------

    def _open(self) -> None:
        """Makes the segments from what is in the partial, and lets the streams begin."""
        file = self._file
        self._allocate()
        file.unverified = file.partial.unverified
        here = self._write_head()
        segments: list[OpenSegment] = []
        base = 0
        small = sum(size or MANY for size in self._sizes) <= SMALLEST
        for index, (segment, size) in enumerate(zip(self._job.segments, self._sizes, strict=True)):
            # A HEAD first pays off for small files alone: a large file waits for its redirect once,
            # and a joined one would wait for each piece.
            source = file.scheduler.source(
                segment._replace(redirects=segment.redirects and small and len(self._sizes) == 1)
            )
            streams = min(file.scheduler.streams, source.max_streams)
            done = here.within(base, base + (MANY if size is None else size))
            segments.append(OpenSegment(index, base, self._track(index, base, size, done, streams), source))
            base += size or 0
        self._delta = DeltaCopy(file, segments, [size or 0 for size in self._sizes], self._job.guesses)
        known = [start for start, _ in file.unverified.spans[:1]]
        self._unverified_from = min((*known, *self._delta.starts), default=MANY)
        self._small = self._unverified_from == MANY and small
        with self._lock:
            file.segments = segments
            done = Ranges(
                (each.base + start, each.base + end) for each in segments for start, end in each.track.done
            )
            self._refetch.resumed = done.without(here.without(file.partial.ranges))
            if file.attempt is not None and file.attempt.error is not None:
                self._fail_first(file.attempt.error)
            if self._small and len(segments) == 1 and (self._sizes[0] or 0) <= OWN:
                self._own = file.scheduler.claim(file)
            if self._own is None:
                file.scheduler.offer(file)
        self._delta.start()

    def _fail_first(self, error: ModelsyncError) -> None:
        """Counts the error of the request that was made before, as one of a stream. Needs the lock."""
        claimed = self._file.claim(time.monotonic(), 0.0, 1)
        if claimed is not None:
            self._file.release(*claimed, error)
            if self._file.error is error:
                self._job.failed(error)

    def _write_head(self) -> Ranges:
        """Writes the bytes that came before the file was opened to the partial; returns which are there then."""
        file, here = self._file, self._file.partial.ranges
        head, server = self._job.head, "its source, with the header"
        if file.attempt is not None:
            head, server = file.attempt.data, file.attempt.server
        head = head[: sum(size or 0 for size in self._sizes)]
        for start, end in here.within(0, len(head)).missing(len(head)):
            file.partial.write(head[start:end], start)
            file.partial.record(start, end, server)
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
            backoff=self._file.scheduler.backoff,
        )

    def _allocate(self) -> None:
        if None not in self._sizes:
            self._file.partial.allocate(sum(size or 0 for size in self._sizes))

    # --- hashing and verifying -----------------------------------------------------------------------

    def _verify(self) -> Digests | None:
        """Hashes until the file is whole and right. None: the run was stopped, or the file failed."""
        pieces = [size or 0 for size in self._sizes] if len(self._sizes) > 1 else []
        digests = Digests(pieces)
        while not self._file.over:
            if not self._hash_prefix(digests, self._file.epoch):
                digests, self._verified_digests = Digests(pieces), None
            elif self._job.sha256 in (None, digests.sha256):
                self._file.partial.finish(digests.position)
                return digests
            else:
                self._wait_for_streams()
                start = self._fetch_again(digests)
                verified = self._verified_digests if start >= self._unverified_from else None
                digests = verified.copy() if verified is not None else Digests(pieces)
        return None

    def _hash_prefix(self, digests: Digests, epoch: int) -> bool:
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
                    file.prefix_digests = digests
            self._fetch_own()
            with self._lock:
                file.changed.wait_for(something_to_do, SYNC_EVERY)
                if file.over or file.epoch != epoch:
                    return False
                prefix, whole = file.prefix()
                lent = file.lent
                if not lent:
                    file.prefix_digests = None
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
            if digests.position < self._unverified_from < prefix:
                prefix = self._unverified_from
            elif digests.position == self._unverified_from and self._verified_digests is None:
                self._verified_digests = digests.copy()
            if prefix > digests.position:
                buffer = buffer or memoryview(bytearray(READ))  # not needed where a stream hashes
                data = self._read_back(buffer[: prefix - digests.position], digests.position)
                with self._lock:
                    if file.epoch != epoch:
                        return False
                self._watch(data, digests.position)
                digests.update(data)

    def _watch(self, data: memoryview, offset: int) -> None:
        if self._job.watch is not None:
            try:
                self._job.watch(data, offset)
            except ModelsyncError:
                self._reject()
                raise

    def _fetch_own(self) -> None:
        """Fetches in this thread what was claimed for it."""
        if self._own is None:
            return
        (segment, claim), self._own = self._own, None
        room = min(BUFFER, max(512, (claim.limit or BUFFER) - claim.start))
        try:
            RangeDownload(self._file, segment, claim, memoryview(bytearray(room))).run()
        finally:
            with self._lock:
                self._file.scheduler.released()
                if not segment.track.complete:  # what is left is for a stream
                    self._file.scheduler.offer(self._file)

    def _check(self, count: int, epoch: int) -> None:
        head = bytes(self._read_back(memoryview(bytearray(count)), 0))
        with self._lock:
            if self._file.epoch != epoch:  # the bytes read may be those of another version
                return
        if self._job.check is not None:
            try:
                self._job.check(head)
            except ModelsyncError as error:
                self._reject()
                history = sentence(self._file.partial.history())
                raise type(error)(f"{error.message}; {history}", hint=error.hint) from error
        with self._lock:
            if self._file.epoch == epoch:
                self._file.checked = True
                self._file.scheduler.wake()

    def _read_back(self, buffer: memoryview, offset: int) -> memoryview:
        count = self._file.partial.read_into(buffer, offset)
        if buffer and not count:
            raise StoreError(
                f"{self._file.partial.path} was truncated during the download",
                hint="make sure that no other program changes that folder, then run it again",
            )
        return buffer[:count]

    def _fetch_again(self, digests: Digests) -> int:
        try:
            return self._refetch.begin(digests)
        except HashMismatchError:
            self._reject()
            raise

    def _reject(self) -> None:
        """Drops what has come; what an earlier run left stays where another place goes on with it."""
        earlier = self._refetch.resumed if self._job.trial is not None else Ranges()
        self._unusable = not earlier
        if earlier:
            self._file.partial.forget(Ranges([(0, MANY)]).without(earlier))

    def _wait_for_streams(self) -> None:
        with self._lock:
            self._file.changed.wait_for(lambda: not self._file.busy)

"""A file's own thread: opens its partial, hashes it as it grows, and says whether it is what was promised.

The bytes are read back as the contiguous prefix grows, out of the page cache and in bounded memory, while the
streams write what lies behind.
"""

import time

from modelsync.errors import HashMismatchError, ModelsyncError, StoreError
from modelsync.transfer.digests import Digests
from modelsync.transfer.file import File, Lane
from modelsync.transfer.jobs import Fetched, identity, segment_sizes
from modelsync.transfer.journal import Validator
from modelsync.transfer.partial import Partial
from modelsync.transfer.ranges import Ranges
from modelsync.transfer.track import MANY, Track

HEAD = 64  # bytes; a check gets no fewer, if there are as many: enough to say what a wrong file is
READ = 2**18  # bytes read back and hashed at once; each open file has as many in memory
SYNC_EVERY = 10.0  # seconds between the marks of what a power cut cannot take


class Keeper:
    """Sees one file through.

    Args:
        file: Its books; the caller has put them where streams find them.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._job = file.job
        self._lock = file.run.lock
        self._sizes = segment_sizes(file.job)
        self._resumed = 0
        self._anew = False  # whether it was started from zero already, after a wrong digest
        self._useless = False  # what is here can never become the file
        self._last_sync = time.monotonic()

    def keep(self) -> Fetched | None:
        """Works until the file is whole or failed. No stream works on it any more then.

        Returns:
            None if the run was stopped before the file was whole.

        Raises:
            ModelsyncError: it cannot be had.
        """
        file = self._file
        file.partial = Partial(self._job.folder, identity(self._job))
        digests: Digests | None = None
        try:
            self._open()
            digests = self._attend()
        except ModelsyncError as error:
            file.error = error
        finally:
            file.closed = True
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
        )

    # --- what is here already ------------------------------------------------------------------------

    def _open(self) -> None:
        """Makes the lanes out of what is here, and lets the streams begin."""
        lanes: list[Lane] = []
        base = 0
        for index, (segment, size) in enumerate(zip(self._job.segments, self._sizes, strict=True)):
            source = self._file.run.source(segment.url)
            streams = min(self._file.run.streams, source.widest)
            lanes.append(Lane(index, base, self._track(index, base, size, streams), source))
            base += size or 0
        self._allocate()
        with self._lock:
            self._file.lanes = lanes
            self._resumed = self._file.here
            self._file.run.wake()

    def _track(self, index: int, base: int, size: int | None, streams: int) -> Track:
        digest = self._job.sha256 is not None
        end = base + (MANY if size is None else size)
        done = self._file.partial.ranges.within(base, end)
        validator: Validator | None = None
        if not digest:
            validator = self._file.partial.validators.get(index)
            if validator is None or size not in (None, validator.total):
                if done or validator:
                    self._file.partial.forget(base, end)
                    self._file.partial.set_validator(index, None)
                validator, done = None, Ranges()
            else:
                # the last byte is asked for again: the answer tells whether the others are still of that version
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

    # --- what comes ----------------------------------------------------------------------------------

    def _attend(self) -> Digests | None:
        """Hashes until the file is whole and right. None: the run was stopped, or a stream failed for good."""
        pieces = [size or 0 for size in self._sizes] if len(self._sizes) > 1 else []
        while not self._file.over:
            digests = Digests(pieces)
            if not self._follow(digests, self._file.epoch):
                continue
            if self._job.sha256 in (None, digests.sha256):
                self._file.partial.finish(digests.position)
                return digests
            self._begin_anew(digests.sha256)
        return None

    def _follow(self, digests: Digests, epoch: int) -> bool:
        """Hashes the prefix as it grows, to its end. False: it is over, or what was hashed does not count any more."""
        file = self._file
        buffer = memoryview(bytearray(READ))

        def something_to_do() -> bool:
            prefix, whole = file.prefix()
            return file.over or file.epoch != epoch or prefix > digests.position or whole

        while True:
            with self._lock:
                file.news.wait_for(something_to_do, SYNC_EVERY)
                if file.over or file.epoch != epoch:
                    return False
                prefix, whole = file.prefix()
            if not file.checked and (prefix >= HEAD or whole):
                self._check(min(prefix, HEAD), epoch)
            if whole and prefix == digests.position:
                return True
            if whole:
                file.phase = "checking"
            elif time.monotonic() - self._last_sync > SYNC_EVERY:
                file.partial.sync()
                self._last_sync = time.monotonic()
            if prefix > digests.position:
                data = self._read_back(buffer[: prefix - digests.position], digests.position)
                with self._lock:
                    if file.epoch != epoch:
                        return False
                digests.update(data)

    def _check(self, count: int, epoch: int) -> None:
        head = bytes(self._read_back(memoryview(bytearray(count)), 0))
        with self._lock:
            if self._file.epoch != epoch:  # other bytes may have been in their place already
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
                f"{self._file.partial.path} became shorter while it was written",
                hint="see that nothing else cleans that folder, then run it again",
            )
        return buffer[:count]

    def _begin_anew(self, got: str) -> None:
        """After a wrong digest: from zero, once, if an earlier run may be to blame."""
        file = self._file
        self._wait_for_streams()
        if not self._resumed or self._anew:
            self._useless = True
            raise HashMismatchError(
                f"{file.label} is not what was promised: expected sha256 {self._job.sha256}, got {got}",
                hint="nothing of it was kept; `modelsync lock --verify` tells whether it has changed upstream",
            )
        file.partial.reset()
        self._allocate()
        with self._lock:
            for lane in file.lanes:
                lane.track.restart()
            file.forget_hashes()
            file.phase = "fetching"
            self._anew, self._resumed = True, 0
            file.run.wake()

    def _wait_for_streams(self) -> None:
        with self._lock:
            self._file.news.wait_for(lambda: not self._file.busy)

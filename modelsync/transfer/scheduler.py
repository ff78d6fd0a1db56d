"""Schedules one run: streams that claim ranges of any file, and a thread for each open file."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.net.retry import Backoff
from modelsync.transfer.concurrency import StreamStats, Tuner
from modelsync.transfer.file_state import FileState, OpenSegment
from modelsync.transfer.file_worker import FileWorker
from modelsync.transfer.jobs import Fetched, Job, Segment
from modelsync.transfer.local import LocalSource
from modelsync.transfer.progress import Event
from modelsync.transfer.rate_limit import RateLimit
from modelsync.transfer.remote import RemoteSource
from modelsync.transfer.responses import ByteSource
from modelsync.transfer.run_files import RunFiles, is_small
from modelsync.transfer.small_files import Attempt, receive
from modelsync.transfer.small_queue import SmallQueue
from modelsync.transfer.stream import BUFFER, RangeDownload
from modelsync.transfer.track import Claim

if TYPE_CHECKING:
    from modelsync.net.client import Client

FIRST_STREAMS = (
    2  # streams to begin with, or as many as there are small files, which mostly wait for the server
)


class Scheduler:
    """Runs all jobs of one call until they have ended or it is stopped.

    Attributes:
        lock: Guards what streams, files and the scheduler share.
        stopped: Whether all threads must end.
        crash: The unexpected exception that ended the run, or None.
        over: Set when no job is left, or after a crash.
        incomplete: Whether a job was unfinished when the run was stopped.
    """

    def __init__(
        self,
        client: Callable[[], "Client"],
        jobs: Sequence[Job],
        direct: Sequence[Job],
        *,
        streams: int,
        limit: RateLimit | None,
        backoff: Callable[[], Backoff],
        on_done: Callable[[Job, Fetched], None],
        on_error: Callable[[Job, ModelsyncError, int], None],
        on_small: Callable[[Sequence[tuple[Job, Fetched]]], None] | None,
    ) -> None:
        self.on_retry: Callable[[str, ModelsyncError], None] | None = None
        self.lock = threading.Lock()
        self.streams = streams
        self.backoff = backoff
        self.stopped = False
        self.crash: BaseException | None = None
        self.over = threading.Event()
        self.incomplete = False
        self._client = client
        self._limit = limit
        self._on_done = on_done
        self._on_error = on_error
        self._work = threading.Condition(self.lock)  # free streams wait for work
        self._surplus = threading.Condition(self.lock)  # streams above the limit wait to be needed
        self._files = RunFiles(self, jobs)
        self._small = SmallQueue(self, direct, on_small, on_error)
        self._redirecting: dict[str, bool] = {}
        self._threads: list[threading.Thread] = []
        self._spawned = 0  # streams that exist, busy or not
        self._busy = 0  # streams that have a claim
        self._received = 0  # bytes so far
        self._worked = 0.0  # seconds so far, over all streams
        small = sum(is_small(job) for job in (*jobs, *direct)) if limit is None else 0
        self._tuner = Tuner(streams, max(FIRST_STREAMS, small))

    def start(self) -> None:
        """Starts the streams, which open the files. The thread of a file that has ended opens the next small one."""
        if not self._left:
            self.over.set()
            return
        with self.lock:
            self._fill()

    def tune(self) -> None:
        """Adjusts the number of streams. To be called every few hundredths of a second."""
        throttled = self._limit is not None and self._limit.throttles
        with self.lock:
            stats = StreamStats(self._received, self._worked, self._busy, throttled)
            if self._tuner.update(time.monotonic(), stats):
                self._fill()
                self._surplus.notify_all()
                self.wake()

    def received(self, count: int, worked: float) -> None:
        """Counts bytes of a stream, and the seconds in which it did not wait for them. Needs the lock."""
        self._received += count
        self._worked += worked

    def crowded(self) -> None:
        """Notes that a server rejected a request because of load. Needs the lock."""
        self._tuner.crowded(time.monotonic())

    def stop(self) -> None:
        """Stops the run and waits for its threads."""
        with self.lock:
            self.stopped = True
            self._work.notify_all()
            self._surplus.notify_all()
            self._small.stop()
            self._files.notify()
        # only streams start the threads of files: once those have ended, the list does not grow
        for thread in self._threads:
            thread.join()
        self.incomplete = self.incomplete or self._files.waiting or bool(self._small)

    def source(self, segment: Segment) -> ByteSource:
        """The source of a segment's bytes."""
        if segment.url[:5].lower() == "file:":
            return LocalSource(segment.url)
        source = self._remote(segment.url)
        source.locate(likely=segment.redirects)
        return source

    def _remote(self, url: str) -> RemoteSource:
        return RemoteSource(
            self._client, url, lambda: self.stopped, self._limit, self._redirecting, unlabelled=True
        )

    def wake(self) -> None:
        """Wakes a free stream, if there may be work for it. Needs the lock."""
        if self._files.have_work or self._small.has_next:
            self._work.notify()

    def offer(self, file: FileState) -> None:
        """Lets streams claim ranges of a file. Needs the lock."""
        self._files.offer(file)
        self._work.notify()

    def withdraw(self, file: FileState) -> None:
        """Ends that: nothing of the file will be claimed any more, and there is room for another. Needs the lock."""
        self._files.withdraw(file)
        self.wake()

    def claim(self, file: FileState) -> tuple[OpenSegment, Claim] | None:
        """Claims a range of a small file for its own thread, if fewer streams work than may. Needs the lock.

        Not while a larger file is being opened, which comes first.
        """
        if self._busy >= self._tuner.limit or self._files.opening:
            return None
        claimed = file.claim(time.monotonic(), self._tuner.stream_rate, 1)
        self._busy += claimed is not None
        return claimed

    def released(self) -> None:
        """Ends a claim of a file's own thread. Needs the lock."""
        self._busy -= 1
        self.wake()

    def events(self) -> list[Event]:
        """Progress of the files that have changed since the last call; a file's first event says what it began with."""
        with self.lock:
            return self._files.events()

    # --- the streams ---------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Starts streams up to the limit. Streams above the limit wait after their current claim."""
        while self._spawned < self._tuner.limit:
            number = self._spawned
            self._spawned += 1
            self._spawn("stream", lambda number=number: self._stream(number))  # type: ignore[misc]

    def _stream(self, number: int) -> None:
        buffer = memoryview(bytearray(BUFFER))
        try:
            work = self._next(number)
            while work is not None:
                work(buffer)
                work = self._next(number, was_busy=True)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for the run
            self._fail(error)

    def _next(self, number: int, *, was_busy: bool = False) -> Callable[[memoryview], None] | None:
        """Waits for the next work of a free stream, which is done with a buffer; None when none is left."""
        with self.lock:
            self._busy -= was_busy
            while not self.stopped and self._left:
                if number >= self._tuner.limit:
                    self._work.notify()
                    self._surplus.wait()
                    continue
                now = time.monotonic()
                if self._busy >= self._tuner.limit:  # files' own threads work too
                    self._work.wait()
                    continue
                small_may = self._small.has_next and not self._files.opening
                if small_may and self._small.receiving < self._tuner.limit // 2:
                    return self._take_small()
                claimed = self._files.claim(now, self._tuner.stream_rate, self._tuner.limit)
                if claimed is not None:
                    self._busy += 1
                    self._work.notify()
                    return partial(_download, *claimed)
                if (file := self._files.open()) is not None:
                    self._spawn_for(file)
                    while (small := self._files.open_small()) is not None:
                        self._spawn_for(small)
                elif small_may:
                    return self._take_small()
                else:
                    self._work.wait(self._files.seconds_to_retry(now))
            return None

    @property
    def _left(self) -> bool:
        """Whether any file has not ended."""
        return bool(self._files or self._small)

    # --- the files -----------------------------------------------------------------------------------

    def _spawn_for(self, file: FileState) -> None:
        self._spawn("file", lambda: self._run_files(file))

    def _run_files(self, first: FileState) -> None:
        file: FileState | None = first
        while file is not None:
            try:
                self._run_file(file)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for the run
                self._fail(error)
            finally:
                file = self._finish(file)

    def _finish(self, file: FileState) -> FileState | None:
        """Removes a file that has ended; returns the next one for its thread, or None."""
        with self.lock:
            self.end(file)
            return self._files.open_small()

    def end(self, file: FileState) -> None:
        """Removes a file that has ended. Needs the lock."""
        self._files.end(file)
        self.wake()
        if not self._left:
            self.over.set()
            self._work.notify_all()
            self._surplus.notify_all()

    def _run_file(self, file: FileState) -> None:
        try:
            fetched = FileWorker(file).run()
            if fetched is None:
                self.incomplete = True
                return
            self._on_done(file.job, fetched)
            if file.partial.folder.exists() and not fetched.path.exists():
                file.partial.discard()
            file.phase = "done"
        except CancelledError:
            raise
        except ModelsyncError as error:
            file.phase = "failed" if file.job.trial is None else "waiting"  # for the next place
            self._on_error(file.job, error, file.fetched)

    # --- small files ---------------------------------------------------------------------------------

    def _take_small(self) -> Callable[[memoryview], None]:
        """Takes the next small file for a stream. Needs the lock."""
        file = self._files.add(self._small.take())
        self._busy += 1
        self._work.notify()
        return partial(self._receive, file)

    def _receive(self, file: FileState, _: memoryview) -> None:
        """Receives a small file into memory; what that does not settle, a thread of the file's own does."""
        source = self._remote(file.job.segments[0].url)
        came = receive(file.job, source, lambda: self.stopped, partial(self._count, file))
        with self.lock:
            if isinstance(came, Attempt):
                self._small.left()
                self._files.put_back(file, came)
                self.wake()
                return
            self._small.arrived(file, came)
            if not self._small.thread:
                self._small.thread = True
                self._spawn("small", self._hand_on)

    def _hand_on(self) -> None:
        try:
            self._small.hand_on()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for the run
            self._fail(error)

    def _count(self, file: FileState, count: int, worked: float) -> None:
        with self.lock:
            file.in_memory += count
            file.fetched += count
            self.received(count, worked)

    def _fail(self, error: BaseException) -> None:
        with self.lock:
            self.crash = self.crash or error
            self.stopped = True
            self.over.set()

    def _spawn(self, kind: str, target: Callable[[], None]) -> None:
        name = f"modelsync-{kind}-{len(self._threads) + 1}"
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)


def _download(file: FileState, segment: OpenSegment, claim: Claim, buffer: memoryview) -> None:
    RangeDownload(file, segment, claim, buffer).run()

"""Schedules one run: streams that claim ranges of any file, and a thread for each open file."""

import threading
import time
from collections import deque
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
from modelsync.transfer.small_files import Attempt, receive
from modelsync.transfer.small_queue import SmallQueue
from modelsync.transfer.stream import BUFFER, RangeDownload
from modelsync.transfer.track import SMALLEST, Claim

if TYPE_CHECKING:
    from modelsync.net.client import Client

FIRST_STREAMS = (
    2  # streams to begin with, or as many as there are small files, which mostly wait for the server
)
INCOMPLETE_PER_STREAM = (
    2  # open files per stream that are not whole yet: one is fetched while another is located
)
OPEN_PER_STREAM = 3  # open files per stream in all, those included that are being published


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
        # The largest first: the small ones fill the time in which its last ranges arrive.
        self._waiting = deque(sorted(jobs, key=_largest_first))
        self._small = SmallQueue(self, direct, on_small, on_error)
        self._attempts: dict[int, Attempt] = {}  # by the id of the job: what came of small ones
        self._redirecting: dict[str, bool] = {}
        self._files: list[FileState] = []
        self._opening: set[FileState] = set()  # large ones of which nothing can be claimed yet
        self._offered: dict[FileState, None] = {}  # those of which streams may claim ranges, in order
        self._ended: list[FileState] = []
        self._threads: list[threading.Thread] = []
        self._spawned = 0  # streams that exist, busy or not
        self._busy = 0  # streams that have a claim
        self._received = 0  # bytes so far
        self._worked = 0.0  # seconds so far, over all streams
        small = sum(_is_small(job) for job in (*jobs, *direct)) if limit is None else 0
        self._tuner = Tuner(streams, max(FIRST_STREAMS, small))

    def start(self) -> None:
        """Starts the streams, which open the files. The thread of a file that has ended opens the next small one."""
        if not (self._waiting or self._small):
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
            for file in self._files:
                file.notify()
        # only streams start the threads of files: once those have ended, the list does not grow
        for thread in self._threads:
            thread.join()
        self.incomplete = self.incomplete or bool(self._waiting or self._small)

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
        if self._offered or self._small.has_next or (self._waiting and self._room):
            self._work.notify()

    def offer(self, file: FileState) -> None:
        """Lets streams claim ranges of a file. Needs the lock."""
        self._offered[file] = None
        self._opening.discard(file)
        self._work.notify()

    def withdraw(self, file: FileState) -> None:
        """Ends that: nothing of the file will be claimed any more, and there is room for another. Needs the lock."""
        self._offered.pop(file, None)
        self._opening.discard(file)
        self.wake()

    def claim(self, file: FileState) -> tuple[OpenSegment, Claim] | None:
        """Claims a range of a small file for its own thread, if fewer streams work than may. Needs the lock.

        Not while a larger file is being opened, which comes first.
        """
        if self._busy >= self._tuner.limit or self._opening:
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
        events = []
        with self.lock:
            for file in (*self._ended, *(file for file in self._files if file.segments or file.in_memory)):
                event = file.event()
                if event != file.last_event:
                    if event.phase != "waiting" and (
                        file.last_event is None or file.last_event.phase == "waiting"
                    ):
                        before = max(0, event.done - file.fetched - file.reused)
                        events.append(event._replace(phase="fetching", done=before, reused=0))
                    file.last_event = event
                    events.append(event)
            self._ended.clear()
        return events

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
            while not self.stopped and (self._waiting or self._small or self._files):
                if number >= self._tuner.limit:
                    self._work.notify()
                    self._surplus.wait()
                    continue
                now = time.monotonic()
                if self._busy >= self._tuner.limit:  # files' own threads work too
                    self._work.wait()
                    continue
                large = sum(not (file.closed or _is_small(file.job)) for file in self._offered)
                share = max(1, self._tuner.limit // max(1, large))
                if (
                    self._small.has_next
                    and self._small.receiving < self._tuner.limit // 2
                    and not self._opening
                ):
                    return self._take_small()
                for file in self._offered:
                    claimed = file.claim(now, self._tuner.stream_rate, 1 if _is_small(file.job) else share)
                    if claimed is not None:
                        self._busy += 1
                        self._work.notify()
                        return partial(_download, file, *claimed)
                if self._waiting and self._room:
                    self._spawn_for(self._open(self._waiting.popleft()))
                    while (small := self._open_small()) is not None:
                        self._spawn_for(small)
                elif self._small.has_next and not self._opening:
                    return self._take_small()
                else:
                    self._work.wait(self._seconds_to_retry(now))
            return None

    def _seconds_to_retry(self, now: float) -> float | None:
        """Seconds until the next segment may be retried; None if none waits."""
        times = [segment.track.not_before for file in self._files for segment in file.segments]
        return min((then - now for then in times if then > now), default=None)

    # --- the files -----------------------------------------------------------------------------------

    def _open(self, job: Job) -> FileState:
        file = FileState(job, self, self._attempts.pop(id(job), None))
        self._files.append(file)
        if not _is_small(job):
            self._opening.add(file)
        return file

    def _open_small(self) -> FileState | None:
        """Opens the next file if it is small, before a stream is free for it, so that it can be located meanwhile."""
        if self.stopped or not (self._waiting and self._room and _is_small(self._waiting[0])):
            return None
        return self._open(self._waiting.popleft())

    def _spawn_for(self, file: FileState) -> None:
        self._spawn("file", lambda: self._run_files(file))

    @property
    def _room(self) -> bool:
        """Whether one more file may be open."""
        coming = sum(not file.closed for file in self._files)
        return (
            coming < INCOMPLETE_PER_STREAM * self.streams
            and len(self._files) < OPEN_PER_STREAM * self.streams
        )

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
            return self._open_small()

    def end(self, file: FileState) -> None:
        """Removes a file that has ended. Needs the lock."""
        self._files.remove(file)
        self._ended.append(file)
        self.wake()
        if not (self._files or self._waiting or self._small):
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
            file.phase = "failed"
            self._on_error(file.job, error, file.fetched)

    # --- small files ---------------------------------------------------------------------------------

    def _take_small(self) -> Callable[[memoryview], None]:
        """Takes the next small file for a stream. Needs the lock."""
        file = FileState(self._small.take(), self)
        self._files.append(file)
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
                self._files.remove(file)
                self._attempts[id(file.job)] = came
                self._waiting.append(file.job)
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


def _is_small(job: Job) -> bool:
    """Whether one stream fetches the whole file with one request."""
    return job.size is not None and job.size <= SMALLEST


def _largest_first(job: Job) -> tuple[bool, int]:
    """Sort key of the queue. A job of unknown size may be the largest."""
    return job.size is not None, -(job.size or 0)

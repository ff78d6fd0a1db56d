"""The threads of one run: streams that take ranges from whatever file has some, and a thread for each open file."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.net.retry import Backoff
from modelsync.transfer.concurrency import Count, Tuner
from modelsync.transfer.file_state import File, Lane
from modelsync.transfer.file_worker import Keeper
from modelsync.transfer.jobs import Fetched, Job, Segment
from modelsync.transfer.local import LocalSource
from modelsync.transfer.progress import Event
from modelsync.transfer.rate_limit import Limit
from modelsync.transfer.remote import RemoteSource
from modelsync.transfer.responses import Source
from modelsync.transfer.stream import BUFFER, Stream
from modelsync.transfer.track import SMALLEST, Take

if TYPE_CHECKING:
    from modelsync.net.client import Client

FIRST = 2  # streams to begin with, unless there are more small files: those are mostly waited for
COMING = 2  # files that come at one time, for each stream: as many are asked about as are fetched
OPEN = 3  # files that are open at one time, for each stream, with those that are whole and waited for on the disk


class Run:
    """All jobs of one call, until they have ended or the run is stopped.

    Attributes:
        lock: Guards what streams, files and the run share.
        stopped: Whether everything is to end.
        crash: What ended the run before its time, or None.
        over: Set when no job is left, or after a crash.
        cut_short: Whether a job was left undone when the run was stopped.
    """

    def __init__(
        self,
        client: Callable[[], "Client"],
        jobs: Sequence[Job],
        *,
        streams: int,
        limit: Limit | None,
        backoff: Callable[[], Backoff],
        on_done: Callable[[Job, Fetched], None],
        on_error: Callable[[Job, ModelsyncError], None],
    ) -> None:
        self.lock = threading.Lock()
        self.streams = streams
        self.backoff = backoff
        self.stopped = False
        self.crash: BaseException | None = None
        self.over = threading.Event()
        self.cut_short = False
        self._client = client
        self._limit = limit
        self._on_done = on_done
        self._on_error = on_error
        self._work = threading.Condition(self.lock)  # free streams wait for it
        self._spare = threading.Condition(self.lock)  # and those that are too many
        # The largest first: the small ones fill the time in which its last parts are still coming.
        self._waiting = deque(sorted(jobs, key=_largest_first))
        self._leading: dict[str, bool] = {}
        self._files: list[File] = []
        self._ended: list[File] = []
        self._threads: list[threading.Thread] = []
        self._spawned = 0  # streams that there are, at work or not
        self._busy = 0  # those that have something in hand
        self._received = 0  # bytes so far
        self._worked = 0.0  # seconds so far, over all streams
        small = sum(_is_small(job) for job in jobs) if limit is None else 0
        self._tuner = Tuner(streams, max(FIRST, small))

    def start(self) -> None:
        """Starts the streams; they open the files, and whoever has ended with a small one opens the next."""
        if not self._waiting:
            self.over.set()
            return
        with self.lock:
            self._fill()

    def tune(self) -> None:
        """Looks whether more or fewer streams would do better; to be called every few hundredths of a second."""
        if self._limit is not None and self._limit.binds:  # however many there are, no more may come
            return
        with self.lock:
            if self._tuner.look(time.monotonic(), Count(self._received, self._worked, self._busy)):
                self._fill()
                self._spare.notify_all()
                self.wake()

    def received(self, count: int, worked: float) -> None:
        """A stream has brought bytes, and worked so many seconds for them; called with the lock held."""
        self._received += count
        self._worked += worked

    def crowded(self) -> None:
        """A server turned a request away because there are too many; called with the lock held."""
        self._tuner.crowded(time.monotonic())

    def stop(self) -> None:
        """Ends everything soon, and returns when no thread is left."""
        with self.lock:
            self.stopped = True
            self._work.notify_all()
            self._spare.notify_all()
            for file in self._files:
                file.nudge()
        # threads of files are started by streams: once those are gone, none is added to the list
        for thread in self._threads:
            thread.join()
        self.cut_short = self.cut_short or bool(self._waiting)

    def source(self, segment: Segment) -> Source:
        """Where a segment's bytes come from."""
        if segment.url[:5].lower() == "file:":
            return LocalSource(segment.url)
        source = RemoteSource(self._client, segment.url, lambda: self.stopped, self._limit, self._leading)
        source.locate(likely=segment.leads)
        return source

    def wake(self) -> None:
        """There may be something to do for a free stream; called with the lock held."""
        self._work.notify()

    def news(self) -> list[Event]:
        """How far each file is that has moved since the last call; of one that began, what was here before it."""
        events = []
        with self.lock:
            for file in (*self._ended, *(file for file in self._files if file.lanes)):
                event = file.event()
                if event != file.told:
                    if event.phase != "waiting" and (file.told is None or file.told.phase == "waiting"):
                        before = max(0, event.done - file.fetched - file.reused)
                        events.append(event._replace(phase="fetching", done=before, reused=0))
                    file.told = event
                    events.append(event)
            self._ended.clear()
        return events

    # --- the streams ---------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Makes as many streams as may be at work now. Those that are too many wait, once they have let go."""
        while self._spawned < self._tuner.limit:
            number = self._spawned
            self._spawned += 1
            self._spawn("stream", lambda number=number: self._stream(number))  # type: ignore[misc]

    def _stream(self, number: int) -> None:
        buffer = memoryview(bytearray(BUFFER))
        try:
            while (work := self._next(number)) is not None:
                file, lane, take = work
                Stream(file, lane, take, buffer).work()
                with self.lock:
                    self._busy -= 1
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for the run
            self._fail(error)

    def _next(self, number: int) -> tuple[File, Lane, Take] | None:
        """What a free stream does next; None when there is nothing any more."""
        with self.lock:
            while not self.stopped and (self._waiting or self._files):
                if number >= self._tuner.limit:
                    self._work.notify()
                    self._spare.wait()
                    continue
                now = time.monotonic()
                large = sum(not (file.closed or _is_small(file.job)) for file in self._files)
                share = max(1, self._tuner.limit // max(1, large))
                for file in self._files:
                    taken = file.take(now, self._tuner.pace, 1 if _is_small(file.job) else share)
                    if taken is not None:
                        self._busy += 1
                        self._work.notify()
                        return file, *taken
                if self._waiting and self._room:
                    self._spawn_for(self._open(self._waiting.popleft()))
                    while (small := self._open_small()) is not None:
                        self._spawn_for(small)
                else:
                    self._work.wait(self._until_a_retry(now))
            return None

    def _until_a_retry(self, now: float) -> float | None:
        """Seconds until a segment that waits before it tries again may be taken; None if none does."""
        times = [lane.track.not_before for file in self._files for lane in file.lanes]
        return min((then - now for then in times if then > now), default=None)

    # --- the files -----------------------------------------------------------------------------------

    def _open(self, job: Job) -> File:
        file = File(job, self)
        self._files.append(file)
        return file

    def _open_small(self) -> File | None:
        """Opens the next file if it is a small one, before a stream is free for it: until then it costs but waiting."""
        if self.stopped or not (self._waiting and self._room and _is_small(self._waiting[0])):
            return None
        return self._open(self._waiting.popleft())

    def _spawn_for(self, file: File) -> None:
        self._spawn("file", lambda: self._keep(file))

    @property
    def _room(self) -> bool:
        """Whether one more file may be open."""
        coming = sum(not file.closed for file in self._files)
        return coming < COMING * self.streams and len(self._files) < OPEN * self.streams

    def _keep(self, first: File) -> None:
        file: File | None = first
        while file is not None:
            try:
                self._see_through(file)
            except BaseException as error:  # noqa: BLE001 - raised again by who waits for the run
                self._fail(error)
            finally:
                file = self._ended_with(file)

    def _ended_with(self, file: File) -> File | None:
        """Closes the books of a file; gives the next one for its thread, or None."""
        with self.lock:
            self._files.remove(file)
            self._ended.append(file)
            self.wake()
            if not (self._files or self._waiting):
                self.over.set()
                self._work.notify_all()
                self._spare.notify_all()
            return self._open_small()

    def _see_through(self, file: File) -> None:
        try:
            fetched = Keeper(file).keep()
            if fetched is None:
                self.cut_short = True
                return
            self._on_done(file.job, fetched)
            if file.partial.folder.exists() and not fetched.path.exists():
                file.partial.discard()
            file.phase = "done"
        except CancelledError:
            raise
        except ModelsyncError as error:
            file.phase = "failed"
            self._on_error(file.job, error)

    def _fail(self, error: BaseException) -> None:
        with self.lock:
            self.crash = self.crash or error
            self.stopped = True  # nothing is begun any more
            self.over.set()

    def _spawn(self, kind: str, target: Callable[[], None]) -> None:
        name = f"modelsync-{kind}-{len(self._threads) + 1}"
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)


def _is_small(job: Job) -> bool:
    """Whether one stream brings it all in one go."""
    return job.size is not None and job.size <= SMALLEST


def _largest_first(job: Job) -> tuple[bool, int]:
    """Where a job stands in the queue; one whose size nobody knows may be the largest."""
    return job.size is not None, -(job.size or 0)

"""The files of one run: those that wait, those that are open, and those that have ended.

Every method needs the scheduler's lock.
"""

from collections import deque
from collections.abc import Sequence

from modelsync.transfer.file_state import FileState, OpenSegment, SchedulerLike
from modelsync.transfer.jobs import Job
from modelsync.transfer.progress import Event
from modelsync.transfer.small_files import Attempt
from modelsync.transfer.track import SMALLEST, Claim

INCOMPLETE_PER_STREAM = (
    2  # open files per stream that are not whole yet: one is fetched while another is located
)
OPEN_PER_STREAM = 3  # open files per stream in all, those included that are being published


class RunFiles:
    """The files of a run, but for the small ones that wait to be received into memory.

    Args:
        scheduler: The scheduler.
        jobs: What is to be fetched.

    Attributes:
        opening: Large ones of which nothing can be claimed yet.
    """

    def __init__(self, scheduler: SchedulerLike, jobs: Sequence[Job]) -> None:
        self._scheduler = scheduler
        # The largest first: the small ones fill the time in which its last ranges arrive.
        self._waiting = deque(sorted(jobs, key=_largest_first))
        self._attempts: dict[int, Attempt] = {}  # by the id of the job: what came of small ones
        self._open: list[FileState] = []
        self._offered: dict[FileState, None] = {}  # those of which streams may claim ranges, in order
        self._ended: list[FileState] = []  # since the last events
        self.opening: set[FileState] = set()

    def __bool__(self) -> bool:
        """Whether any waits or is open."""
        return bool(self._waiting or self._open)

    @property
    def waiting(self) -> bool:
        """Whether any has not been opened."""
        return bool(self._waiting)

    @property
    def have_work(self) -> bool:
        """Whether a free stream may find something to claim or to open."""
        return bool(self._offered) or (self.waiting and self._room)

    @property
    def _room(self) -> bool:
        """Whether one more file may be open."""
        coming, streams = sum(not file.closed for file in self._open), self._scheduler.streams
        return coming < INCOMPLETE_PER_STREAM * streams and len(self._open) < OPEN_PER_STREAM * streams

    def open(self) -> FileState | None:
        """Opens the next file, if there is one and room for it."""
        if not (self._waiting and self._room):
            return None
        job = self._waiting.popleft()
        file = self.add(job, self._attempts.pop(id(job), None))
        if not is_small(job):
            self.opening.add(file)
        return file

    def open_small(self) -> FileState | None:
        """Opens the next file if it is small, before a stream is free for it, so that it can be located meanwhile."""
        if self._scheduler.stopped or not (self._waiting and is_small(self._waiting[0])):
            return None
        return self.open()

    def add(self, job: Job, attempt: Attempt | None = None) -> FileState:
        """Opens a file that did not wait here."""
        file = FileState(job, self._scheduler, attempt)
        self._open.append(file)
        return file

    def put_back(self, file: FileState, attempt: Attempt) -> None:
        """Lets an open file wait again, with what came of the attempt to receive it."""
        self._open.remove(file)
        self._attempts[id(file.job)] = attempt
        self._waiting.append(file.job)

    def offer(self, file: FileState) -> None:
        """Lets streams claim ranges of a file."""
        self._offered[file] = None
        self.opening.discard(file)

    def withdraw(self, file: FileState) -> None:
        """Ends that: nothing of the file will be claimed any more."""
        self._offered.pop(file, None)
        self.opening.discard(file)

    def claim(
        self, now: float, stream_rate: float, limit: int
    ) -> tuple[FileState, OpenSegment, Claim] | None:
        """Claims a range of the first file that has one for a stream.

        Args:
            now: The time.
            stream_rate: Bytes a second of one stream; 0: unknown.
            limit: How many streams may work now: large files share them.
        """
        large = sum(not (file.closed or is_small(file.job)) for file in self._offered)
        share = max(1, limit // max(1, large))
        for file in self._offered:
            claimed = file.claim(now, stream_rate, 1 if is_small(file.job) else share)
            if claimed is not None:
                return file, *claimed
        return None

    def seconds_to_retry(self, now: float) -> float | None:
        """Seconds until the next segment may be retried; None if none waits."""
        times = [segment.track.not_before for file in self._open for segment in file.segments]
        return min((then - now for then in times if then > now), default=None)

    def end(self, file: FileState) -> None:
        """Removes a file that has ended."""
        self._open.remove(file)
        self._ended.append(file)

    def notify(self) -> None:
        """Wakes the threads of all files."""
        for file in self._open:
            file.notify()

    def events(self) -> list[Event]:
        """Progress of the files that have changed since the last call; a file's first event says what it began with."""
        events = []
        for file in (*self._ended, *(file for file in self._open if file.segments or file.in_memory)):
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


def is_small(job: Job) -> bool:
    """Whether one stream fetches the whole file with one request."""
    return job.size is not None and job.size <= SMALLEST


def _largest_first(job: Job) -> tuple[bool, int]:
    """Sort key of the queue. A job of unknown size may be the largest."""
    return job.size is not None, -(job.size or 0)

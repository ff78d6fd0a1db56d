"""The small files of one run: those that wait, those in memory, and the thread that hands them on."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.transfer.file_state import FileState
from modelsync.transfer.jobs import Fetched, Job
from modelsync.transfer.small_files import SMALL

MOST = (6 << 20) // SMALL  # files that are in memory, or on their way there: a kill loses them


class SmallQueueOwner(Protocol):
    """What the queue uses of the scheduler."""

    lock: threading.Lock
    stopped: bool

    def end(self, file: FileState) -> None:
        """Removes a file that has ended. Needs the lock."""


class SmallQueue:
    """Small files that are received into memory. Every method but `hand_on` needs the scheduler's lock.

    Args:
        scheduler: The scheduler.
        jobs: The files.
        on_small: As of `Downloader.run`.
        on_error: Likewise.

    Attributes:
        receiving: How many streams receive one.
        thread: Whether the thread that calls `hand_on` was started.
    """

    def __init__(
        self,
        scheduler: SmallQueueOwner,
        jobs: Sequence[Job],
        on_small: Callable[[Sequence[tuple[Job, Fetched]]], None] | None,
        on_error: Callable[[Job, ModelsyncError, int], None],
    ) -> None:
        self._scheduler = scheduler
        self._waiting = deque(sorted(jobs, key=lambda job: -(job.size or 0)))
        self._on_small = on_small
        self._on_error = on_error
        self._arrived: list[tuple[FileState, Fetched]] = []
        self._arrival = threading.Condition(scheduler.lock)
        self._publishing = 0
        self.receiving = 0
        self.thread = False

    def __bool__(self) -> bool:
        """Whether any waits to be received, or to be handed on."""
        return bool(self._waiting or self._arrived)

    @property
    def has_next(self) -> bool:
        """Whether `take` gives one."""
        return bool(self._waiting) and self.receiving + len(self._arrived) + self._publishing < MOST

    def take(self) -> Job:
        """The next one to receive."""
        self.receiving += 1
        return self._waiting.popleft()

    def left(self) -> None:
        """Notes that one was not received: it goes another way."""
        self.receiving -= 1

    def arrived(self, file: FileState, fetched: Fetched) -> None:
        """Notes that one was received."""
        self.receiving -= 1
        file.closed = True
        self._arrived.append((file, fetched))
        self._arrival.notify()

    def stop(self) -> None:
        """Ends the thread, once it has handed on what is in memory."""
        self._arrival.notify_all()

    def hand_on(self) -> None:
        """Hands on files until the run is stopped: together all that arrive while others are published."""
        assert self._on_small is not None
        while True:
            with self._scheduler.lock:
                self._arrival.wait_for(lambda: self._arrived or self._scheduler.stopped)
                batch, self._arrived = self._arrived, []
                self._publishing = len(batch)
            if not batch:
                return
            try:
                self._on_small([(file.job, fetched) for file, fetched in batch])
                error = None
            except CancelledError:
                raise
            except ModelsyncError as caught:
                error = caught
            for file, _ in batch:
                file.phase = "done" if error is None else "failed"
                if error is not None:
                    self._on_error(file.job, error, file.fetched)
            with self._scheduler.lock:
                self._publishing = 0
                for file, _ in batch:
                    self._scheduler.end(file)

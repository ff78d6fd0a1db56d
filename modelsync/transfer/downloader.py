"""Downloads many files, and ranges of large files, over a bounded number of streams."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.net.retry import Backoff
from modelsync.spec.names import printable
from modelsync.system.disks import require_space
from modelsync.transfer.datafile import allocated
from modelsync.transfer.jobs import Fetched, Job, segment_sizes
from modelsync.transfer.partial import data_path
from modelsync.transfer.progress import Event, Listener
from modelsync.transfer.rate_limit import RateLimit
from modelsync.transfer.scheduler import Scheduler
from modelsync.transfer.small_files import is_direct

if TYPE_CHECKING:
    from modelsync.net.client import Client

STREAMS = 16  # the maximum by default
TICK = 0.02  # seconds between two adjustments of the number of streams
REPORT_EVERY = 5  # ticks between two reports to the listener


class Downloader:
    """Fetches files into their partials and verifies them.

    Args:
        client: Returns the client; called for each network request, never for local files.
        streams: The most connections read at one time, over all files. Fewer are used if more bring nothing.
        limit: Limits the bytes read from the network; None: no limit.
        listener: Called about ten times a second with the progress of each file, in the thread that called `run`.
            What it raises ends the run and is raised by it.
        cancel: Once set, `run` ends soon. It should be the client's own event, so that waits for a server end too;
            `run` sets it when it is interrupted.
        backoff: Makes the retry counter of one segment.
        on_retry: Called with a file's label and the error after which bytes of it are asked for again.
    """

    def __init__(
        self,
        client: Callable[[], "Client"],
        *,
        streams: int = STREAMS,
        limit: RateLimit | None = None,
        listener: Listener | None = None,
        cancel: threading.Event | None = None,
        backoff: Callable[[], Backoff] = Backoff,
        on_retry: Callable[[str, ModelsyncError], None] | None = None,
    ) -> None:
        self._on_retry = on_retry
        self._client = client
        self._streams = streams
        self._limit = limit
        self._listener = listener
        self._cancel = cancel or threading.Event()
        self._backoff = backoff

    def run(
        self,
        jobs: Sequence[Job],
        on_done: Callable[[Job, Fetched], None],
        on_error: Callable[[Job, ModelsyncError, int], None],
        on_small: Callable[[Sequence[tuple[Job, Fetched]]], None] | None = None,
    ) -> None:
        """Fetches all of `jobs`. When one fails, the others go on.

        Args:
            jobs: Each with a folder of its own.
            on_done: Called for each file that is whole and verified, in any thread, several calls at a time. It may
                move the file, and is responsible for syncing it. A `ModelsyncError` that it raises fails the job.
            on_error: Called in the same way for each failed job, with the bytes that were fetched for it. Its partial
                is kept, unless it can never become the file.
            on_small: Called in one thread with small files that are whole and verified, and in memory alone
                (`Fetched.data`), as many as have arrived meanwhile. A `ModelsyncError` that it raises fails them all.
                None: they come as all others do.

        Raises:
            DiskFullError: there is not enough room for all files; no request was made.
            CancelledError: `cancel` was set. What has arrived is kept.
            ValueError: a job contradicts itself.
        """
        direct: list[Job] = []
        others: list[Job] = []
        needs: list[tuple[Path, int]] = []
        for job in jobs:
            size, here = sum(size or 0 for size in segment_sizes(job)), allocated(data_path(job.folder))
            needs.append((job.folder.parent, max(0, size - here)))
            alone = on_small is not None and is_direct(job) and not job.folder.exists()
            (direct if alone else others).append(job)
        require_space(needs)
        scheduler = Scheduler(
            self._client,
            others,
            direct,
            streams=self._streams,
            limit=self._limit,
            backoff=self._backoff,
            on_done=on_done,
            on_error=on_error,
            on_small=on_small,
        )
        scheduler.on_retry = self._on_retry
        try:
            if self._listener is not None:
                for job in jobs:
                    self._listener(Event("waiting", printable(job.label), 0, job.size))
            scheduler.start()
            ticks = 0
            while not (scheduler.over.wait(TICK) or self._cancel.is_set()):
                scheduler.tune()
                ticks += 1
                if ticks % REPORT_EVERY == 0:
                    self._report(scheduler)
        except BaseException:
            self._cancel.set()  # ends waits for a server
            raise
        finally:
            if scheduler.crash is not None:
                self._cancel.set()
            scheduler.stop()
        if scheduler.crash is not None and not isinstance(scheduler.crash, CancelledError):
            raise scheduler.crash
        self._report(scheduler)
        if scheduler.crash is not None or scheduler.incomplete:
            raise CancelledError("interrupted", hint="what had arrived is kept: run it again and it goes on")

    def _report(self, scheduler: Scheduler) -> None:
        if self._listener is not None:
            for event in scheduler.events():
                self._listener(event)

"""The downloader: many files, and ranges of the large ones, over one bounded set of streams."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, ModelsyncError
from modelsync.net.retry import Backoff
from modelsync.spec.names import printable
from modelsync.system.disks import require_space
from modelsync.transfer.datafile import allocated
from modelsync.transfer.jobs import Fetched, Job, segment_sizes
from modelsync.transfer.partial import data_path
from modelsync.transfer.progress import Event, Listener
from modelsync.transfer.rate_limit import Limit
from modelsync.transfer.scheduler import Run

if TYPE_CHECKING:
    from modelsync.net.client import Client

STREAMS = 16  # at most
TICK = 0.02  # seconds between two looks at how fast the bytes come
TELL_EVERY = 5  # looks; then the listener is told how far everything is


class Downloader:
    """Fetches files into their partials and verifies them.

    Args:
        client: Gives the client; called whenever bytes are wanted from the network, never for local files.
        streams: The most connections that are read at one time, over all files. How many there are depends on
            what they bring.
        limit: Holds back the reading from the network; None: nothing does.
        listener: Told how far each file is, about ten times a second, by the thread that called `run`. What it
            raises ends the run and comes out of it.
        cancel: Once set, `run` ends soon. It should be the client's own event, so that waits on a server end too;
            `run` sets it itself when it is interrupted.
        backoff: Makes the counter of tries of one segment.
    """

    def __init__(
        self,
        client: Callable[[], "Client"],
        *,
        streams: int = STREAMS,
        limit: Limit | None = None,
        listener: Listener | None = None,
        cancel: threading.Event | None = None,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
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
        on_error: Callable[[Job, ModelsyncError], None],
    ) -> None:
        """Fetches all of `jobs`; others go on when one fails.

        Args:
            jobs: Each with a folder of its own.
            on_done: Called for each file that is whole and right, in some thread, several calls side by side. The
                file is its to move away, and its to bring to the disk. A `ModelsyncError` that it raises is the
                job's failure.
            on_error: Called in the same way for each that failed. Its partial is kept, unless it can never
                become the file.

        Raises:
            DiskFullError: there is not enough room for all of them; nothing was asked for.
            CancelledError: `cancel` was set. What had arrived is kept.
            ValueError: a job contradicts itself.
        """
        require_space(
            (
                job.folder,
                max(0, sum(size or 0 for size in segment_sizes(job)) - allocated(data_path(job.folder))),
            )
            for job in jobs
        )
        run = Run(
            self._client,
            jobs,
            streams=self._streams,
            limit=self._limit,
            backoff=self._backoff,
            on_done=on_done,
            on_error=on_error,
        )
        try:
            if self._listener is not None:
                for job in jobs:
                    self._listener(Event("waiting", printable(job.label), 0, job.size))
            run.start()
            looks = 0
            while not (run.over.wait(TICK) or self._cancel.is_set()):
                run.tune()
                looks += 1
                if looks % TELL_EVERY == 0:
                    self._tell(run)
        except BaseException:
            self._cancel.set()  # what waits for a server waits no longer
            raise
        finally:
            if run.crash is not None:
                self._cancel.set()
            run.stop()
        if run.crash is not None and not isinstance(run.crash, CancelledError):
            raise run.crash
        self._tell(run)
        if run.crash is not None or run.cut_short:
            raise CancelledError("interrupted", hint="what had arrived is kept: run it again and it goes on")

    def _tell(self, run: Run) -> None:
        if self._listener is not None:
            for event in run.news():
                self._listener(event)

"""What the tests of whole downloads share."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from modelsync.errors import ModelsyncError, NotAModelError
from modelsync.net.client import Client
from modelsync.net.retry import Backoff
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.jobs import Fetched, Guess, Job, Segment
from modelsync.transfer.progress import Event, Listener
from modelsync.transfer.rate_limit import RateLimit
from tests.hub import Hub, Request, Status
from tests.hub.wire import Where
from tests.support.content import sha256


def is_gguf(head: bytes) -> None:
    if head[:4] != b"GGUF":
        raise NotAModelError(f"it begins with {head!r}")


class Hasty(Backoff):
    """Counts like the real one, and hardly waits."""

    def failed(self, retry_after: float | None = None) -> float | None:
        wait = super().failed(retry_after)
        return wait if wait is None else 0.01


@dataclass
class Outcome:
    """How a run ended: what was fetched (with its bytes), what failed, what was told."""

    done: dict[str, tuple[Fetched, bytes]] = field(default_factory=dict)
    errors: dict[str, ModelsyncError] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def on_done(self, job: Job, fetched: Fetched) -> None:
        self.done[job.label] = fetched, fetched.path.read_bytes()

    def on_small(self, batch: Sequence[tuple[Job, Fetched]]) -> None:
        for job, fetched in batch:
            assert fetched.data is not None
            assert not fetched.path.exists()
            self.done[job.label] = fetched, fetched.data

    def on_error(self, job: Job, error: ModelsyncError, fetched: int) -> None:
        self.errors[job.label] = error

    @property
    def only(self) -> Fetched:
        """The one file that there was, fetched without an error."""
        assert not self.errors
        [(fetched, data)] = self.done.values()
        assert fetched.size == len(data)
        assert fetched.sha256 == sha256(data)
        return fetched

    @property
    def error(self) -> ModelsyncError:
        """The error of the one file that there was."""
        assert not self.done
        [error] = self.errors.values()
        return error


class Lab:
    """Runs downloads in a folder, each with a client of its own.

    Attributes:
        folder: Where the partials are, by label.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def job(
        self,
        url: str | Sequence[Segment],
        data: bytes | None = None,
        *,
        label: str = "model.gguf",
        size: int | None = None,
        digest: str | None = None,
        check: Callable[[bytes], None] | None = None,
        guesses: Sequence[Guess] = (),
        head: bytes = b"",
    ) -> Job:
        """A job; `data` is what is promised, its size and its digest, if anything is."""
        segments = (Segment(url),) if isinstance(url, str) else tuple(url)
        if data is not None:
            size, digest = len(data), sha256(data)
        return Job(label, self.folder / label, size, digest, segments, check, tuple(guesses), head)

    def run(
        self,
        *jobs: Job,
        streams: int = 4,
        limit: RateLimit | None = None,
        timeout: float = 5.0,
        listener: Listener | None = None,
        cancel: threading.Event | None = None,
        tries: int = 4,
        in_memory: bool = False,
    ) -> Outcome:
        """Runs them to the end; small ones come into memory where that is asked for."""
        outcome = Outcome()
        with client(timeout, cancel) as asker:
            downloader = Downloader(
                lambda: asker,
                streams=streams,
                limit=limit,
                listener=listener or outcome.events.append,
                cancel=cancel,
                backoff=lambda: Hasty(tries),
            )
            try:
                on_small = outcome.on_small if in_memory else None
                downloader.run(jobs, outcome.on_done, outcome.on_error, on_small)
            finally:
                assert running_threads() == []
        return outcome


@contextmanager
def client(timeout: float, cancel: threading.Event | None) -> Iterator[Client]:
    with Client(timeout=timeout, cancel=cancel) as made:
        yield made


@contextmanager
def held(hub: Hub, which: Callable[[Request], bool], *, where: Where = "plain") -> Iterator[threading.Event]:
    """Holds back the answers to some requests until the block ends, or until the event is set."""
    release = threading.Event()

    def hold(request: Request) -> bool:
        if which(request):
            release.wait(60)
        return False

    hub.misbehave(Status(500), where=where, times=None, when=hold)
    try:
        yield release
    finally:
        release.set()


def ends(data: bytes) -> Callable[[Request], bool]:
    """Whether a request is for the last range of a file."""
    return lambda request: request.headers.get("range", "").endswith(f"-{len(data) - 1}")


def running_threads() -> list[str]:
    """The names of the threads of runs that have not ended."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("modelsync-")]

"""Fetches blobs into the store: one process fetches a digest, the others wait; nothing unverified is published."""

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import OFFLINE_HINT, Context
from modelsync.errors import (
    CancelledError,
    ModelsyncError,
    NotSyncedError,
    OfflineError,
)
from modelsync.fetch import disk_space
from modelsync.fetch.arrivals import Arrival, Arrivals
from modelsync.fetch.batch import first_of
from modelsync.fetch.order import places
from modelsync.fetch.places import Place
from modelsync.fetch.wanted import WantedFile, blob_of
from modelsync.spec import oci_url
from modelsync.spec.names import printable
from modelsync.store.brought import Brought, taken_notes
from modelsync.store.small_blobs import SmallBlobs

if TYPE_CHECKING:
    from modelsync.store.digest_lock import Held
    from modelsync.transfer.jobs import Fetched, Job
    from modelsync.transfer.progress import Phase


class FetchTotals(NamedTuple):
    """Bytes that came over the network, bytes that this machine had, notes for a person, and what came from where."""

    fetched: int = 0
    reused: int = 0
    notes: tuple[str, ...] = ()
    brought: tuple[Brought, ...] = ()


def fetch(
    context: Context,
    files: Sequence[WantedFile],
    *,
    on_read: "Callable[[WantedFile, Fetched], None] | None" = None,
    copies: Iterable[tuple[Path, int]] = (),
    on_error: Callable[[WantedFile, ModelsyncError], None] | None = None,
    tried: Sequence[Place] | None = None,
) -> FetchTotals:
    """Fetches the files into the store.

    When one fails the others go on; then the first error is raised, and what arrived stays.

    Args:
        context: What to work with.
        files: What is wanted; the same digest is fetched once.
        on_read: Called for each file that was read, before it is published.
        copies: What else must find room before the first byte is requested; see `disk_space.require`.
        on_error: Called for each file that could not be had, in place of raising; an interruption is raised.
        tried: The places that are tried, in this order; None: all.

    Raises:
        DiskFullError: not all of it fits; nothing was requested.
        ModelsyncError: the first that went wrong, as its source explains it.
    """
    waiting = list({wanted.key: wanted for wanted in files}.values())
    tried = places(context) if tried is None else tried
    if context.offline:
        for wanted in tuple(waiting):
            if not any(place.works_offline(wanted) for place in tried):
                missing = OfflineError(
                    f"{wanted.label} is not here, and the network is ruled out", hint=OFFLINE_HINT
                )
                if on_error is None:
                    raise missing
                on_error(wanted, missing)
                waiting.remove(wanted)
    linked = {each.key for each in waiting if not all(place.needs_room(each) for place in tried)}
    disk_space.require(context.store, (each for each in waiting if each.key not in linked), copies)
    with SmallBlobs(context.store) as small:
        fetcher = _BlobFetcher(context, tried, small, on_read)
        patient = False
        while waiting:
            batch, waiting = first_of(waiting)
            # A process that waits for a lock holds no other: two processes never wait for each other.
            missed = fetcher.fetch(batch, patient=patient)
            waiting = missed + waiting
            patient = bool(missed) and len(missed) == len(batch)
    interrupted = next((error for _, error in fetcher.errors if isinstance(error, CancelledError)), None)
    if interrupted is not None and on_error is not None:
        raise interrupted
    if fetcher.errors and on_error is None:
        first = fetcher.errors[0][1]
        if len(fetcher.errors) > 1:
            others = "; ".join(error.message for _, error in fetcher.errors[1:4])
            first.args = (f"{first.message} (and {len(fetcher.errors) - 1} more: {others})",)
            first.message = str(first.args[0])
        raise first
    for wanted, error in fetcher.errors:
        assert on_error is not None
        on_error(wanted, error)
    brought = tuple(sorted(fetcher.brought, key=lambda one: (one.label, one.path)))
    notes = (*fetcher.notes, *taken_notes(brought))
    return FetchTotals(fetcher.fetched, fetcher.reused, notes, brought)


class _BlobFetcher:
    """Shared state of one call of `fetch`."""

    def __init__(
        self,
        context: Context,
        tried: Sequence[Place],
        small: SmallBlobs,
        on_read: "Callable[[WantedFile, Fetched], None] | None",
    ) -> None:
        self.context = context
        self.places = tried
        self.arrivals = Arrivals(context, small, on_read)
        self.errors: list[tuple[WantedFile, ModelsyncError]] = []
        self.lost: list[WantedFile] = []  # another process took them over while this one was suspended
        self.lock = threading.Lock()  # files arrive in several threads
        self.fetched = 0
        self.early: dict[str, int] = {}  # bytes of `fetched` of files that go on in the next place
        self.reused = 0
        self.notes: list[str] = []
        self.brought: list[Brought] = []

    def fetch(self, files: Sequence[WantedFile], *, patient: bool) -> list[WantedFile]:
        """Fetches those files that no other process is fetching; returns the others.

        When patient, waits for the process that has the first of them.
        """
        from modelsync.store import digest_lock

        missed: list[WantedFile] = []
        held: dict[str, tuple[WantedFile, Held, ExitStack]] = {}
        try:
            for wanted in files:
                stack = ExitStack()
                hold = stack.enter_context(
                    digest_lock.hold(
                        self.context.store,
                        wanted.key,
                        blocking=patient and not held and not missed,
                        cancel=self.context.cancel,
                        on_wait=partial(self._wait, wanted, len(files)),
                    )
                )
                if hold is None:
                    missed.append(wanted)
                elif blob_of(self.context, wanted.file) is not None:
                    stack.close()  # another process published it
                    self.reused += wanted.file.size or 0
                    self._tell(wanted, "done", wanted.file.size or 0)
                else:
                    held[wanted.key] = (wanted, hold, stack)
            self._try_places(held)
        finally:
            for _, _, stack in held.values():
                stack.close()
        lost, self.lost = self.lost, []
        return missed + lost

    def _wait(self, wanted: WantedFile, others: int) -> None:
        """Tells that another process is fetching what is wanted."""
        self._tell(wanted, "waiting")
        more = f" and {others - 1} more" if others > 1 else ""
        self.context.warn(f"another process is fetching {wanted.label}{more}: waiting for it")

    def _try_places(self, held: "dict[str, tuple[WantedFile, Held, ExitStack]]") -> None:
        """Takes each file from the first place that gives it; the error of the last that was tried counts."""
        last: dict[str, ModelsyncError] = {}
        for place in self.places:
            jobs = {
                key: job._replace(confirm=hold.confirm)
                for key, (wanted, hold, _) in held.items()
                if (job := place.job(wanted, hold.folder)) is not None
            }
            own = [job.folder for key, job in jobs.items() if job.folder != held[key][1].folder]
            last |= self._run(place, held, jobs)
            for folder in own:
                shutil.rmtree(folder, ignore_errors=True)
        for key, (wanted, hold, _) in held.items():
            self._failed(wanted, hold, last.get(key) or self._nowhere(wanted))

    def _nowhere(self, wanted: WantedFile) -> NotSyncedError:
        """The error where no place has anything of a file."""
        if not self.context.mirror_only:
            return NotSyncedError(f"{wanted.label} is nowhere on this machine")
        if self.context.mirrors and not any(mirror.trusted for mirror in self.context.mirrors):
            return NotSyncedError(
                f"{wanted.label} is not on this machine, and the manifest alone names mirrors: without the origin, "
                "nothing confirms what they have",
                hint="name one with --mirror, MODELSYNC_MIRRORS, or `mirrors` or `trusted-mirrors` in your own "
                "config.toml",
            )
        if self.context.mirrors:
            return NotSyncedError(
                f"{wanted.label} is not on this machine, and no mirror may be asked for it or has it",
                hint="without --mirror-only its origin is asked too",
            )
        return NotSyncedError(
            f"{wanted.label} is not on this machine, and no mirror is named",
            hint="name one with --mirror, MODELSYNC_MIRRORS, or `mirrors` in models.toml or your own config.toml",
        )

    def _run(
        self, place: Place, held: "dict[str, tuple[WantedFile, Held, ExitStack]]", jobs: "dict[str, Job]"
    ) -> dict[str, ModelsyncError]:
        """Runs the jobs; those that arrive leave `held`, and so does what fails for good. Returns the other errors."""
        passed: dict[str, ModelsyncError] = {}
        if not jobs:
            return passed
        keys = {id(job): key for key, job in jobs.items()}

        def done(arrived: "Sequence[tuple[Job, Fetched]]") -> None:
            taken = [Arrival(job, fetched, *held[keys[id(job)]]) for job, fetched in arrived]
            errors = self.arrivals.take(taken)
            for one in taken:
                wanted, fetched = one.wanted, one.fetched
                if (error := errors.get(wanted.key)) is None:
                    if one.job.folder != one.hold.folder:  # what the network had brought of it is not needed
                        shutil.rmtree(one.hold.folder, ignore_errors=True)
                    self._came(wanted, place.brought(wanted, fetched))
                else:
                    self._failed(wanted, one.hold, error)
                del held[wanted.key]
                one.stack.close()
                is_copy = one.job.segments[0].is_local
                with self.lock:
                    self.fetched += 0 if is_copy else fetched.fetched
                    earlier = max(0, fetched.resumed - self.early.pop(wanted.key, 0))
                    self.reused += fetched.size if is_copy else earlier + fetched.reused
                self.notes += filter(None, (fetched.note, place.note(wanted)))
                self._doubt(wanted, fetched.doubtful)

        def failed(job: "Job", error: ModelsyncError, fetched: int) -> None:
            key = keys[id(job)]
            with self.lock:
                self.fetched += fetched
                self.early[key] = self.early.get(key, 0) + fetched
            wanted, hold, stack = held[key]
            if not isinstance(error, CancelledError) and not place.is_final(error):
                passed[key] = place.explain(wanted, error)  # the next place may have the file
                return
            self._failed(
                wanted, hold, error if isinstance(error, CancelledError) else place.explain(wanted, error)
            )
            del held[key]
            stack.close()

        place.carry_out(tuple(jobs.values()), done, failed)
        return passed

    def _came(self, wanted: WantedFile, one: Brought) -> None:
        """Notes where a file came from; of what this machine had, tells it."""
        self.brought.append(one)
        self.context.brought.append(one)
        if one.place is not None:
            self._tell(wanted, "done", one.bytes, one.place, reused=one.taken_from is not None)
        place = one.place or _host(wanted)
        self.context.detail(f"{wanted.label}: from {printable(place, 300)}")

    def _failed(self, wanted: WantedFile, hold: "Held", error: ModelsyncError) -> None:
        """Notes an error, unless another process has taken the file over: it is waited for."""
        from modelsync.transfer.received import tell_kept

        if isinstance(error, CancelledError) or hold.claim.touch():
            tell_kept(error, hold.folder)
            self.errors.append((wanted, error))
        else:
            self.lost.append(wanted)

    def _doubt(self, wanted: WantedFile, others: Iterable[Path]) -> None:
        """Marks blobs that gave wrong bytes as possibly damaged, except the one that was just replaced."""
        if not others:
            return
        from modelsync.store import verify

        for path in others:
            receipt = verify.doubt(self.context.store, path) if path.name != wanted.file.sha256 else None
            if receipt is not None:
                name = receipt.origins[0].path if receipt.origins else path.name
                self.notes.append(
                    f"{printable(name)} ({path.name[:7]}), an older file in the store, may be damaged: it is "
                    "checked before it is used again"
                )

    def _tell(
        self,
        wanted: WantedFile,
        phase: "Phase",
        done: int = 0,
        place: str | None = None,
        *,
        reused: bool = False,
    ) -> None:
        from modelsync.transfer.progress import Event

        size = wanted.file.size
        self.context.tell(Event(phase, wanted.label, done, size, done if reused else 0, place))


def _host(wanted: WantedFile) -> str:
    """The server of a file's source, or the file itself."""
    from modelsync.net.origin import of, public_url

    segment = wanted.segments[0]
    blob = oci_url.read(segment.url)
    if blob is not None:
        return blob.registry
    return public_url(segment.url) if segment.is_local else str(of(segment.url))

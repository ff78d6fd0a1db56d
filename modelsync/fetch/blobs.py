"""Makes blobs be in the store: one process fetches a digest, the others wait; nothing unverified is published."""

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import OFFLINE_HINT, Context
from modelsync.errors import CancelledError, ModelsyncError, OfflineError
from modelsync.fetch import disk_space
from modelsync.fetch.wanted import Need
from modelsync.gguf.magic import check_magic
from modelsync.spec.names import printable
from modelsync.store import blobs
from modelsync.store.receipts import Origin

if TYPE_CHECKING:
    from modelsync.fetch.delta import Bases
    from modelsync.store.digest_lock import Held
    from modelsync.transfer.jobs import Fetched, Job
    from modelsync.transfer.progress import Phase

BATCH = 128  # digests locked at once, at least: each lock is an open file


class Brought(NamedTuple):
    """What came over the network, and what was taken from this machine, in bytes; with notes for a person."""

    fetched: int = 0
    reused: int = 0
    notes: tuple[str, ...] = ()


def bring(
    context: Context,
    needs: Sequence[Need],
    *,
    on_read: "Callable[[Need, Fetched], None] | None" = None,
    copies: Iterable[tuple[Path, int]] = (),
) -> Brought:
    """Makes every need's blob be in the store.

    Others go on when one fails; then the first error is raised, and what arrived stays.

    Args:
        context: What to work with.
        needs: What is wanted; the same digest is fetched once.
        on_read: Called for each file that was read, before it is published.
        copies: What else must find room before the first byte is asked for; see `room.require`.

    Raises:
        DiskFullError: not all of it fits; nothing was asked for.
        ModelsyncError: the first that went wrong, as its source explains it.
    """
    waiting = list({need.key: need for need in needs}.values())
    if context.offline:
        for need in waiting:
            if not need.copies and not need.segments[0].url.startswith("file:"):
                raise OfflineError(
                    f"{need.label} is not here, and the network is ruled out", hint=OFFLINE_HINT
                )
    disk_space.require(context.store, waiting, copies)
    effort = _Effort(context, on_read)
    at_once = _at_once()
    patient = False
    while waiting:
        batch, waiting = waiting[:at_once], waiting[at_once:]
        # Who waits holds nothing else: two processes never wait for each other.
        missed = effort.attempt(batch, patient=patient)
        waiting = missed + waiting
        patient = bool(missed) and len(missed) == len(batch)
    if effort.errors:
        first = effort.errors[0]
        if len(effort.errors) > 1:
            others = "; ".join(error.message for error in effort.errors[1:4])
            first.args = (f"{first.message} (and {len(effort.errors) - 1} more: {others})",)
            first.message = str(first.args[0])
        raise first
    return Brought(effort.fetched, effort.reused, tuple(effort.notes))


def _at_once() -> int:
    """How many digests are locked at once: half of the files that this process may have open, or thereabouts."""
    try:
        import resource
    except ImportError:  # Windows
        return BATCH
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return BATCH if most < 0 else min(4 * BATCH, max(BATCH, most // 2))


class _Effort:
    """One call of `bring`: what it has come to so far."""

    def __init__(self, context: Context, on_read: "Callable[[Need, Fetched], None] | None") -> None:
        self.context = context
        self.on_read = on_read
        self.errors: list[ModelsyncError] = []
        self.turn = threading.Lock()  # files that arrive do so in several threads
        self.fetched = 0
        self.reused = 0
        self.notes: list[str] = []
        self.bases: Bases | None = None

    def attempt(self, needs: Sequence[Need], *, patient: bool) -> list[Need]:
        """Fetches those of `needs` that nobody else is fetching; returns the others.

        When patient, waits for whoever has the first of them.
        """
        from modelsync.store import digest_lock

        missed: list[Need] = []
        held: dict[str, tuple[Need, Held, ExitStack]] = {}
        try:
            for need in needs:
                stack = ExitStack()
                hold = stack.enter_context(
                    digest_lock.hold(
                        self.context.store,
                        need.key,
                        blocking=patient and not held and not missed,
                        cancel=self.context.cancel,
                        on_wait=lambda need=need: self._tell(need, "waiting"),  # type: ignore[misc]
                    )
                )
                if hold is None:
                    missed.append(need)
                elif need.file.sha256 and blobs.find(self.context.store, need.file.sha256, need.file.size):
                    stack.close()  # whoever had it published it
                    self.reused += need.file.size or 0
                    self._tell(need, "done", need.file.size or 0)
                else:
                    held[need.key] = (need, hold, stack)
            self._fetch(held)
        finally:
            for _, _, stack in held.values():
                stack.close()
        return missed

    def _fetch(self, held: "dict[str, tuple[Need, Held, ExitStack]]") -> None:
        copies = {key: _copy_job(need, hold) for key, (need, hold, _) in held.items() if need.copies}
        self._run(held, copies)
        for job in copies.values():
            shutil.rmtree(job.folder, ignore_errors=True)
        self._run(held, {key: self._job(need, hold) for key, (need, hold, _) in held.items()})

    def _job(self, need: Need, hold: "Held") -> "Job":
        """The job, which looks in the store for what an older file has of it."""
        job = _job(need, hold)
        remote = not need.segments[0].url.startswith("file:")
        if need.guesses or not (remote and need.file.sha256 and need.file.size):
            return job
        from modelsync.fetch.delta import Bases

        self.bases = self.bases or Bases(self.context)
        return job._replace(prepare=partial(self.bases.prepare, need))

    def _run(self, held: "dict[str, tuple[Need, Held, ExitStack]]", jobs: "dict[str, Job]") -> None:
        """Runs the jobs; those that arrive leave `held`, and so does what fails for good."""
        if not jobs:
            return
        keys = {id(job): key for key, job in jobs.items()}

        def done(job: "Job", fetched: "Fetched") -> None:
            key = keys[id(job)]
            need, _, stack = held[key]
            try:
                if self.on_read is None:
                    self._publish(need, fetched)
                else:
                    with self.turn:  # two of them may turn out to be the same file
                        self.on_read(need, fetched)
                        self._publish(need, fetched)
            except ModelsyncError as error:
                self.errors.append(error)
            finally:
                del held[key]
                stack.close()
            is_copy = job.segments[0].url.startswith("file:")
            with self.turn:
                self.fetched += 0 if is_copy else fetched.fetched
                self.reused += fetched.size if is_copy else fetched.resumed + fetched.reused
            if fetched.note is not None:
                self.notes.append(fetched.note)
            self._doubt(need, fetched.doubtful)

        def failed(job: "Job", error: ModelsyncError) -> None:
            key = keys[id(job)]
            need, _, stack = held[key]
            if job.segments is not need.segments and not isinstance(error, CancelledError):
                return  # a copy that was no copy, or cannot be read: the network has the file
            self.errors.append(error if isinstance(error, CancelledError) else need.explain(error))
            del held[key]
            stack.close()

        self.context.downloader().run(tuple(jobs.values()), done, failed)

    def _doubt(self, need: Need, others: Iterable[Path]) -> None:
        """Notes of blobs that gave wrong bytes that they may be damaged; not of the one that was just replaced."""
        if not others:
            return
        from modelsync.store import verify

        for path in others:
            receipt = verify.doubt(self.context.store, path) if path.name != need.file.sha256 else None
            if receipt is not None:
                name = receipt.origins[0].path if receipt.origins else path.name
                self.notes.append(
                    f"{printable(name)} ({path.name[:7]}), an older file in the store, may be damaged: it is "
                    "checked before it is used again"
                )

    def _publish(self, need: Need, fetched: "Fetched") -> None:
        file = need.file
        blobs.publish(
            self.context.store,
            fetched.path,
            sha256=fetched.sha256,
            blocks=fetched.blocks,
            origin=Origin(file.path, file.repo, file.revision, file.url),
        )

    def _tell(self, need: Need, phase: "Phase", done: int = 0) -> None:
        from modelsync.transfer.progress import Event

        self.context.tell(Event(phase, need.label, done, need.file.size))


def _job(need: Need, hold: "Held") -> "Job":
    from modelsync.transfer.jobs import Job

    return Job(
        label=need.label,
        folder=hold.folder,
        size=need.file.size,
        sha256=need.file.sha256,
        segments=need.segments,
        check=lambda head: check_magic(head, need.label),
        guesses=need.guesses,
    )


def _copy_job(need: Need, hold: "Held") -> "Job":
    from modelsync.transfer.jobs import Segment

    return _job(need, hold)._replace(
        folder=hold.folder / "copy",  # a copy that is none must not cost what the network has brought
        segments=(Segment(need.copies[0].absolute().as_uri(), need.file.size),),
        check=None,
        guesses=(),
    )

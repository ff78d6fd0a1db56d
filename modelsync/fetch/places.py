"""The places that a file's bytes come from.

A new kind of place is one class with the interface of `Place` and one entry in `order.places`. Whatever a place gives,
the file's digest decides about it. An older version's tensors are no place of their own: they are a part of the bytes,
and the rest comes from the origin or a mirror, so its job is prepared with them (`delta.py`).
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError
from modelsync.fetch.file_check import Watch
from modelsync.fetch.wanted import WantedFile, is_gone
from modelsync.spec.names import printable
from modelsync.store.brought import Brought

if TYPE_CHECKING:
    from modelsync.caches.model import Candidate, Sought
    from modelsync.fetch.delta import OlderFiles
    from modelsync.sources.base import Moved
    from modelsync.transfer.jobs import Fetched, Job

TAKEN_AT_ONCE = 4  # files of this machine: each keeps two threads busy


Done: TypeAlias = "Callable[[Sequence[tuple[Job, Fetched]]], None]"  # several small files come together
Failed: TypeAlias = (
    "Callable[[Job, ModelsyncError, int], None]"  # with the bytes that were fetched in vain, or kept
)


class Place(Protocol):
    """A place that may have the bytes of wanted files."""

    def is_final(self, error: ModelsyncError) -> bool:
        """Whether a failure here is the file's. If not, the next place is tried."""

    def note(self, wanted: WantedFile) -> str | None:
        """What a person is told of a file that came from here; None: nothing."""

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """Puts a failure here into words that say what to do."""

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether the place may give the file without a network."""

    def needs_room(self, wanted: WantedFile) -> bool:
        """Whether taking the file from here needs its size on the store's disk."""

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """The job that takes the file from here; None where the place has nothing of it.

        Args:
            wanted: The file.
            folder: That of its partial. What belongs to this place alone is in a folder below it, which is removed.
        """

    def carry_out(self, jobs: "Sequence[Job]", done: Done, failed: Failed) -> None:
        """Does jobs that were made here; see `Downloader.run`. A job that is neither done nor failed goes on.

        Args:
            jobs: Which.
            done: Called with those that are done, in any thread.
            failed: Called for each that failed, likewise.
        """

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """What is to be said of a file that came from here."""


class LocalPlace(ABC):
    """Files of this machine that are taken whole, if their bytes are right.

    Args:
        context: What to work with.
    """

    own = ""  # the name of its folder beside what the network has brought

    def __init__(self, context: Context) -> None:
        self._context = context
        self._offers: dict[Path, tuple[Sought, tuple[Candidate, ...]]] = {}  # by the job's folder
        self._taken: dict[Path, tuple[Candidate, str]] = {}  # by the path of the new file

    @abstractmethod
    def candidates(self, wanted: WantedFile) -> "tuple[Candidate, ...]":
        """What may be the wanted file, the likeliest first."""

    def is_final(self, error: ModelsyncError) -> bool:  # noqa: ARG002
        """No: it was a guess."""
        return False

    def note(self, wanted: WantedFile) -> None:  # noqa: ARG002
        """Nothing: one line tells of all files of a place."""
        return

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """As its source does."""
        return wanted.explain(error)

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether there is a file that may be it."""
        return bool(self.candidates(wanted))

    def needs_room(self, wanted: WantedFile) -> bool:
        """Whether the likeliest file cannot be linked."""
        from modelsync.fetch import adopt

        found = self.candidates(wanted)
        return not found or adopt.needs_room(self._context, found[0])

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Reads the likeliest file; `carry_out` tries the others too."""
        from modelsync.fetch import adopt
        from modelsync.transfer.jobs import Segment

        what, found = adopt.sought(wanted.file), self.candidates(wanted)
        if what is None or not found:
            return None
        mine = folder / self.own  # a file with other bytes must not cost what the network has brought
        self._offers[mine] = what, found
        return job_of(self._context, wanted, mine)._replace(
            segments=(Segment(found[0].path.as_uri(), wanted.file.size),)
        )

    def carry_out(self, jobs: "Sequence[Job]", done: Done, failed: Failed) -> None:  # noqa: ARG002
        """Takes each file from the first that has its bytes; several at a time."""
        from modelsync.system.parallel import run_all

        run_all(
            partial(self._take, done),
            jobs,
            threads=TAKEN_AT_ONCE,
            name="modelsync-take",
            cancel=self._context.cancel,
        )

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """The place, the file and the way."""
        candidate, way = self._taken[fetched.path]
        return Brought(
            wanted.label,
            wanted.file.path,
            fetched.sha256,
            fetched.size,
            candidate.place,
            candidate.path,
            way,
        )

    def _take(self, done: Done, job: "Job") -> None:
        from modelsync.fetch import adopt

        what, found = self._offers[job.folder]
        for candidate in found:
            told = self._context.teller(job.label, what.size, "checking")
            shutil.rmtree(job.folder, ignore_errors=True)  # what a killed process left there is in the way
            try:
                taken = adopt.take(candidate, job, what, told)
            except CancelledError:
                raise
            except ModelsyncError as error:
                self._context.detail(printable(error.message, 1000))
                continue
            self._taken[taken.fetched.path] = candidate, taken.way
            done([(job, taken.fetched)])
            return
        shutil.rmtree(job.folder, ignore_errors=True)


class ProjectCopy(LocalPlace):
    """A file in the folder where the wanted one is to appear."""

    own = "copy"

    def candidates(self, wanted: WantedFile) -> "tuple[Candidate, ...]":
        """What stands there under its name, with its size."""
        from modelsync.caches.model import Candidate

        return tuple(Candidate(Path(os.path.realpath(path)), wanted.folder) for path in wanted.copies)


class NeighbourPlace(LocalPlace):
    """The caches of other tools."""

    own = "neighbour"

    def candidates(self, wanted: WantedFile) -> "tuple[Candidate, ...]":
        """What the caches have."""
        from modelsync.fetch import adopt

        return adopt.find(self._context, wanted.file)


class SourcePlace:
    """The file's source, with what older files in the store have of it.

    Args:
        context: What to work with.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._older: OlderFiles | None = None

    def is_final(self, error: ModelsyncError) -> bool:
        """Yes, but where the server itself says that there is no such file."""
        return not is_gone(error)

    def note(self, wanted: WantedFile) -> None:
        """Nothing: most files come from here."""

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """As it does."""
        return wanted.explain(error)

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether the source is a file of this machine."""
        return wanted.segments[0].is_local

    def needs_room(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def carry_out(self, jobs: "Sequence[Job]", done: Done, failed: Failed) -> None:
        """Downloads the files side by side."""
        download(self._context, jobs, done, failed)

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """Its own source."""
        return Brought(wanted.label, wanted.file.path, fetched.sha256, fetched.size)

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Fetches the file, where its origin may be asked."""
        if wanted.segments[0].is_packed or (self._context.mirror_only and not self.works_offline(wanted)):
            return None
        return self.download(wanted, folder)

    def download(self, wanted: WantedFile, folder: Path) -> "Job":
        """Fetches the file from its segments; what the store has of it in older files is copied."""
        job = job_of(self._context, wanted, folder)._replace(guesses=wanted.guesses)
        known = wanted.file.sha256 and wanted.file.size
        if wanted.guesses or self.works_offline(wanted) or not known:
            return job
        from modelsync.fetch.delta import OlderFiles

        self._older = self._older or OlderFiles(self._context)
        return job._replace(prepare=partial(self._older.prepare, wanted))


class RequestedRevision:
    """The revision that the request names, where the hub has lost the commit of the lock.

    Args:
        source: What makes the jobs.
    """

    def __init__(self, source: SourcePlace) -> None:
        self._source = source
        self._moved: dict[str, Moved] = {}

    def is_final(self, error: ModelsyncError) -> bool:  # noqa: ARG002
        """Yes: no other place is left."""
        return True

    def note(self, wanted: WantedFile) -> str | None:
        """What settles it."""
        return wanted.moved_note(self._moved[wanted.key])

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """As from the source."""
        return self._source.explain(wanted, error)

    def works_offline(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """No: the hub is asked."""
        return False

    def needs_room(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def carry_out(self, jobs: "Sequence[Job]", done: Done, failed: Failed) -> None:
        """As from the source."""
        self._source.carry_out(jobs, done, failed)

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """As from the source."""
        return self._source.brought(wanted, fetched)

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Fetches the same path, if it has the same bytes there."""
        moved = wanted.elsewhere()
        if moved is None:
            return None
        self._moved[wanted.key] = moved
        return self._source.job(wanted._replace(segments=moved.segments), folder)


def download(context: Context, jobs: "Sequence[Job]", done: Done, failed: Failed) -> None:
    """Downloads files side by side."""
    context.downloader().run(jobs, lambda job, fetched: done([(job, fetched)]), failed, done)


def job_of(context: Context, wanted: WantedFile, folder: Path) -> "Job":
    """The job that fetches a file from its segments into a partial's folder."""
    from modelsync.transfer.jobs import Job

    watch = Watch(context, wanted)

    return Job(
        label=wanted.label,
        folder=folder,
        size=wanted.file.size,
        sha256=wanted.file.sha256,
        segments=wanted.segments,
        check=watch.begin,
        watch=watch.feed,
    )

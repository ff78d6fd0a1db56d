"""The places that a file's bytes come from, in the order in which they are tried.

A new kind of place is one class with the interface of `Place` and one entry in `places`. Whatever a place gives, the
file's digest decides about it. An older version's tensors are no place of their own: they are a part of the bytes, and
the rest comes from the origin, so the origin's job is prepared with them (`delta.py`).
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelsync.context import Context
from modelsync.errors import ModelsyncError
from modelsync.fetch.wanted import WantedFile, is_gone
from modelsync.gguf.magic import check_magic
from modelsync.spec.roles import BY_ROLE
from modelsync.spec.uri_forms import is_model_file

if TYPE_CHECKING:
    from modelsync.fetch.delta import OlderFiles
    from modelsync.sources.base import Moved
    from modelsync.transfer.jobs import Job


class Place(Protocol):
    """A place that may have the bytes of wanted files."""

    def is_final(self, error: ModelsyncError) -> bool:
        """Whether a failure here is the file's. If not, the next place is tried."""

    def note(self, wanted: WantedFile) -> str | None:
        """What a person is told of a file that came from here; None: nothing."""

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether the place may give the file without a network."""

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """The job that takes the file from here; None where the place has nothing of it.

        Args:
            wanted: The file.
            folder: That of its partial. What belongs to this place alone is in a folder below it, which is removed.
        """


def places(context: Context) -> tuple[Place, ...]:
    """All places, in the order in which they are tried."""
    source = SourcePlace(context)
    return (ProjectCopy(), source, RequestedRevision(source))


class ProjectCopy:
    """A file in the project's folder that may be the one that is wanted."""

    def is_final(self, error: ModelsyncError) -> bool:  # noqa: ARG002
        """No: it was a guess."""
        return False

    def note(self, wanted: WantedFile) -> None:
        """Nothing: the plan says it."""

    def works_offline(self, wanted: WantedFile) -> bool:
        """Yes, where the project has a copy."""
        return bool(wanted.copies)

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Reads the copy as if it came from a server."""
        if not wanted.copies:
            return None
        from modelsync.transfer.jobs import Segment

        return _job(wanted, folder)._replace(
            folder=folder / "copy",  # a copy with other bytes must not cost what the network has brought
            segments=(Segment(wanted.copies[0].absolute().as_uri(), wanted.file.size),),
            check=None,
        )


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

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether the source is a file of this machine."""
        return wanted.segments[0].is_local

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Fetches the file; what the store has of it in older files is copied."""
        job = _job(wanted, folder)._replace(guesses=wanted.guesses)
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

    def works_offline(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """No: the hub is asked."""
        return False

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Fetches the same path, if it has the same bytes there."""
        moved = wanted.elsewhere()
        if moved is None:
            return None
        self._moved[wanted.key] = moved
        return self._source.job(wanted._replace(segments=moved.segments), folder)


def _job(wanted: WantedFile, folder: Path) -> "Job":
    from modelsync.transfer.jobs import Job

    return Job(
        label=wanted.label,
        folder=folder,
        size=wanted.file.size,
        sha256=wanted.file.sha256,
        segments=wanted.segments,
        check=(lambda head: check_magic(head, wanted.label)) if _is_gguf(wanted) else None,
    )


def _is_gguf(wanted: WantedFile) -> bool:
    """Whether the file has to be a GGUF: a companion, and what has the name of one."""
    return wanted.file.role in BY_ROLE or is_model_file(wanted.file.path)

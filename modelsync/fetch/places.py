"""The places that a file's bytes come from, in the order in which they are tried.

A new kind of place is one class with the interface of `Place` and one entry in `places`. Whatever a place gives, the
file's digest decides about it. An older version's tensors are no place of their own: they are a part of the bytes, and
the rest comes from the origin, so the origin's job is prepared with them (`delta.py`).
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from modelsync.context import Context
from modelsync.fetch.wanted import WantedFile
from modelsync.gguf.magic import check_magic

if TYPE_CHECKING:
    from modelsync.fetch.delta import OlderFiles
    from modelsync.transfer.jobs import Job


class Place(Protocol):
    """A place that may have the bytes of wanted files.

    Attributes:
        final: Whether a failure here is the file's. If not, the next place is tried.
    """

    final: bool

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether the place may give the file without a network."""

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """The job that takes the file from here; None where the place has nothing of it.

        Args:
            wanted: The file.
            folder: That of its partial. A place that is not final works in a folder below it, which is removed.
        """


def places(context: Context) -> tuple[Place, ...]:
    """All places, in the order in which they are tried."""
    return (ProjectCopy(), SourcePlace(context))


class ProjectCopy:
    """A file in the project's folder that may be the one that is wanted."""

    final = False

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

    final = True

    def __init__(self, context: Context) -> None:
        self._context = context
        self._older: OlderFiles | None = None

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


def _job(wanted: WantedFile, folder: Path) -> "Job":
    from modelsync.transfer.jobs import Job

    return Job(
        label=wanted.label,
        folder=folder,
        size=wanted.file.size,
        sha256=wanted.file.sha256,
        segments=wanted.segments,
        check=lambda head: check_magic(head, wanted.label),
    )

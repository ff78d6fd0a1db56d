"""Mirrors as places that files come from.

A mirror is asked for a digest. What it gives is hashed like everything else, so a mirror that is wrong, slow or down
costs one attempt, a word, and is left alone for the rest of the call (`by_digest.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError, StoreError
from modelsync.fetch import by_digest
from modelsync.fetch.by_digest import NetworkMirror
from modelsync.fetch.places import LocalPlace, SourcePlace, download
from modelsync.fetch.wanted import WantedFile
from modelsync.store.brought import Brought

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.caches.model import Candidate
    from modelsync.fetch.places import Done, Failed, Place
    from modelsync.spec.mirror import Mirror
    from modelsync.transfer.jobs import Fetched, Job


def mirror_places(context: Context, source: SourcePlace) -> "tuple[Place, ...]":
    """The mirrors of a call, in the order in which they are asked."""
    return tuple(
        FolderMirrorPlace(context, each.mirror)
        if each.mirror.kind == "folder"
        else NetworkMirrorPlace(context, NetworkMirror(context, each), source)
        for each in by_digest.tries(context)
    )


class FolderMirrorPlace(LocalPlace):
    """A folder of this machine that has files by their digests.

    Args:
        context: What to work with.
        mirror: The folder.
    """

    own = "mirror"

    def __init__(self, context: Context, mirror: "Mirror") -> None:
        super().__init__(context)
        self._mirror = mirror

    def candidates(self, wanted: WantedFile) -> "tuple[Candidate, ...]":
        """The file of that digest, if it has the size."""
        from modelsync.caches.model import Candidate

        path = by_digest.in_folder(self._mirror, wanted.file)
        return (Candidate(path, str(self._mirror)),) if path is not None else ()

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """As of any local place; a folder that is not there is told of, as a server that does not answer is."""
        job = super().job(wanted, folder)
        if job is None and (fault := by_digest.folder_fault(self._mirror)) is not None:
            by_digest.leave(self._context, self._mirror, fault)
        return job


class NetworkMirrorPlace:
    """A registry's repository, or a folder of a web server.

    Args:
        context: What to work with.
        mirror: The mirror.
        source: What makes the jobs.
    """

    def __init__(self, context: Context, mirror: NetworkMirror, source: SourcePlace) -> None:
        self._context = context
        self._mirror = mirror
        self._source = source

    def is_final(self, error: ModelsyncError) -> bool:
        """Only what is the matter with this machine."""
        return isinstance(error, StoreError)

    def note(self, wanted: WantedFile) -> None:
        """Nothing: details tell where each file came from."""

    def works_offline(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """No."""
        return False

    def needs_room(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """Names the mirror: to the file's source, the error would mean something else."""
        return self._mirror.explain(wanted, error)

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Fetches the file by its digest, as from its source; pieces that are joined there are whole here."""
        mirror = self._mirror
        try:
            there = mirror.locate(wanted)
        except CancelledError:
            raise
        except ModelsyncError as error:
            mirror.failed(wanted.label, error)
            return None
        if there is None:
            return None
        return self._source.download(there, folder)._replace(
            admit=mirror.check,
            failed=mirror.broke,
            trial=mirror.trial,
        )

    def carry_out(self, jobs: "Sequence[Job]", done: "Done", failed: "Failed") -> None:
        """Downloads the files side by side."""

        def lost(job: "Job", error: ModelsyncError, fetched: int) -> None:
            self._mirror.failed(job.label, error)
            failed(job, error, fetched)

        download(self._context, jobs, done, lost)

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """The mirror."""
        place = str(self._mirror)
        return Brought(wanted.label, wanted.file.path, fetched.sha256, fetched.size, place)

"""Mirrors as places that bytes come from.

A mirror is asked for a digest. What it gives is hashed like everything else, so a mirror that is wrong, slow or down
costs one attempt, a word, and is left alone for the rest of the call. One that a manifest alone names is asked only for
digests that the file's origin was seen to publish: else an edited lock and a mirror that goes with it would get past
the hub.
"""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import CancelledError, HttpStatusError, ModelsyncError, NotFoundError, StoreError
from modelsync.fetch.places import Brought, LocalPlace, SourcePlace
from modelsync.fetch.wanted import WantedFile
from modelsync.net.retry import FinalNetworkError
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.caches.model import Candidate
    from modelsync.fetch.places import Done, Failed, Place
    from modelsync.registry.repository import Repository
    from modelsync.spec.mirror import Mirror
    from modelsync.transfer.jobs import Fetched, Job

_LACKS = frozenset({404, 410})


class _LeftAloneError(FinalNetworkError):
    """The mirror failed for another file before this one was asked for."""


def mirror_places(context: Context, source: SourcePlace) -> "tuple[Place, ...]":
    """The mirrors of a call, in the order in which they are asked.

    Where nothing but mirrors may be asked, each is asked again at the end, with the patience that an origin gets.
    """
    mirrors = context.mirrors
    places: list[Place] = [
        FolderMirror(context, each) if each.kind == "folder" else NetworkMirror(context, each, source)
        for each in mirrors
    ]
    networks = [each for each in mirrors if each.kind != "folder"]
    if context.mirror_only and networks:
        if len(networks) == 1:
            places = [each for each in places if isinstance(each, FolderMirror)]
        places += (NetworkMirror(context, each, source, last=True) for each in networks)
    return tuple(places)


class FolderMirror(LocalPlace):
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

        if wanted.file.sha256 is None:
            return ()
        path = os.path.realpath(self._mirror.place_of(wanted.file.sha256))
        try:
            right = os.stat(path).st_size == wanted.file.size  # noqa: PTH116
        except (OSError, ValueError):
            return ()
        return (Candidate(Path(path), str(self._mirror)),) if right else ()


class NetworkMirror:
    """A registry's repository, or a folder of a web server.

    Args:
        context: What to work with.
        mirror: The mirror.
        source: What makes the jobs.
        last: Whether no other place is asked after it.
    """

    def __init__(
        self, context: Context, mirror: "Mirror", source: SourcePlace, *, last: bool = False
    ) -> None:
        self._context = context
        self._mirror = mirror
        self._source = source
        self._last = last
        self._repository: Repository | None = None

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
        if isinstance(error, HttpStatusError) and error.status in _LACKS:
            return NotFoundError(
                f"{wanted.label}: {self._mirror} does not have it (sha256 {wanted.file.sha256})",
                hint="without --mirror-only its origin is asked too",
            )
        if isinstance(error, (CancelledError, HttpStatusError)) or str(self._mirror) in error.message:
            return error
        return type(error)(f"{wanted.label}: {self._mirror}: {error.message}", hint=error.hint)

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Fetches the file by its digest, as from its source; pieces that are joined there are whole here."""
        from modelsync.transfer.jobs import Segment

        context, mirror, sha256 = self._context, self._mirror, wanted.file.sha256
        skipped = mirror in context.left_alone and not self._last
        if sha256 is None or wanted.file.size is None or context.offline or skipped:
            return None
        if not mirror.trusted and not wanted.confirmed():
            context.detail(
                f"{wanted.label}: {mirror} is not asked: the manifest alone names it, and the file's origin does not "
                "confirm the digest"
            )
            return None
        try:
            url = self._url(sha256)
        except CancelledError:
            raise
        except ModelsyncError as error:
            self._leave(error)
            return None
        segment = Segment(url, wanted.file.size, sha256=sha256)
        job = self._source.download(wanted._replace(segments=(segment,)), folder)
        return job._replace(
            prepare=partial(self._prepare, job.prepare),
            patience=None if self._last else context.settings.body_timeout,
        )

    def carry_out(self, jobs: "Sequence[Job]", done: "Done", failed: "Failed") -> None:
        """Downloads the files side by side."""

        def lost(job: "Job", error: ModelsyncError) -> None:
            if isinstance(error, HttpStatusError) and error.status in _LACKS and not error.redirected:
                self._context.detail(f"{job.label}: {self._mirror} does not have it")
            elif not isinstance(error, (CancelledError, StoreError, _LeftAloneError)):
                self._leave(error)
            failed(job, error)

        self._context.downloader().run(jobs, done, lost)

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """The mirror."""
        place = str(self._mirror)
        return Brought(wanted.label, wanted.file.path, fetched.sha256, fetched.size, place)

    def _url(self, sha256: str) -> str:
        if self._mirror.kind == "web":
            return self._mirror.place_of(sha256)
        if self._repository is None:
            from modelsync.registry.repository import Repository

            self._repository = Repository(self._context.client(), *self._mirror.repository)
        return self._repository.blob_url(f"sha256:{sha256}")

    def _prepare(self, prepare: "object", job: "Job") -> "Job":
        """What the source does before the first request; raises where the mirror failed meanwhile."""
        if self._mirror in self._context.left_alone and not self._last:
            raise _LeftAloneError(f"{self._mirror} is left alone")
        return prepare(job) if callable(prepare) else job

    def _leave(self, error: ModelsyncError) -> None:
        """Leaves the mirror alone for the rest of the call."""
        if self._mirror in self._context.left_alone or self._last:
            return
        self._context.left_alone.add(self._mirror)
        self._context.warn(
            f"the mirror {self._mirror} is left alone for the rest of this run: {printable(error.message, 300)}"
        )

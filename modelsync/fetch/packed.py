"""Files in tar layers of registries, as a place that files come from.

Such a file has no address of its own: its layer is fetched once, and all wanted files are taken out of it.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import HashMismatchError, ModelsyncError, NotFoundError
from modelsync.fetch.layers import Layer, fetched, layer_in_folder, write
from modelsync.fetch.places import job_of
from modelsync.fetch.wanted import WantedFile
from modelsync.spec import oci_url
from modelsync.spec.oci_url import BlobUrl
from modelsync.store.brought import Brought

if TYPE_CHECKING:
    from modelsync.fetch.places import Done, Failed
    from modelsync.transfer.jobs import Fetched, Job

_OWN = "layer"  # a folder beside what the network has brought of the file from a mirror
_HINT = "models.lock does not say what its registry has; `modelsync lock --verify` tells more"


class LayerPlace:
    """The tar layer that a file of a registry is in.

    Args:
        context: What to work with.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted: dict[Path, WantedFile] = {}  # by the job's folder
        self._places: dict[str, str | None] = {}  # where layers came from, by digest

    def is_final(self, error: ModelsyncError) -> bool:  # noqa: ARG002
        """Yes: such a file has no other source."""
        return True

    def note(self, wanted: WantedFile) -> None:
        """Nothing."""

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:  # noqa: ARG002
        """As it is: its registry, or the mirror, has explained it."""
        return error

    def works_offline(self, wanted: WantedFile) -> bool:
        """Whether a mirror that is a folder of this machine has the layer."""
        url = _layer_of(wanted)
        return url is not None and any(
            mirror.kind == "folder" and layer_in_folder(mirror, url) is not None
            for mirror in self._context.mirrors
        )

    def needs_room(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Takes the file out of its layer."""
        if _layer_of(wanted) is None or (self._context.offline and not self.works_offline(wanted)):
            return None
        mine = folder / _OWN
        self._wanted[mine] = wanted
        return job_of(self._context, wanted, mine)

    def carry_out(self, jobs: "Sequence[Job]", done: "Done", failed: "Failed") -> None:
        """Fetches each layer once, and takes all wanted files out of it."""
        by_layer: dict[BlobUrl, list[Job]] = {}
        for job in jobs:
            url = _layer_of(self._wanted[job.folder])
            assert url is not None
            by_layer.setdefault(url, []).append(job)
        for url, wanted in by_layer.items():
            taking = _Taking(self._context, wanted, done)
            error: ModelsyncError | None = None
            try:
                layer = Layer(f"layer {url.sha256[:12]}", url, None, self._wanted[wanted[0].folder].explain)
                with fetched(self._context, layer) as found:
                    self._places[url.digest] = found.place
                    taking.take(url, found.path, found.fetched, found.resumed)
            except ModelsyncError as failure:
                error = failure
            for job in taking.left():
                shutil.rmtree(job.folder, ignore_errors=True)
                failed(job, error or taking.missing(job, url), taking.uncounted())

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """Its own source, or the mirror that gave the layer."""
        url = _layer_of(wanted)
        place = self._places.get(url.digest) if url is not None else None
        return Brought(wanted.label, wanted.file.path, fetched.sha256, fetched.size, place)


class _Taking:
    """The files that are taken out of one layer.

    Args:
        context: What to work with.
        jobs: The files.
        done: Told of each that is whole and right.
    """

    def __init__(self, context: Context, jobs: "Sequence[Job]", done: "Done") -> None:
        self._context = context
        self._done = done
        self._jobs: dict[str, list[Job]] = {}  # by the name in the layer
        self._other: dict[str, str] = {}  # what else had such a name, and a file's size
        self._came = self._resumed = 0  # of the layer, not yet told with a file
        for job in jobs:
            url = oci_url.read(job.segments[0].url)
            assert url is not None
            assert url.member is not None
            self._jobs.setdefault(url.member, []).append(job)

    def left(self) -> "list[Job]":
        """The files that have not been found."""
        return [job for jobs in self._jobs.values() for job in jobs]

    def uncounted(self) -> int:
        """Bytes that came for the layer and that no file has told; once."""
        came, self._came = self._came, 0
        return came

    def missing(self, job: "Job", url: BlobUrl) -> ModelsyncError:
        """The error about a file that is not in its layer."""
        found = self._other.get(job.label)
        if found is not None:
            return HashMismatchError(
                f"{job.label}: expected sha256 {job.sha256}, got {found} out of the layer {url.digest}",
                hint=_HINT,
            )
        return NotFoundError(f"{job.label}: its layer {url.digest} has no such file of its size", hint=_HINT)

    def take(self, url: BlobUrl, path: Path, came: int, resumed: int) -> None:
        """Takes the files out of a layer that is at `path`.

        Args:
            url: Where it is from.
            path: Its bytes.
            came: How many of them were fetched in this run.
            resumed: How many were here before.

        Raises:
            RefusedError: it is no tar, or damaged.
            StoreError: a file cannot be written.
            CancelledError: the call was cancelled.
        """
        from modelsync.registry.unpack import named
        from modelsync.transfer.jobs import Fetched
        from modelsync.transfer.partial import data_path

        self._came, self._resumed = came, resumed
        with path.open("rb") as source:
            for member in named(url.digest, self._jobs, source):
                fitting = [job for job in self._jobs[member.name] if job.size == member.size]
                if not fitting:
                    continue  # a tar may have a name twice
                place = data_path(fitting[0].folder)
                fitting[0].confirm()
                told = self._context.teller(fitting[0].label, member.size, "checking")
                digests = write(member, place, told)
                job = next((job for job in fitting if job.sha256 == digests.sha256), None)
                if job is None:
                    self._other |= {job.label: digests.sha256 for job in fitting}
                    shutil.rmtree(place.parent, ignore_errors=True)
                    continue
                self._jobs[member.name].remove(job)
                resumed, self._resumed = self._resumed, 0
                self._done(
                    [
                        (
                            job,
                            Fetched(
                                place, member.size, digests.sha256, digests.blocks, self.uncounted(), resumed
                            ),
                        )
                    ]
                )
                if not self.left():
                    return


def _layer_of(wanted: WantedFile) -> BlobUrl | None:
    """The layer that a file is in; None: it is in none."""
    if not wanted.segments[0].is_packed:
        return None
    url = oci_url.read(wanted.segments[0].url)
    return None if url is None else url._replace(member=None)

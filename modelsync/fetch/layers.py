"""Tar layers of registries: fetched whole, their files taken out, and dropped again.

A layer comes as any file does, by ranges, in parts that an interruption leaves, from mirrors first; its own digest
decides about it. A file in it has no address of its own, so it is a place of its own too.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, HashMismatchError, ModelsyncError, NotFoundError, StoreError
from modelsync.fetch import by_digest
from modelsync.fetch.by_digest import NetworkMirror
from modelsync.fetch.places import job_of
from modelsync.fetch.wanted import WantedFile
from modelsync.spec import oci_url
from modelsync.spec.oci_url import BlobUrl
from modelsync.store.brought import Brought

if TYPE_CHECKING:
    from modelsync.fetch.places import Done, Failed
    from modelsync.transfer.digests import Digests
    from modelsync.transfer.jobs import Fetched, Job, Segment

_UNPACKED = "unpacked"  # beside the layer's bytes


class Layer(NamedTuple):
    """A layer that is wanted for what is in it.

    Attributes:
        label: What progress and errors call it.
        url: Where it is.
        size: Its bytes; None where a lock does not say.
        explain: Puts its registry's errors into words that say what to do.
        confirmed: Tells whether its registry has it, for mirrors that a manifest alone names.
    """

    label: str
    url: BlobUrl
    size: int | None
    explain: Callable[[ModelsyncError], ModelsyncError]
    confirmed: Callable[[], bool] = lambda: False


@contextmanager
def fetched(context: Context, layer: Layer) -> Iterator[Path]:
    """Fetches a layer, and removes it at the end.

    Yields:
        The verified file; what is put beside it, into its folder, goes with it.

    Raises:
        ModelsyncError: it cannot be had.
        CancelledError: the call was cancelled.
    """
    from modelsync.store import digest_lock

    with digest_lock.hold(context.store, layer.url.sha256, cancel=context.cancel) as held:
        assert held is not None
        path = _bring(context, layer, held.folder)
        try:
            yield path
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


def write(chunks: Iterator[bytes], path: Path) -> "Digests":
    """Writes a file out of a layer; returns its digests.

    Raises:
        StoreError: it cannot be written.
        RefusedError: the layer ends before the file does.
    """
    from modelsync.store import atomic
    from modelsync.transfer.digests import Digests

    digests = Digests()
    with atomic.told(f"cannot write {path.name} in the store"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for chunk in chunks:
                out.write(chunk)
                digests.update(memoryview(chunk))
    return digests


def _bring(context: Context, layer: Layer, folder: Path) -> Path:
    """Fetches a layer from the first place that has it, the mirrors first."""
    from modelsync.transfer.jobs import Job, Segment

    last: ModelsyncError | None = None
    for segment, mirror in _places(context, layer):
        arrived: list[Fetched] = []
        failed: list[ModelsyncError] = []
        job = Job(
            label=layer.label,
            folder=folder,
            size=layer.size,
            sha256=layer.url.sha256,
            segments=(segment or Segment(str(layer.url), layer.size, sha256=layer.url.sha256),),
            patience=context.settings.body_timeout if mirror is not None and not mirror.last else None,
        )
        context.downloader().run(
            (job,),
            lambda _, done, arrived=arrived: arrived.append(done),  # type: ignore[misc]
            lambda _, error, __, failed=failed: failed.append(error),  # type: ignore[misc]
        )
        if arrived:
            return arrived[0].path
        error = failed[0] if failed else CancelledError("interrupted")
        if isinstance(error, (CancelledError, StoreError)):
            raise error
        if mirror is not None:
            mirror.failed(layer.label, error)
        last = error if segment is not None else layer.explain(error)
    raise last or by_digest.ruled_out(context, f"{layer.label} is not on this machine")


def _places(context: Context, layer: Layer) -> "Iterator[tuple[Segment | None, NetworkMirror | None]]":
    """Where to ask for a layer, in order: mirrors, then its registry, which is None."""
    from modelsync.sources.base import Found
    from modelsync.transfer.jobs import Segment

    file = Found("file", layer.label, str(layer.url), layer.size, layer.url.sha256)
    wanted = WantedFile(layer.label, file, (), layer.explain, confirmed=layer.confirmed)
    for each in by_digest.tries(context):
        if each.mirror.kind == "folder":
            path = Path(each.mirror.place_of(layer.url.sha256)).resolve()
            if path.is_file():
                yield Segment(path.as_uri(), layer.size), None
        else:
            mirror = NetworkMirror(context, each)
            found = mirror.locate(wanted, any_size=True)
            if found is not None:
                yield found.segments[0], mirror
    if context.asks_origin:
        yield None, None


class LayerPlace:
    """The tar layer that a file of a registry is in.

    Args:
        context: What to work with.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted: dict[Path, WantedFile] = {}  # by the job's folder

    def is_final(self, error: ModelsyncError) -> bool:  # noqa: ARG002
        """Yes: such a file has no other source."""
        return True

    def note(self, wanted: WantedFile) -> None:
        """Nothing."""

    def explain(self, wanted: WantedFile, error: ModelsyncError) -> ModelsyncError:
        """As its registry does."""
        return wanted.explain(error)

    def works_offline(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """No."""
        return False

    def needs_room(self, wanted: WantedFile) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def job(self, wanted: WantedFile, folder: Path) -> "Job | None":
        """Takes the file out of its layer."""
        if not wanted.segments[0].is_packed or self._context.offline:
            return None
        self._wanted[folder] = wanted
        return job_of(self._context, wanted, folder)

    def carry_out(self, jobs: "Sequence[Job]", done: "Done", failed: "Failed") -> None:
        """Fetches each layer once, and takes all wanted files out of it."""
        by_layer: dict[BlobUrl, dict[str, list[Job]]] = {}
        for job in jobs:
            url = oci_url.read(job.segments[0].url)
            assert url is not None
            assert url.member is not None
            by_layer.setdefault(url._replace(member=None), {}).setdefault(url.member, []).append(job)
        for url, members in by_layer.items():
            left = {id(job): job for each in members.values() for job in each}
            try:
                self._take(url, members, left, done)
                for job in left.values():
                    failed(
                        job,
                        NotFoundError(
                            f"{job.label}: its layer {url.digest} has no such file",
                            hint="models.lock was edited, or made by a faulty program; `modelsync lock --verify` tells",
                        ),
                        0,
                    )
            except ModelsyncError as error:
                for job in left.values():
                    failed(job, error, 0)

    def brought(self, wanted: WantedFile, fetched: "Fetched") -> Brought:
        """Its own source."""
        return Brought(wanted.label, wanted.file.path, fetched.sha256, fetched.size)

    def _take(
        self, url: BlobUrl, members: "dict[str, list[Job]]", left: "dict[int, Job]", done: "Done"
    ) -> None:
        from modelsync.registry.unpack import named
        from modelsync.transfer.jobs import Fetched
        from modelsync.transfer.partial import data_path

        first = next(iter(left.values()))
        wanted = self._wanted[first.folder]
        layer = Layer(f"layer {url.sha256[:12]}", url, None, wanted.explain)
        with fetched(self._context, layer) as path, path.open("rb") as source:
            for member in named(url.digest, members, source):
                job = next((job for job in members[member.name] if id(job) in left), None)
                if job is None or member.size != job.size:
                    continue  # a tar may have a name twice
                digests = write(member.chunks, data_path(job.folder))
                if digests.sha256 != job.sha256:
                    shutil.rmtree(job.folder, ignore_errors=True)
                    raise HashMismatchError(
                        f"{job.label}: expected sha256 {job.sha256}, got {digests.sha256} out of {url.digest}",
                        hint="models.lock does not say what its layer holds; `modelsync lock --verify` tells",
                    )
                del left[id(job)]
                size = digests.position
                place = data_path(job.folder)
                done([(job, Fetched(place, size, digests.sha256, digests.blocks, size, 0))])

"""Tar layers of registries: fetched whole for the files that are in them, and dropped again.

A layer comes as any file does, by ranges, in parts that an interruption leaves, from mirrors first; its own digest
decides about it. Its partial has a key of its own, so that it is in nobody's way who wants a file of that digest.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError, StoreError
from modelsync.fetch import by_digest
from modelsync.fetch.by_digest import NetworkMirror
from modelsync.fetch.wanted import WantedFile
from modelsync.spec.names import printable
from modelsync.spec.oci_url import BlobUrl
from modelsync.store import layout

if TYPE_CHECKING:
    from modelsync.registry.unpack import PackedFile
    from modelsync.spec.mirror import Mirror
    from modelsync.transfer.digests import Digests
    from modelsync.transfer.jobs import Fetched, Job, Segment

UNPACKED = "unpacked"  # a folder beside a layer's bytes, for what comes out of it


class Layer(NamedTuple):
    """A layer that is wanted for what is in it.

    Attributes:
        label: What progress and errors call it.
        url: Where it is.
        size: Its bytes; None where a lock does not say.
        explain: Puts its registry's errors into words that say what to do.
    """

    label: str
    url: BlobUrl
    size: int | None
    explain: Callable[[ModelsyncError], ModelsyncError]

    @property
    def key(self) -> str:
        """What its partial and its lock are called."""
        return layout.url_key(f"layer {self.url.digest}")


class FetchedLayer(NamedTuple):
    """A layer that has come.

    Attributes:
        path: The verified file.
        place: The mirror that gave it, in words; None: its registry.
        fetched: Bytes that came over the network in this run.
        resumed: Bytes of earlier runs, or of a folder of this machine.
    """

    path: Path
    place: str | None
    fetched: int
    resumed: int


@contextmanager
def fetched(context: Context, layer: Layer) -> Iterator[FetchedLayer]:
    """Fetches a layer, and removes it at the end; after an interruption, or on a full disk, it stays for the next run.

    Yields:
        The layer. A folder `UNPACKED` beside it is removed at the end in any case.

    Raises:
        ModelsyncError: it cannot be had.
        CancelledError: the call was cancelled.
    """
    from modelsync.store import digest_lock

    waiting = f"another process is reading {layer.label}: waiting for it"
    with digest_lock.hold(
        context.store, layer.key, cancel=context.cancel, on_wait=lambda: context.warn(waiting)
    ) as held:
        assert held is not None
        found = _bring(context, layer, held.folder, held.confirm)
        try:
            yield found
        except (CancelledError, StoreError, KeyboardInterrupt):
            shutil.rmtree(held.folder / UNPACKED, ignore_errors=True)
            raise
        except BaseException:
            shutil.rmtree(held.folder, ignore_errors=True)
            raise
        shutil.rmtree(held.folder, ignore_errors=True)


def write(member: "PackedFile", path: Path, told: Callable[[int], None]) -> "Digests":
    """Writes a file out of a layer; returns its digests.

    Args:
        member: The file.
        path: Where it is written.
        told: Is told how many more bytes were written; what it raises ends the work.

    Raises:
        DiskFullError: the disk has no room for it.
        StoreError: it cannot be written.
        RefusedError: the layer ends before the file does.
    """
    from modelsync.store import atomic
    from modelsync.system.disks import require_space
    from modelsync.transfer.digests import Digests

    digests = Digests()
    require_space([(path.parent, member.size)])
    with atomic.told("cannot write a file out of a layer into the store"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for chunk in member.chunks:
                out.write(chunk)
                digests.update(memoryview(chunk))
                told(len(chunk))
    return digests


def layer_in_folder(mirror: "Mirror", url: BlobUrl) -> Path | None:
    """A layer in a folder of this machine, if there is a file of that name."""
    path = Path(os.path.realpath(mirror.place_of(url.sha256)))
    return path if path.is_file() else None


class _Attempt(NamedTuple):
    """One place that may have a layer: a mirror, or its registry, which is None."""

    segment: "Segment"
    mirror: "NetworkMirror | None" = None
    folder: str | None = None  # the mirror that is a folder of this machine


def _bring(context: Context, layer: Layer, folder: Path, confirm: Callable[[], None]) -> FetchedLayer:
    """Fetches a layer from the first place that has it, the mirrors first."""
    from modelsync.transfer.jobs import Job
    from modelsync.transfer.received import tell_kept

    layer = layer._replace(size=_size_here(folder) if layer.size is None else layer.size)
    last: ModelsyncError | None = None
    in_vain = 0
    wanted = _wanted(context, layer)
    for segment, mirror, local in _attempts(context, layer, wanted):
        job = Job(layer.label, folder, layer.size, layer.url.sha256, (segment,), confirm=confirm)
        if mirror is not None:
            job = job._replace(admit=mirror.check, failed=mirror.broke, trial=mirror.trial)
        arrived: list[Fetched] = []
        failed: list[tuple[ModelsyncError, int]] = []
        _run(context, job, arrived, failed)
        if arrived:
            (found,) = arrived
            place = local or (str(mirror) if mirror is not None else None)
            came = 0 if local else found.fetched
            return FetchedLayer(found.path, place, came + in_vain, max(0, found.size - came - in_vain))
        error, count = failed[0]
        in_vain += count
        if isinstance(error, (CancelledError, StoreError)):
            raise error
        if mirror is not None:
            mirror.failed(layer.label, error)
            last = mirror.explain(wanted, error)
        elif local is not None:
            context.detail(f"{layer.label}: {local}: {printable(error.message, 300)}")
        else:
            last = layer.explain(error)
    if last is None:
        raise by_digest.ruled_out(context, f"{layer.label} is not on this machine")
    tell_kept(last, folder)
    raise last


def _size_here(folder: Path) -> int | None:
    """The size of a layer that an interruption left whole; None where that cannot be told.

    Without it its server would be asked for more, and answers that there is nothing as for a wrong request.
    """
    from modelsync.transfer.partial import data_path
    from modelsync.transfer.received import received

    try:
        size = data_path(folder).stat().st_size
    except OSError:
        return None
    return size if size and received(folder) == size else None


def _run(
    context: Context, job: "Job", arrived: "list[Fetched]", failed: list[tuple[ModelsyncError, int]]
) -> None:
    context.downloader().run(
        (job,),
        lambda _, fetched: arrived.append(fetched),
        lambda _, error, count: failed.append((error, count)),
    )


def _wanted(context: Context, layer: Layer) -> WantedFile:
    """The layer as a file, for mirrors; its registry confirms that it has a layer of that digest."""
    from modelsync.sources.base import Found

    url = layer.url

    def confirmed() -> bool:
        if not context.asks_origin:
            return False
        try:
            return context.repository(url.registry, url.repository).has_blob(url.digest, layer.size)
        except CancelledError:
            raise
        except ModelsyncError:
            return False

    file = Found("file", layer.label, str(url), layer.size, url.sha256)
    return WantedFile(layer.label, file, (), layer.explain, confirmed=confirmed)


def _attempts(context: Context, layer: Layer, wanted: WantedFile) -> Iterator[_Attempt]:
    """Where to ask for a layer, in order."""
    from modelsync.transfer.jobs import Segment

    for each in by_digest.tries(context):
        if each.mirror.kind == "folder":
            path = layer_in_folder(each.mirror, layer.url)
            if path is not None:
                yield _Attempt(Segment(path.as_uri(), layer.size), folder=str(each.mirror))
            continue
        mirror = NetworkMirror(context, each)
        try:
            found = mirror.locate(wanted, any_size=True)
        except CancelledError:
            raise
        except ModelsyncError as error:
            mirror.failed(layer.label, error)
            continue
        if found is not None:
            yield _Attempt(found.segments[0], mirror)
    if context.asks_origin:
        yield _Attempt(Segment(str(layer.url), layer.size, sha256=layer.url.sha256))

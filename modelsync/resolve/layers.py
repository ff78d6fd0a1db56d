"""Reads the tar layers of a registry's model while it is locked: each file in them gets a row of its own."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from modelsync.content.policy import Claim, leads_out, named_data
from modelsync.context import Context
from modelsync.errors import ModelsyncError, RefusedError
from modelsync.fetch import disk_space, layer_rows
from modelsync.fetch.file_check import check_file
from modelsync.fetch.layers import UNPACKED, Layer, fetched, write
from modelsync.fetch.wanted import blob_of, label
from modelsync.registry import unpack
from modelsync.registry.contents import StoredFile
from modelsync.sources.base import Found, Resolution, Source
from modelsync.spec import oci_url
from modelsync.spec.blocks import Blocks
from modelsync.spec.names import printable
from modelsync.store import blobs
from modelsync.store.receipts import BlobOrigin


class UnpackedFile(NamedTuple):
    """A file out of a layer, not yet published.

    Attributes:
        file: As if it had a layer of its own.
        url: What the lock calls it.
        path: Where its bytes are.
        blocks: The hashes of its blocks.
    """

    file: StoredFile
    url: str
    path: Path
    blocks: Blocks


class UnpackedModel(NamedTuple):
    """A model whose layers were read: what it is, notes for a person, and the bytes that came."""

    answer: Resolution
    notes: tuple[str, ...]
    fetched: int


def read(
    context: Context,
    name: str,
    answer: Resolution,
    source: Source,
    allow_code: tuple[str, ...],
    keep: Callable[[str], None] | None,
) -> UnpackedModel:
    """Reads the layers of a model into the store.

    Args:
        context: What to work with.
        name: The model's, for messages.
        answer: What its registry says.
        source: Explains the registry's errors.
        allow_code: Globs of files that may run code when they are loaded.
        keep: Told each digest before it is published.

    Raises:
        NotFoundError: there is no model in them, or several.
        RefusedError: a layer is broken, or a name in it leads out of the model.
        CodeRefusedError, NotAModelError: a file is not one that may be taken.
        ModelsyncError: a layer cannot be had.
    """
    own = layer_rows.own_files(answer)
    merging: list[tuple[Sequence[StoredFile], Sequence[unpack.Removed]]] = []
    raw: dict[tuple[str, str], Found] = {}
    with ExitStack() as held:
        reading = _Reading(context, name)
        for layer in _layers(name, own, source):
            reading.bring(layer, held)
        for file in own:
            if file.layer is None:
                stored = layer_rows.stored(file)
                raw[stored.path, stored.digest] = file
                merging.append(((stored,), ()))
            else:
                merging.append(reading.files_of(file.layer))
        found = reading.found
        meant = layer_rows.choose(merging, [file.layer for file in own if file.layer is not None])
        rows = []
        data = named_data([each.path for each in meant.files])
        for each in meant.files:
            key = (each.path, each.digest)
            if key in raw:
                rows.append(raw[key]._replace(role=each.role))
                continue
            row, unpacked = _row(each, found[key]), found[key]
            claim = Claim(label(name, row), row.path, row.role, row.path in data, leads_out(row.url))
            check_file(context, claim, unpacked.path, allow_code)
            rows.append(row)
        for row in rows:
            unpacked_file = found.get((row.path, f"sha256:{row.sha256}"))
            if unpacked_file is not None and blob_of(context, row) is None:
                _publish(context, row, unpacked_file, keep)
    notes: tuple[str, ...] = (f"{name}: its files were read out of tar layers, to learn their sha256",)
    notes += (f"{name}: {meant.note}",) if meant.note is not None else ()
    return UnpackedModel(
        answer._replace(files=layer_rows.in_order(tuple(rows), answer)), notes, reading.fetched
    )


def _layers(name: str, files: Sequence[Found], source: Source) -> list[Layer]:
    """The layers that have to be read, each once; always in one order, so that no two processes wait for each other."""
    found: dict[str, Layer] = {}
    for file in files:
        url = oci_url.read(file.url or "")
        if file.layer is not None and url is not None:
            explain = partial(_explained, source, str(url))
            found[url.digest] = Layer(f"{name}: layer {url.sha256[:12]}", url, file.layer.size, explain)
    return [found[digest] for digest in sorted(found)]


def _explained(source: Source, url: str, error: ModelsyncError) -> ModelsyncError:
    return source.explain(error, url)


class _Reading:
    """The layers of one model as they are read.

    Args:
        context: What to work with.
        name: The model's, for messages.

    Attributes:
        found: What came out of them, by path and digest: there until the layers go.
        fetched: Bytes that came over the network.
    """

    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        self._name = name
        self._here: dict[str, tuple[Layer, Path]] = {}
        self._done: dict[StoredFile, tuple[list[StoredFile], list[unpack.Removed]]] = {}
        self._room = disk_space.Room(context.store)
        self._count = 0
        self.found: dict[tuple[str, str], UnpackedFile] = {}
        self.fetched = 0

    def bring(self, layer: Layer, held: ExitStack) -> None:
        """Fetches a layer, which is here until `held` ends.

        Raises:
            DiskFullError: there is no room for it, or for as many bytes as it has at least when it is unpacked.
        """
        size = layer.size or 0
        full = self._room.take([(layer.key, size), (f"{layer.key} unpacked", size)])
        if full is not None:
            raise full
        came = held.enter_context(fetched(self._context, layer))
        self._here[layer.url.digest] = layer, came.path
        self.fetched += came.fetched

    def files_of(self, file: StoredFile) -> tuple[list[StoredFile], list[unpack.Removed]]:
        """The files of one layer, and what it removes of those before it; an image may have a layer twice."""
        if file not in self._done:
            layer, path = self._here[file.digest]
            self._done[file] = self._unpack(file, layer, path)
        return self._done[file]

    def _unpack(
        self, file: StoredFile, layer: Layer, path: Path
    ) -> tuple[list[StoredFile], list[unpack.Removed]]:
        files: list[StoredFile] = []
        removed: list[unpack.Removed] = []
        with path.open("rb") as data:
            for member in unpack.members(file, data):
                if isinstance(member, unpack.Removed):
                    removed.append(member)
                elif isinstance(member, unpack.PackedFile) and not (
                    layer_rows.is_told(file) and member.path != file.path
                ):
                    files.append(self._written(file, layer, path, member))
        if layer_rows.is_told(file) and not files:
            raise RefusedError(f"the layer {file.digest} should hold {printable(file.path)}, and does not")
        return files, removed

    def _written(self, file: StoredFile, layer: Layer, path: Path, member: unpack.PackedFile) -> StoredFile:
        """A file out of a layer, written beside it."""
        own = str(layer.url._replace(member=member.name))
        if oci_url.read(own) is None:
            raise RefusedError(f"{self._name}: a name in {file.digest} cannot be written down")
        self._count += 1
        place = path.parent / UNPACKED / str(self._count)
        told = self._context.teller(f"{self._name}: {printable(member.path)}", member.size, "checking")
        digests = write(member, place, told)
        stored = file._replace(
            path=member.path,
            digest=f"sha256:{digests.sha256}",
            size=digests.position,
            packed=False,
            inside="",
        )
        self.found[stored.path, stored.digest] = UnpackedFile(stored, own, place, digests.blocks)
        return stored


def _publish(
    context: Context, row: Found, unpacked: UnpackedFile, keep: Callable[[str], None] | None
) -> None:
    sha256 = row.sha256 or ""
    if keep is not None:
        keep(sha256)
    blobs.publish(
        context.store,
        unpacked.path,
        sha256=sha256,
        blocks=unpacked.blocks,
        origin=BlobOrigin(row.path, row.repo, row.revision, row.url),
    )


def _row(file: StoredFile, unpacked: UnpackedFile) -> Found:
    return Found(file.role, file.path, unpacked.url, file.size, file.digest.removeprefix("sha256:"))

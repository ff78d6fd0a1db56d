"""Reads the files of a tar layer as a stream, in bounded memory. Pure.

What a tar is made of is `content.tars`' business. Links, devices and pipes are no files of a model and are left out;
names that leave the model are refused. Sources: opencontainers/image-spec (layer.md) for removed files, RFC 1952 for
gzip.
"""

import zlib
from collections.abc import Container, Generator, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from modelsync.content import tars
from modelsync.content.packed import most_unpacked
from modelsync.registry.arrange import place
from modelsync.registry.contents import StoredFile
from modelsync.registry.layer_reader import LayerReader, Readable, refusal
from modelsync.spec.lock.model import MAX_FILE_SIZE, MAX_FILES

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class PackedFile(NamedTuple):
    """A file in a layer.

    Attributes:
        path: Where it is in the model.
        size: Its bytes.
        chunks: Its bytes, which are there until the next member is asked for.
        name: Its name in the layer, from the root: `named` finds it by that.
    """

    path: str
    size: int
    chunks: Iterator[bytes]
    name: str


class Removed(NamedTuple):
    """A layer of an image removes a path, with all below it, from what earlier layers have; nothing: all."""

    path: str


class Skipped(NamedTuple):
    """A link or a device in the model's folder, which is no file of it."""

    path: str


Member: TypeAlias = PackedFile | Removed | Skipped


def members(layer: StoredFile, reader: Readable) -> Iterator[Member]:
    """The files of a tar layer, in its order. The reader is read to its end, so that the caller may hash the blob.

    Args:
        layer: A packed file of a model.
        reader: Its bytes.

    Raises:
        RefusedError: it is no tar, or damaged, or a name in it leads out of the model, or it unpacks to more than a
            model has.
        NotFoundError: it is compressed with what is not read.
    """
    source = LayerReader(layer.digest, reader)
    count = 0
    try:
        for member in _through(layer, source):
            if isinstance(member, PackedFile):
                count += 1
                if count > MAX_FILES:
                    raise tars.TarError(f"it has more than {MAX_FILES} files")
            yield member
        source.drain()
    except (tars.TarError, zlib.error) as error:
        raise refusal(layer.digest, error) from None


def named(digest: str, names: Container[str], reader: Readable) -> Iterator[PackedFile]:
    """The files of those names in a tar layer, whatever else is in it.

    Args:
        digest: `sha256:<hex>` of the layer, for messages.
        names: As `PackedFile.name` has them.
        reader: The layer's bytes.

    Raises:
        RefusedError: it is no tar, or damaged.
        NotFoundError: it is compressed with what is not read.
    """
    source = LayerReader(digest, reader)
    try:
        walk = tars.walk(lambda _: None)
        step: tars.Step | None = next(walk)
        while step is not None:
            if isinstance(step, tars.Need):
                step = _send(walk, source.take(step.size))
                continue
            source.begin_member(step.size)
            name = tars.from_root(step.name)
            if name in names:
                yield PackedFile(name, step.size, source.chunks(), name)
            source.skip_to_end_of_member()
            step = _send(walk, b"")
    except (tars.TarError, zlib.error) as error:
        raise refusal(digest, error) from None


def merged(layers: Sequence[tuple[Sequence[StoredFile], Sequence[Removed]]]) -> tuple[StoredFile, ...]:
    """The files of an image: a later layer replaces a path and removes others.

    Args:
        layers: In their order: the files that came out of each, and what it removes.
    """
    found: dict[str, StoredFile] = {}
    for files, removed in layers:
        gone = {each.path for each in removed} | {file.path for file in files}
        folders = {folder for file in files for folder in _up(file.path)[1:]}
        found = {
            path: file
            for path, file in found.items()
            if path not in folders and gone.isdisjoint((*_up(path), ""))
        }
        found |= {file.path: file for file in files}
    return tuple(found.values())


def _up(path: str) -> list[str]:
    """A path and the folders that it is in."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _through(layer: StoredFile, source: LayerReader) -> Iterator[Member]:
    skipped: list[str] = []
    walk = tars.walk(skipped.append)
    step: tars.Step | None = next(walk)
    while step is not None:
        if isinstance(step, tars.Need):
            step = _send(walk, source.take(step.size))
        else:
            member = _member(layer, step, source)
            if member is not None:
                yield member
            source.skip_to_end_of_member()
            step = _send(walk, b"")
        for name in skipped:
            path = _placed(layer, name)
            if path:
                yield Skipped(path)
        skipped.clear()


def _send(walk: Generator[tars.Step, bytes, None], answer: bytes) -> tars.Step | None:
    try:
        return walk.send(answer)
    except StopIteration:
        return None


def _member(layer: StoredFile, member: tars.Member, source: LayerReader) -> Member | None:
    """What a member means for the model; None: nothing."""
    if member.size > MAX_FILE_SIZE:
        raise tars.TarError("a size in it makes no sense")
    if layer.size and member.size > most_unpacked(layer.size):
        raise tars.TarError("it unpacks to far more than its size")
    source.begin_member(member.size)
    path = placed(layer, member.name)
    if path is None or isinstance(path, Removed):
        return path
    return PackedFile(path, member.size, source.chunks(), tars.from_root(member.name))


def placed(layer: StoredFile, name: str) -> str | Removed | None:
    """What a member of that name means for the model: a file at a path, a removal, or nothing.

    Raises:
        RefusedError: it leads out of the model.
    """
    if layer.inside:
        removed = _whiteout(layer, name)
        if removed is not None:
            return removed
    return None if name.endswith("/") else _placed(layer, name) or None  # how old tars name a folder


def _whiteout(layer: StoredFile, name: str) -> Removed | None:
    folder, _, last = tars.from_root(name).rpartition("/")
    if not last.startswith(_WHITEOUT):
        return None
    path = folder if last == _OPAQUE else "/".join(filter(None, (folder, last.removeprefix(_WHITEOUT))))
    if path == layer.inside or not path:
        return Removed("")
    start = f"{layer.inside}/"
    return Removed(place(path.removeprefix(start))) if path.startswith(start) else None


def _placed(layer: StoredFile, name: str) -> str | None:
    """Where a member is in the model; None: it is none of its files.

    Raises:
        RefusedError: it leads out of the model.
    """
    if layer.inside:
        name = tars.from_root(name)
        start = f"{layer.inside}/"
        if not name.startswith(start):
            return None
        name = name.removeprefix(start)
        if name.rpartition("/")[2].startswith(_WHITEOUT):
            return None
    elif layer.path:
        # oras names what is in a folder by the folder's whole path, or by its last part
        folder, _, last = layer.path.rpartition("/")
        while name.startswith("./"):
            name = name[2:]
        if not f"{name}/".startswith((f"{layer.path}/", "/")):
            own = f"{name}/".startswith(f"{last}/")
            name = "/".join(filter(None, (folder if own else layer.path, name)))
    return place(name)

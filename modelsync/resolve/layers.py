"""Reads the tar layers of a registry's model while it is locked: each file in them gets a row of its own."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from modelsync.content.policy import Claim, leads_out, named_data
from modelsync.context import Context
from modelsync.errors import NotFoundError, RefusedError
from modelsync.fetch.file_check import check_file
from modelsync.fetch.layers import Layer, fetched, write
from modelsync.fetch.wanted import blob_of, label
from modelsync.registry import unpack
from modelsync.registry.arrange import arranged, chosen
from modelsync.registry.contents import StoredFile
from modelsync.sources.base import Found, Resolution, Source
from modelsync.spec import oci_url
from modelsync.spec.blocks import Blocks
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.roles import COMPANIONS, OWN_ROLES
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


def has_layers(answer: Resolution) -> bool:
    """Whether some of its files are in layers that have to be read."""
    return any(file.layer is not None for file in answer.files)


def with_manifest(model: LockedModel | None) -> tuple[LockedFile, ...]:
    """The files of the lock, those out of layers with the manifest that they are of: `known` goes by it."""
    if model is None:
        return ()
    return tuple(
        file._replace(revision=model.revision) if oci_url.is_packed(file.url or "") else file
        for file in model.files
    )


def known(answer: Resolution, previous: Sequence[LockedFile]) -> Resolution | None:
    """The answer with the rows of the lock, if they are of the very manifest; None if its layers have to be read.

    Args:
        answer: What the registry says.
        previous: The files of the lock, from `with_manifest`.
    """
    own = [file for file in previous if oci_url.is_oci(file.url or "") and file.role in _roles_of(answer)]
    packed = [file for file in own if oci_url.is_packed(file.url or "")]
    if not packed or any(file.revision != answer.revision for file in packed):
        return None
    rows = tuple(Found(file.role, file.path, file.url, file.size, file.sha256, revision=None) for file in own)
    return answer._replace(files=_in_order(rows, answer))


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
    merging: list[tuple[Sequence[StoredFile], Sequence[unpack.Removed]]] = []
    found: dict[tuple[str, str], UnpackedFile] = {}
    raw: dict[tuple[str, str], Found] = {}
    total = 0
    with ExitStack() as held:
        for file in _own(answer):
            if file.layer is None:
                stored = _stored(file)
                raw[stored.path, stored.digest] = file
                merging.append(((stored,), ()))
                continue
            files, removed = _unpack(context, name, file, source, held, found)
            total += file.layer.size
            merging.append((files, removed))
        layered = any(file.layer is not None and file.layer.inside for file in answer.files)
        flat = tuple(each for files, _ in merging for each in files)
        meant = chosen(arranged(unpack.merged(merging) if layered else flat))
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
    return UnpackedModel(answer._replace(files=_in_order(tuple(rows), answer)), notes, total)


def _unpack(
    context: Context,
    name: str,
    file: Found,
    source: Source,
    held: ExitStack,
    found: dict[tuple[str, str], UnpackedFile],
) -> tuple[list[StoredFile], list[unpack.Removed]]:
    """The files of one layer, written beside it: they are there until `held` ends."""
    layer = file.layer
    url = oci_url.read(file.url or "")
    assert layer is not None
    assert url is not None
    wanted = Layer(
        f"{name}: layer {url.sha256[:12]}",
        url,
        layer.size,
        lambda error: source.explain(error, str(url)),
        lambda: source.publishes(file._replace(sha256=url.sha256), ""),
    )
    path = held.enter_context(fetched(context, wanted))
    files: list[StoredFile] = []
    removed: list[unpack.Removed] = []
    with path.open("rb") as data:
        for number, member in enumerate(unpack.members(layer, data)):
            if isinstance(member, unpack.Removed):
                removed.append(member)
            elif isinstance(member, unpack.PackedFile):
                place = path.parent / "unpacked" / str(number)
                digests = write(member.chunks, place)
                stored = layer._replace(
                    path=member.path,
                    digest=f"sha256:{digests.sha256}",
                    size=digests.position,
                    packed=False,
                    inside="",
                )
                own = str(url._replace(member=member.name))
                if oci_url.read(own) is None:
                    raise RefusedError(f"{name}: a name in {url.digest} cannot be written down")
                found[stored.path, stored.digest] = UnpackedFile(stored, own, place, digests.blocks)
                files.append(stored)
    return files, removed


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


def _stored(file: Found) -> StoredFile:
    return StoredFile(file.path, f"sha256:{file.sha256}", file.size or 0, file.role, False, "")


def _own(answer: Resolution) -> list[Found]:
    """The files of the model's own manifest: those of companions from elsewhere name their own."""
    return [file for file in answer.files if file.revision is None and oci_url.is_oci(file.url or "")]


def _elsewhere(answer: Resolution) -> list[Found]:
    own = set(map(id, _own(answer)))
    return [file for file in answer.files if id(file) not in own]


def _roles_of(answer: Resolution) -> frozenset[str]:
    """The roles of files that come out of the model's own manifest."""
    return frozenset((*OWN_ROLES, *(each.role for each in COMPANIONS))) - {
        file.role for file in _elsewhere(answer)
    }


def _in_order(own: tuple[Found, ...], answer: Resolution) -> tuple[Found, ...]:
    """The files of the model and of its companions, which the request may name from elsewhere.

    Raises:
        NotFoundError: it is a folder, and a companion is named.
    """
    elsewhere = _elsewhere(answer)
    if elsewhere and any(file.role == "file" for file in own):
        raise NotFoundError("it is a folder of files, and what is named beside it goes with a GGUF model")
    roles = _roles_of(answer)
    rows = [file for file in own if file.role in roles]
    found = [file for file in rows if file.role in OWN_ROLES]
    for each in COMPANIONS:
        found += (file for file in (*rows, *elsewhere) if file.role == each.role)
    return tuple(found)

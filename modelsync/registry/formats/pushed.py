"""What a push of our own made: the lock entry in its annotation gives back roles and paths. Pure."""

from collections.abc import Sequence

from modelsync.errors import ModelsyncError
from modelsync.registry.artifact import (
    LOCK_ANNOTATION,
    PATH_ANNOTATION,
    SHA256_ANNOTATION,
    file_paths,
)
from modelsync.registry.contents import Contents, StoredFile
from modelsync.registry.documents import Table
from modelsync.registry.formats.layers import Descriptor, texts_of
from modelsync.registry.image import FOLDER
from modelsync.registry.modelpack import kind_of
from modelsync.spec.lock import read as lock_reader
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.names import folded

NOTE = "the lock entry that came with it does not describe its layers, and was left out"


def read(manifest: Table, layers: Sequence[Descriptor]) -> Contents | str | None:
    """The model that was pushed.

    Returns:
        Its contents; a note, where the entry is none or is not of these layers; None where there is no entry.
    """
    text = texts_of(manifest, "annotations").get(LOCK_ANNOTATION)
    if text is None:
        return None
    try:
        lock = lock_reader.parse(text, where="the lock entry")
    except ModelsyncError:
        return NOTE
    if len(lock.models) != 1:
        return NOTE
    [entry] = lock.models
    files = _raw(entry, layers) or _packed(entry, layers)
    return Contents("modelsync", files, entry.license, entry) if files else NOTE


def _raw(entry: LockedModel, layers: Sequence[Descriptor]) -> tuple[StoredFile, ...]:
    """Its files, if each is a layer with its path, its digest and its size, and other layers are texts."""
    found = {(layer.name, layer.blob.digest, layer.blob.size): layer for layer in layers}
    wanted = [
        (path, f"sha256:{file.sha256}", file.size)
        for path, file in zip(file_paths(entry), entry.files, strict=True)
    ]
    more = found.keys() - set(wanted)
    if not found.keys() >= set(wanted) or not _are_texts(entry, [path for path, _, _ in more]):
        return ()
    return tuple(found[key].file(key[0], file.role) for key, file in zip(wanted, entry.files, strict=True))


def _packed(entry: LockedModel, layers: Sequence[Descriptor]) -> tuple[StoredFile, ...]:
    """Its files, if each is a layer of an image that says so, and other layers are texts."""
    found = {
        (layer.annotations.get(PATH_ANNOTATION, ""), layer.annotations.get(SHA256_ANNOTATION)): layer
        for layer in layers
    }
    wanted = [(path, file.sha256) for path, file in zip(file_paths(entry), entry.files, strict=True)]
    more = found.keys() - set(wanted)
    if not found.keys() >= set(wanted) or not _are_texts(entry, [path for path, _ in more]):
        return ()
    return tuple(
        found[key].packed(inside=FOLDER)._replace(path=key[0], role=file.role)
        for key, file in zip(wanted, entry.files, strict=True)
    )


def _are_texts(entry: LockedModel, paths: Sequence[str]) -> bool:
    """Whether these are paths of licenses and the like, which a push sends along: they are no files of the entry."""
    taken = {folded(path) for path in file_paths(entry)}
    return all(kind_of(path) == "doc" and folded(path) not in taken for path in paths)

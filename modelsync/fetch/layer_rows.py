"""The files of a registry's model that has tar layers: which they are, and the rows of a lock that has them. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

from modelsync.errors import NotFoundError
from modelsync.registry.arrange import Chosen, arranged, chosen
from modelsync.registry.contents import StoredFile
from modelsync.registry.unpack import Removed, merged
from modelsync.sources.base import Found, Resolution
from modelsync.spec import oci_url
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.roles import COMPANIONS, OWN_ROLES

Unpacked: TypeAlias = tuple[
    Sequence[StoredFile], Sequence[Removed]
]  # of one layer: its files, and what it removes


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
    return answer._replace(files=in_order(rows, answer))


def choose(parts: Sequence[Unpacked], layers: Sequence[StoredFile]) -> Chosen:
    """What of all that is in layers, and beside them, is the model.

    Args:
        parts: What each layer has, in their order; a raw layer is a file.
        layers: The tars among them.

    Raises:
        NotFoundError: there is no model, or there are several.
        RefusedError: two files cannot be in one folder.
    """
    files = tuple(each for found, _ in parts for each in found)
    if any(layer.inside for layer in layers):
        files = merged(parts)
    if not all(map(is_told, layers)):  # else roles and order are those of the entry that was pushed
        files = arranged(files)
    return chosen(files)


def is_told(layer: StoredFile) -> bool:
    """Whether the manifest says which file is in a layer, and what it is: of an image that was pushed by us."""
    return bool(layer.inside and layer.path)


def stored(file: Found) -> StoredFile:
    """A raw layer as what it is in its registry."""
    return StoredFile(file.path, f"sha256:{file.sha256}", file.size or 0, file.role, False, "")


def own_files(answer: Resolution) -> list[Found]:
    """The files of the model's own manifest: those of companions from elsewhere name their own."""
    return [file for file in answer.files if file.revision is None and oci_url.is_oci(file.url or "")]


def _elsewhere(answer: Resolution) -> list[Found]:
    own = set(map(id, own_files(answer)))
    return [file for file in answer.files if id(file) not in own]


def _roles_of(answer: Resolution) -> frozenset[str]:
    """The roles of files that come out of the model's own manifest."""
    return frozenset((*OWN_ROLES, *(each.role for each in COMPANIONS))) - {
        file.role for file in _elsewhere(answer)
    }


def in_order(own: tuple[Found, ...], answer: Resolution) -> tuple[Found, ...]:
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

"""What a locked model becomes in a registry: its lock entry, its files' paths, its tags. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from modelsync.registry.forms import Form
from modelsync.registry.repository import digest_of
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.spec.lock.text import dumps
from modelsync.spec.names import folded
from modelsync.spec.view_names import shown_names

LOCK_ANNOTATION = "io.modelsync.lock"  # of a manifest: the entry as a whole models.lock
PATH_ANNOTATION = "io.modelsync.path"  # of an image's layer: the path of its file in the repo
SHA256_ANNOTATION = "io.modelsync.sha256"  # of an image's layer: the digest of its file
_TAG_DIGITS = 12


class Layer(NamedTuple):
    """One file of a model as a blob.

    Attributes:
        file: Its row in the lock.
        path: Where it is in the model.
        digest: `sha256:<hex>` of the blob.
        size: Bytes of the blob.
    """

    file: LockedFile
    path: str
    digest: str
    size: int


class Document(NamedTuple):
    """A short text that a registry keeps: a configuration or a manifest."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """`sha256:<hex>`."""
        return digest_of(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        """How a manifest names it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


class Artifact(NamedTuple):
    """A model as a registry keeps it.

    Attributes:
        layers: The files.
        configs: Configurations, which are blobs too.
        parts: Manifests that the last one names.
        manifest: What tags point at.
    """

    layers: tuple[Layer, ...]
    configs: tuple[Document, ...]
    parts: tuple[Document, ...]
    manifest: Document


def entry_text(model: LockedModel) -> str:
    """The canonical text of a lock entry: a models.lock that has it alone."""
    return dumps(Lock((model,)))


def digest_tag(model: LockedModel, form: Form) -> str:
    """The tag that follows from the lock entry: the same lock gives the same one, and another lock another.

    The two forms of one entry have two manifests, so that of an image says so: neither moves the other's tag.
    """
    tag = hashlib.sha256(entry_text(model).encode()).hexdigest()[:_TAG_DIGITS]
    return tag if form == "modelpack" else f"{tag}-{form}"


def name_tag(model: LockedModel) -> str:
    """`llama3`, or `llama3.server` for a variant."""
    return f"{model.name}.{model.variant}" if model.variant else model.name


def file_paths(model: LockedModel) -> tuple[str, ...]:
    """Where each file is in the model: its path in the repo; where two would be one place, as in a view."""
    paths = [file.path for file in model.files]
    places = [folded(path) for path in paths]
    folders = {place.rsplit("/", count)[0] for place in places for count in range(1, place.count("/") + 1)}
    if len(set(places)) == len(places) and folders.isdisjoint(places):
        return tuple(paths)
    return shown_names(model.files)


def raw_layers(model: LockedModel) -> tuple[Layer, ...]:
    """Each file as it is: the blob has the digest that the lock says."""
    return tuple(
        Layer(file, path, f"sha256:{file.sha256}", file.size)
        for file, path in zip(model.files, file_paths(model), strict=True)
    )


def text_layers(model: LockedModel, texts: Mapping[str, bytes]) -> tuple[Layer, ...]:
    """Texts that are no rows of the lock, such as licenses, as they are; not those whose path a file of it has."""
    taken = {folded(path) for path in file_paths(model)}
    found = []
    for path, data in texts.items():
        sha256 = hashlib.sha256(data).hexdigest()
        if folded(path) not in taken:
            file = LockedFile("file", path, len(data), sha256)
            found.append(Layer(file, path, f"sha256:{sha256}", len(data)))
    return tuple(found)


def has_all_of(stored: bytes, manifest: bytes) -> bool:
    """Whether a manifest says what another one does, and perhaps has more layers: texts that were not known here."""
    try:
        theirs, ours = json.loads(stored), json.loads(manifest)
        more = [layer for layer in theirs["layers"] if layer not in ours["layers"]]
        known = [layer for layer in theirs["layers"] if layer in ours["layers"]]
        ours["config"] = theirs["config"]  # it lists the layers once more
        return bool(more) and {**theirs, "layers": known} == ours
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def source_of(model: LockedModel) -> str | None:
    """The page that a model comes from, or the URL of its first file; None for a file of a machine."""
    for file in model.files:
        if file.url and file.url.startswith("https://"):
            page, resolve, _ = file.url.partition("/resolve/")
            return page if resolve else file.url
    return None


def annotations_of(model: LockedModel) -> dict[str, str]:
    """What a manifest says of its model; no clock, so that the same lock gives the same digest."""
    said = {
        "org.opencontainers.image.title": name_tag(model),
        "org.opencontainers.image.licenses": model.license,
        "org.opencontainers.image.revision": model.revision,
        "org.opencontainers.image.source": source_of(model),
        LOCK_ANNOTATION: entry_text(model),
    }
    return {key: value for key, value in said.items() if value}


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON in one form, byte for byte."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

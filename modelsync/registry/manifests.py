"""Reads what a manifest of a registry holds of a model, in whichever format. Pure.

The formats are told by the types of the configuration, the artifact and the layers; `formats` has each.
"""

from collections.abc import Callable, Sequence

from modelsync.errors import NotFoundError
from modelsync.registry import texts
from modelsync.registry.arrange import arranged
from modelsync.registry.contents import Blob, Contents
from modelsync.registry.documents import Table, config_blob, read, read_manifest, text_of
from modelsync.registry.formats import docker_model, image, kitops, modelpack, ollama, oras, pushed
from modelsync.registry.formats.layers import (
    LICENSES,
    Descriptor,
    Names,
    descriptors,
    licenses,
    texts_of,
)
from modelsync.registry.repository import MANIFEST_LIMIT
from modelsync.registry.unmodels import unmodel
from modelsync.spec.names import printable

Reader = Callable[[Sequence[Descriptor], Table, Names], Contents]

_BY_CONFIG: dict[str, Reader] = {
    **dict.fromkeys(modelpack.CONFIG_TYPES, modelpack.read),
    **dict.fromkeys(docker_model.CONFIG_TYPES, docker_model.read),
    **dict.fromkeys(kitops.CONFIG_TYPES, kitops.read),
    **dict.fromkeys(image.CONFIG_TYPES, image.read),
    **dict.fromkeys(oras.CONFIG_TYPES, oras.read),
}
# Layers of their own types say more than a configuration that several formats have.
_BY_LAYER: tuple[tuple[Callable[[str], bool], Reader], ...] = (
    (modelpack.is_layer, modelpack.read),
    (docker_model.is_layer, docker_model.read),
    (ollama.is_layer, ollama.read),
)
_PUSH = "models are pushed by `modelsync push`, modctl, Docker Model Runner, Ollama, KitOps and oras"


def config_of(manifest: bytes, media_type: str = "") -> Blob | None:
    """The configuration that is to be read first; None: none is needed.

    Args:
        manifest: Its bytes.
        media_type: What the registry says that it is.

    Raises:
        RefusedError: the manifest is broken.
        NotFoundError: it is of no model.
    """
    table = read_manifest(manifest, media_type)
    layers = descriptors(table)
    _check_kind(table, layers)
    if _reader(table, layers) is oras.read:
        return None
    blob = config_blob(table)
    if blob.media_type in oras.CONFIG_TYPES:
        return None
    if blob.size > MANIFEST_LIMIT:
        raise NotFoundError(
            f"its configuration is larger than {MANIFEST_LIMIT >> 20} MiB: no model has such a one"
        )
    return blob


def contents(manifest: bytes, media_type: str, config: bytes | None, name: str, tag: str) -> Contents:
    """The files that a manifest holds.

    Args:
        manifest: Its bytes.
        media_type: What the registry says that it is.
        config: The bytes of its configuration, as `config_of` asks for them; the caller has held them against their
            digest. None: they are not known.
        name: The repository's name, for files without one.
        tag: The tag that it was asked for by; empty if it was none.

    Raises:
        RefusedError: something in it is broken, or not safe to take.
        NotFoundError: it has no model, or one of a kind that is not read.
    """
    table = read_manifest(manifest, media_type)
    layers = descriptors(table)
    _check_kind(table, layers)
    own = pushed.read(table, layers)
    if isinstance(own, Contents):
        return own
    reader = _reader(table, layers)
    said = read(config, "the configuration of the model") if config is not None else {}
    found = reader(layers, said, Names(name, tag))
    if not found.files:
        raise NotFoundError("it holds no file of a model", hint=_PUSH)
    if found.format != "image":  # the order of an image's layers counts
        found = found._replace(files=arranged(found.files))
    if found.license is None:
        found = found._replace(license=licenses(texts_of(table, "annotations").get(LICENSES)))
    if own is not None:
        found = found._replace(notes=(own, *found.notes))
    return texts.with_small(found)


def _check_kind(manifest: Table, layers: Sequence[Descriptor]) -> None:
    """Refuses what is no model by the types in it.

    Raises:
        NotFoundError: it is a signature, a chart, …
        RefusedError: it names no configuration.
    """
    types = (text_of(manifest, "artifactType"), config_blob(manifest).media_type)
    for media_type in (*types, *(layer.blob.media_type for layer in layers)):
        what = unmodel(media_type)
        if what is not None:
            raise NotFoundError(f"this is {what}, and no model ({printable(media_type, 100)})")


def _reader(manifest: Table, layers: Sequence[Descriptor]) -> Reader:
    """Which format it is.

    Raises:
        NotFoundError: none that is known.
    """
    config = config_blob(manifest).media_type
    reader = _BY_CONFIG.get(config)
    if reader is None:
        raise NotFoundError(
            f"its configuration is of a type that no model has: {printable(config, 100)}", hint=_PUSH
        )
    for is_layer, of_layers in _BY_LAYER:
        if any(is_layer(layer.blob.media_type) for layer in layers):
            return of_layers
    if reader is oras.read and text_of(manifest, "artifactType") in modelpack.ARTIFACT_TYPES:
        return modelpack.read
    return reader

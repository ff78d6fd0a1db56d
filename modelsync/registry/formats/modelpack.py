"""CNCF ModelPack, as modctl, KitOps, Docker Model Runner and podman write it. Pure.

Source: modelpack/model-spec (docs/spec.md, config.md, annotations.md); the older types `vnd.cnai` are of dragonfly.
"""

import re
from collections.abc import Sequence

from modelsync.errors import RefusedError
from modelsync.registry.contents import Contents, StoredFile
from modelsync.registry.documents import Table, table_of, text_of
from modelsync.registry.formats.layers import Descriptor, Names, left_out, licenses

CONFIG_TYPES = (
    "application/vnd.cncf.model.config.v1+json",
    "application/vnd.cnai.model.config.v1+json",
)
ARTIFACT_TYPES = (
    "application/vnd.cncf.model.manifest.v1+json",
    "application/vnd.cnai.model.manifest.v1+json",
)
_LAYER = r"application/vnd\.(?:cncf|cnai)\.model\.(weight|weight\.config|doc|code|dataset)\.v1\.(raw|tar(?:\+[a-z]+)?)"
_NO_PART = frozenset({"code", "dataset"})


def read(layers: Sequence[Descriptor], config: Table, names: Names) -> Contents:
    """The files of a ModelPack.

    Raises:
        RefusedError: a path leads out of the model, or a weight has no name.
        NotFoundError: a layer is compressed with what is not read.
    """
    about, settings = table_of(config, "descriptor"), table_of(config, "config")
    is_gguf = text_of(settings, "format").lower() == "gguf"
    files: list[StoredFile] = []
    others: list[str] = []
    for layer in layers:
        match = re.fullmatch(_LAYER, layer.blob.media_type)
        kind, form = match.groups() if match else ("", "raw")
        if kind in _NO_PART:
            others.append(kind)
        elif form != "raw":
            files.append(layer.packed())
        elif layer.name:
            files.append(layer.file(layer.name))
        elif kind == "weight":
            files.append(_unnamed(layer, names, files, is_gguf=is_gguf))
        else:
            others.append(kind or "a layer without a name")
    return Contents("modelpack", tuple(files), licenses(about.get("licenses")), notes=left_out(others))


def is_layer(media_type: str) -> bool:
    """Whether a layer of that type is a ModelPack's."""
    return re.fullmatch(_LAYER, media_type) is not None


def _unnamed(layer: Descriptor, names: Names, files: list[StoredFile], *, is_gguf: bool) -> StoredFile:
    """The one weight of a GGUF model may have no name; of several, nothing says which is which."""
    file = layer.file(names.gguf())
    if not is_gguf or any(other.path == file.path for other in files):
        raise RefusedError("a weight in it has no name, and nothing tells what it is")
    return file

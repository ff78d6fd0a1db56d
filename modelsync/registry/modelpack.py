"""A model as a CNCF ModelPack: each file a raw layer, so that its digest is the lock's. Pure.

The format is that of modelpack/model-spec (docs/spec.md, config.md, annotations.md). Files have both names, by which
Docker Model Runner, modctl, CRI-O and oras know them.
"""

import re
from collections.abc import Sequence
from typing import Any

from modelsync.registry.artifact import (
    Artifact,
    Document,
    Layer,
    annotations_of,
    canonical,
    raw_layers,
    source_of,
)
from modelsync.registry.repository import MANIFEST
from modelsync.spec.labels import quant_of
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.names import file_name

ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
FILEPATH = "org.cncf.model.filepath"
TITLE = "org.opencontainers.image.title"
_LAYER = "application/vnd.cncf.model.{}.v1.raw"

# What a file of a folder model is, by its name; the first that fits, else a weight.
_KINDS = (
    ("doc", r"(?i)(?:licen[cs]e|copying|notice|readme|use_policy|model_card)(?:[.-].*)?|.*\.(?:md|pdf|rst)"),
    ("code", r"(?i).*\.(?:py|sh|cpp|cu|ipynb)"),
    ("weight.config", r"(?i).*\.(?:json|jsonl|ya?ml|toml|txt|jinja|model|tiktoken|vocab|merges)"),
)
_FORMATS = ("gguf", "safetensors", "onnx")


def modelpack(model: LockedModel, texts: Sequence[Layer] = ()) -> Artifact:
    """The configuration and the manifest of a model.

    Args:
        model: Whose files become layers.
        texts: Layers of license files that the lock does not name.
    """
    layers = (*raw_layers(model), *texts)
    config = Document(canonical(_config(model, layers)), CONFIG_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": config.descriptor,
        "layers": [_descriptor(layer) for layer in layers],
        "annotations": annotations_of(model),
    }
    return Artifact(layers, (config,), (), Document(canonical(manifest), MANIFEST))


def media_type(layer: Layer) -> str:
    """What a layer holds. Projectors and adapters are weights too: the format has no other word for them."""
    return _LAYER.format(kind_of(layer.path) if layer.file.role == "file" else "weight")


def kind_of(path: str) -> str:
    """What a file of a folder model is, by its name: `doc`, `code`, `weight.config` or `weight`."""
    name = file_name(path)
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, name)), "weight")


def _descriptor(layer: Layer) -> dict[str, Any]:
    return {
        "mediaType": media_type(layer),
        "digest": layer.digest,
        "size": layer.size,
        "annotations": {FILEPATH: layer.path, TITLE: layer.path},
    }


def _config(model: LockedModel, layers: tuple[Layer, ...]) -> dict[str, Any]:
    descriptor = {
        "name": model.name,
        "version": model.variant,
        "licenses": [model.license] if model.license else None,
        "sourceURL": source_of(model),
        "revision": model.revision,
    }
    weights = [layer.path for layer in layers if media_type(layer) == _LAYER.format("weight")]
    ending = weights[0].rpartition(".")[2].lower() if weights else ""
    about = {
        "format": ending if ending in _FORMATS else None,
        "quantization": quant_of(weights[0]) if weights else None,
    }
    return {
        "descriptor": {key: value for key, value in descriptor.items() if value},
        "config": {key: value for key, value in about.items() if value},
        "modelfs": {"type": "layers", "diffIds": [layer.digest for layer in layers]},
    }

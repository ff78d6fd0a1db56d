"""Ollama's models. Pure.

Source: ollama/ollama (manifest/, server/, types/model/). Layers have types and no names; the configuration is that of a
Docker image.
"""

from collections.abc import Sequence

from modelsync.errors import NotFoundError
from modelsync.registry.contents import Blob, Contents, StoredFile
from modelsync.registry.documents import Table, text_of
from modelsync.registry.formats.layers import Descriptor, Names, left_out
from modelsync.spec.names import printable
from modelsync.spec.roles import Role

PREFIX = "application/vnd.ollama.image."
TEXTS = ("params", "template", "system")  # settings, which become notes
_ROLES: dict[str, tuple[Role, str]] = {
    "model": ("model", ""),
    "projector": ("mmproj", "mmproj-"),
    "adapter": ("lora", "adapter-"),
    "draft": ("draft", "draft-"),
}
_PULL = "models of GGUF files can be had; `hf:` has those of the hub"


def read(layers: Sequence[Descriptor], config: Table, names: Names) -> Contents:
    """The files of a model.

    Raises:
        NotFoundError: it runs in the cloud, is stored as single tensors, or has no model.
    """
    host = text_of(config, "remote_host")
    if host:
        raise NotFoundError(
            f"this is a cloud model, which runs at {printable(host, 80)}: it has no weights to fetch",
            hint="choose a tag without `cloud`",
        )
    files: list[StoredFile] = []
    small: list[Blob] = []
    others: list[str] = []
    counts: dict[str, int] = {}
    for layer in layers:
        kind = layer.blob.media_type.removeprefix(PREFIX)
        counts[kind] = number = counts.get(kind, 0) + 1
        if kind == "tensor":
            raise NotFoundError(
                "this model is stored as single tensors, for MLX, and is no GGUF file", hint=_PULL
            )
        if kind in _ROLES:
            role, prefix = _ROLES[kind]
            files.append(layer.file(names.gguf(prefix, number), role))
        elif kind == "license":
            files.append(layer.file("LICENSE" if number == 1 else f"LICENSE-{number}"))
        elif kind in TEXTS:
            small.append(layer.blob)
        else:
            others.append(kind if layer.blob.media_type.startswith(PREFIX) else "a layer of another kind")
    if counts.get("model") != 1:
        what = "no model" if not counts.get("model") else f"{counts['model']} models"
        raise NotFoundError(f"it has {what} among its layers, where one is expected", hint=_PULL)
    return Contents(
        "ollama", tuple(files), notes=left_out(printable(kind, 40) for kind in others), small=tuple(small)
    )


def is_layer(media_type: str) -> bool:
    """Whether a layer of that type is one of Ollama's."""
    return media_type.startswith(PREFIX)

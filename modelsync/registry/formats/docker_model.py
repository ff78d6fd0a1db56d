"""Docker Model Runner's own format, v0.1 and v0.2. Pure.

Source: docker/model-runner (pkg/distribution) and docker/model-spec. Layers have had paths since late 2025; before, a
type tells what a layer is and the order tells which part.
"""

import re
from collections.abc import Sequence

from modelsync.registry.contents import Contents, StoredFile
from modelsync.registry.documents import Table, table_of
from modelsync.registry.formats.layers import Descriptor, Names, left_out
from modelsync.spec.file_kinds import is_projector
from modelsync.spec.roles import Role

CONFIG_TYPES = (
    "application/vnd.docker.ai.model.config.v0.1+json",
    "application/vnd.docker.ai.model.config.v0.2+json",
)
_PREFIX = "application/vnd.docker.ai."
_GGUF = r"gguf\.v[0-9]+"
# What a layer without a path is called: the first of its kind, and one of several.
_ONE_OF: dict[str, tuple[str, str]] = {
    "safetensors": ("model.safetensors", "model-{:05d}-of-{:05d}.safetensors"),
    "dduf": ("model.dduf", "model-{:05d}-of-{:05d}.dduf"),
    "license": ("LICENSE", "LICENSE-{}"),
    "chat.template.jinja": ("template.jinja", "template-{}.jinja"),
}
_TARS = frozenset({"vllm.config.tar", "dir.tar"})


def read(layers: Sequence[Descriptor], config: Table, names: Names) -> Contents:
    """The files of a model.

    Raises:
        RefusedError: a path leads out of the model.
    """
    kinds: dict[str, list[Descriptor]] = {}
    for layer in layers:
        kinds.setdefault(layer.blob.media_type.removeprefix(_PREFIX), []).append(layer)
    files: list[StoredFile] = []
    others: list[str] = []
    for kind, same in kinds.items():
        role = _gguf_role(kind)
        if role is not None:
            files += _ggufs(same, role, names)
        elif kind in _TARS:
            files += (layer.packed() for layer in same)
        elif kind in _ONE_OF:
            files += (
                layer.file(path) for layer, path in zip(same, _paths(same, *_ONE_OF[kind]), strict=True)
            )
        else:
            files += (layer.file(layer.name) for layer in same if layer.name)
            others += ("a layer without a name" for layer in same if not layer.name)
    return Contents("docker-model", tuple(files), notes=(*_context(config), *left_out(others)))


def is_layer(media_type: str) -> bool:
    """Whether a layer of that type is one of Docker Model Runner's."""
    return media_type.startswith(_PREFIX)


def _gguf_role(kind: str) -> Role | None:
    if re.fullmatch(_GGUF, kind):
        return "model"
    if kind == "mmproj" or re.fullmatch(rf"{_GGUF}\.mmproj", kind):
        return "mmproj"
    return "lora" if re.fullmatch(rf"{_GGUF}\.lora", kind) else None


def _ggufs(layers: Sequence[Descriptor], role: Role, names: Names) -> list[StoredFile]:
    """A model's parts in order, or its companions."""
    if role == "model":
        many = f"{names.stem.replace('{', '').replace('}', '')}-{{:05d}}-of-{{:05d}}.gguf"
        files = [
            layer.file(path, role)
            for layer, path in zip(layers, _paths(layers, names.gguf(), many), strict=True)
        ]
        return [
            file._replace(role="mmproj") if is_projector(file.path) and named else file
            for file, named in zip(files, (layer.name for layer in layers), strict=True)
        ]
    prefix = f"{'adapter' if role == 'lora' else role}-"
    return [
        layer.file(layer.name or names.gguf(prefix, number), role) for number, layer in enumerate(layers, 1)
    ]


def _paths(layers: Sequence[Descriptor], one: str, many: str) -> list[str]:
    """Their own paths where all have one, else names by their number."""
    if all(layer.name for layer in layers):
        return [layer.name for layer in layers]
    if len(layers) == 1:
        return [one]
    return [many.format(number, len(layers)) for number in range(1, len(layers) + 1)]


def _context(config: Table) -> tuple[str, ...]:
    size = table_of(config, "config").get("context_size")
    if type(size) is not int or not 0 < size < 2**31:
        return ()
    return (f"it is packaged for a context of {size}: `load = {{ n_ctx = {size} }}` in models.toml sets it",)

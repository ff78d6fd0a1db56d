"""What is fuzzed of registries: manifests with their configurations, and tar layers."""

import contextlib
import gzip
import io
import json
from collections.abc import Callable

from modelsync.errors import ModelsyncError
from modelsync.registry import manifests, texts, unpack
from modelsync.registry.arrange import arranged, chosen
from modelsync.registry.contents import StoredFile
from modelsync.registry.indexes import index_choice
from modelsync.registry.modelpack import modelpack
from modelsync.registry.repository import INDEX, MANIFEST
from modelsync.spec.names import clash, path_fault
from tests.support import any_files
from tests.support.locks import LOCK

DIGEST = f"sha256:{'ab' * 32}"
_LAYERS = tuple(
    StoredFile(path, DIGEST, 1, "file", True, "x", inside)
    for path, inside in (("", ""), ("docs", ""), ("", "models"))
)


def registry(data: bytes) -> None:
    """What a registry says of a model: the first line is a manifest or an index, the second its configuration."""
    document, _, config = data.partition(b"\n")
    for read in (manifests.config_of, index_choice):
        with contextlib.suppress(ModelsyncError):
            read(document)
    found = manifests.contents(document, "", config or None, "library/m", "v1")
    told = texts.with_texts(found, {blob.digest: config for blob in found.small})
    own = [file.path for file in told.files if not file.packed]
    assert not any(map(path_fault, own)), "a path leaves the model"
    assert clash(own) is None, "two files have one place"
    assert all(note.isprintable() for note in told.notes), "a note is not for a terminal"
    chosen(told.files)


def layer(data: bytes) -> None:
    """A tar layer of a registry: the first byte says of which kind, the rest are its bytes."""
    stored = _LAYERS[data[0] % len(_LAYERS)] if data else _LAYERS[0]
    files = []
    for member in unpack.members(stored, io.BytesIO(data[1:])):
        assert not member.path or path_fault(member.path) is None, "a path leaves the model"
        if isinstance(member, unpack.PackedFile):
            assert sum(map(len, member.chunks)) == member.size, "a file has another size"
            files.append(StoredFile(member.path, DIGEST, member.size, "file", False, "x"))
    arranged(unpack.merged([(files, ())]))


_BLOB = {"mediaType": "application/vnd.cncf.model.config.v1+json", "digest": DIGEST, "size": 9}
_LAYER_NAMES = {"org.cncf.model.filepath": "m.gguf", "org.opencontainers.image.title": "m.gguf"}


def _manifest(config: str, *layers: str, named: bool = True) -> bytes:
    """A manifest and its configuration, each on a line."""
    names = {"annotations": _LAYER_NAMES} if named else {}
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {**_BLOB, "mediaType": f"application/vnd.{config}+json"},
        "layers": [{**_BLOB, "mediaType": f"application/vnd.{layer}", **names} for layer in layers],
    }
    about = {"descriptor": {"licenses": ["mit"]}, "config": {"format": "gguf"}, "model": {"path": "."}}
    return json.dumps(value).encode() + b"\n" + json.dumps(about).encode()


_INDEX = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**_BLOB, "mediaType": MANIFEST}]}
_OLLAMA = tuple(
    f"ollama.image.{kind}" for kind in ("model", "projector", "adapter", "license", "params", "tensor")
)
TARGETS: dict[str, Callable[[bytes], None]] = {"registry": registry, "layer": layer}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "registry": (
        modelpack(LOCK.models[0]).manifest.data,
        _manifest("cncf.model.config.v1", "cncf.model.weight.v1.raw"),
        _manifest("docker.ai.model.config.v0.1", "docker.ai.gguf.v3", "docker.ai.mmproj", named=False),
        _manifest("docker.container.image.v1", *_OLLAMA, named=False),
        _manifest("kitops.modelkit.config.v1", "kitops.modelkit.model.v1.tar", named=False),
        _manifest("oci.empty.v1", "oci.image.layer.v1.tar"),
        _manifest("oci.image.config.v1", "oci.image.layer.v1.tar+gzip", named=False),
        json.dumps(_INDEX).encode(),
    ),
    "layer": tuple(
        bytes((number,)) + pack(any_files.tarred({name: b"GGUF" * 9, "b" * 120: b"", "models/c": b"x"}))
        for number, name in enumerate(("a", "docs/a", "models/.wh.a"))
        for pack in (bytes, gzip.compress)
    ),
}

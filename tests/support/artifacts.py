"""Models put into a registry by hand, byte for byte as the tools that make them do."""

import hashlib
import io
import json
import tarfile
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

MODELPACK_CONFIG = "application/vnd.cncf.model.config.v1+json"
MODELPACK_ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
FILEPATH = "org.cncf.model.filepath"
TITLE = "org.opencontainers.image.title"
RAW_WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
DOCKER_CONFIG_1 = "application/vnd.docker.ai.model.config.v0.1+json"
DOCKER_CONFIG_2 = "application/vnd.docker.ai.model.config.v0.2+json"
DOCKER_GGUF = "application/vnd.docker.ai.gguf.v3"
DOCKER_MMPROJ = "application/vnd.docker.ai.mmproj"
DOCKER_LICENSE = "application/vnd.docker.ai.license"
OLLAMA_CONFIG = "application/vnd.docker.container.image.v1+json"
OLLAMA = "application/vnd.ollama.image."
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
IMAGE_TAR = "application/vnd.oci.image.layer.v1.tar"
KIT_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
KIT_MODEL = "application/vnd.kitops.modelkit.model.v1.tar+gzip"


class Layer(NamedTuple):
    """A layer: its type, its bytes, its annotations."""

    media_type: str
    data: bytes
    annotations: Mapping[str, str] = {}


class Stored(NamedTuple):
    """A manifest and all that it names, by digest."""

    data: bytes
    media_type: str
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the manifest."""
        return digest_of(self.data)


def digest_of(data: bytes) -> str:
    """`sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def artifact(
    config_type: str,
    config: Mapping[str, Any],
    layers: Sequence[Layer],
    *,
    media_type: str = MANIFEST,
    **more: Any,
) -> Stored:
    """A manifest of some layers."""
    coded = json.dumps(config).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config_type, coded),
        "layers": [
            {
                **descriptor(each.media_type, each.data),
                **({"annotations": dict(each.annotations)} if each.annotations else {}),
            }
            for each in layers
        ],
        **more,
    }
    blobs = {digest_of(data): data for data in (coded, *(each.data for each in layers))}
    return Stored(json.dumps(manifest).encode(), media_type, blobs)


def descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    """How a manifest names bytes."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def modelpack(files: Mapping[str, bytes], licenses: Sequence[str] = ("mit",)) -> Stored:
    """A ModelPack of raw layers, as modctl makes it."""
    config = {
        "descriptor": {"name": "m", "licenses": list(licenses)},
        "config": {"format": "gguf"},
        "modelfs": {"type": "layers", "diffIds": [digest_of(data) for data in files.values()]},
    }
    layers = [Layer(RAW_WEIGHT, data, {FILEPATH: path}) for path, data in files.items()]
    return artifact(MODELPACK_CONFIG, config, layers, artifactType=MODELPACK_ARTIFACT)


def docker_model(layers: Sequence[Layer], config_type: str = DOCKER_CONFIG_1) -> Stored:
    """A model of Docker Model Runner."""
    config = {
        "config": {"format": "gguf", "quantization": "Q4_K_M", "parameters": "1 M", "architecture": "llama"},
        "descriptor": {"created": "2025-03-01T00:00:00Z"},
        "rootfs": {"type": "rootfs", "diff_ids": [digest_of(each.data) for each in layers]},
    }
    return artifact(config_type, config, layers)


def ollama_model(layers: Mapping[str, bytes], **config: Any) -> Stored:
    """A model of Ollama; its layers by the last word of their type."""
    said = {
        "model_format": "gguf",
        "model_family": "llama",
        "model_type": "1B",
        "file_type": "Q4_K_M",
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for data in layers.values()]},
        **config,
    }
    stored = [Layer(f"{OLLAMA}{kind}", data) for kind, data in layers.items()]
    return artifact(OLLAMA_CONFIG, said, stored, media_type=DOCKER_MANIFEST)


def image(*layers: bytes, media_type: str = IMAGE_TAR) -> Stored:
    """A container image of these layers."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    return artifact(IMAGE_CONFIG, config, [Layer(media_type, data) for data in layers])


def tar(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar of some files; `mode` as of `tarfile.open`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:  # type: ignore[call-overload]
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return out.getvalue()


def store(target: str, stored: Stored, *tags: str) -> str:
    """Puts a manifest and its blobs into a registry that asks for no login; returns the manifest's digest.

    Args:
        target: `oci://host:port/repository`.
        stored: What is put there.
        tags: What it is called; by its digest it is there too.
    """
    host, _, name = target.removeprefix("oci://").partition("/")
    base = f"http://{host}/v2/{name}"
    for digest, data in stored.blobs.items():
        where = _send("POST", f"{base}/blobs/uploads/", b"")
        joint = "&" if "?" in where else "?"
        _send("PUT", f"{where}{joint}digest={digest}", data, "application/octet-stream")
    for reference in (stored.digest, *tags):
        _send("PUT", f"{base}/manifests/{reference}", stored.data, stored.media_type)
    return stored.digest


def _send(method: str, url: str, data: bytes, content_type: str = "") -> str:
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request) as answer:
        return str(answer.headers.get("Location", ""))

"""Makes manifests to the letter of each format."""

import json
from collections.abc import Mapping
from typing import Any

from modelsync.registry import arrange, manifests
from modelsync.registry.contents import Contents
from modelsync.registry.repository import DOCKER_MANIFEST, MANIFEST
from tests.support.artifacts import FILEPATH, OLLAMA_CONFIG, TITLE, descriptor, digest_of

CNCF = "application/vnd.cncf.model."
DOCKER_AI = "application/vnd.docker.ai."


def digest(text: str | bytes) -> str:
    """The digest of some bytes; of a text, of its UTF-8."""
    return digest_of(text.encode() if isinstance(text, str) else text)


def layer(
    media_type: str, name: str = "", size: int = 100, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A layer with a name in both annotations, where it has one."""
    said = {FILEPATH: name, TITLE: name} if name else {}
    found: dict[str, Any] = {
        "mediaType": media_type,
        "digest": digest(f"{media_type} {name} {size}"),
        "size": size,
    }
    if said or annotations:
        found["annotations"] = said | dict(annotations or {})
    return found


def manifest(config_type: str, *layers: dict[str, Any], config: Any = None, **other: Any) -> dict[str, Any]:
    """A manifest; the configuration goes with it as `_config`, and is no part of it."""
    data = json.dumps(config or {}).encode()
    return {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if config_type == OLLAMA_CONFIG else MANIFEST,
        "config": descriptor(config_type, data),
        "layers": list(layers),
        "_config": config or {},
    } | other


def contents(made: dict[str, Any], name: str = "library/llama3.2", tag: str = "3b") -> Contents:
    """What is in a manifest."""
    plain = {key: value for key, value in made.items() if key != "_config"}
    data = json.dumps(plain).encode()
    config = json.dumps(made.get("_config", {})).encode() if manifests.config_of(data) else None
    return manifests.contents(data, "text/plain", config, name, tag)


def roles(made: dict[str, Any] | Contents) -> list[tuple[str, str]]:
    """Path and role of each file."""
    found = made if isinstance(made, Contents) else contents(made)
    return [(file.path, file.role) for file in found.files]


def model_of(made: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and role of each file for who names none."""
    return [(file.path, file.role) for file in arrange.chosen(contents(made).files).files]

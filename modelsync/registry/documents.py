"""Parses manifests, indexes and configurations of a registry. None of them is trusted. Pure.

Their shapes are those of opencontainers/image-spec (manifest.md, image-index.md, descriptor.md).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from modelsync.errors import NotFoundError, RefusedError
from modelsync.net.documents import excess_of
from modelsync.registry.contents import Blob
from modelsync.registry.repository import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, MANIFEST_LIMIT
from modelsync.spec.lock.model import MAX_FILE_SIZE, MAX_FILES
from modelsync.spec.names import printable

MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
INDEXES = (INDEX, DOCKER_INDEX)
MAX_LISTED = 1_000  # manifests of one index
DEEPEST_INDEX = 4  # an index may name another
_MAX_TYPE = 255  # characters of a media type, as RFC 6838 has it
_DIGEST = r"(?a)sha256:[0-9a-f]{64}"
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_WITHDRAWN = "application/vnd.oci.artifact.manifest.v1+json"

Table = Mapping[str, Any]


def read(data: bytes, what: str) -> dict[str, Any]:
    """Parses one JSON object.

    Args:
        data: Its bytes.
        what: What messages call it, such as `the manifest`.

    Raises:
        RefusedError: it is too long, nested too deeply, has a key twice, or is no JSON object.
    """
    if len(data) > MANIFEST_LIMIT:
        raise RefusedError(f"{what} is larger than {MANIFEST_LIMIT >> 20} MiB, which no registry has to take")
    excess = excess_of(data)
    if excess is not None:
        raise RefusedError(f"{what} is {excess}")
    try:
        value = json.loads(str(data, "utf-8"), object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise RefusedError(f"{what} is no JSON that readers agree about") from None
    if not isinstance(value, dict):
        raise RefusedError(f"{what} is no JSON object")
    return value


def read_manifest(data: bytes, media_type: str = "") -> dict[str, Any]:
    """Parses a manifest of one model.

    Args:
        data: Its bytes.
        media_type: What the registry says that it is; the manifest's own word comes first.

    Raises:
        RefusedError: it is broken.
        NotFoundError: it is an index, or of a kind that has no models.
    """
    manifest = _versioned(data, media_type)
    if "manifests" in manifest and "layers" not in manifest:
        raise NotFoundError("this is an index of manifests, and no manifest of a model")
    return manifest


def read_index(data: bytes, media_type: str = "") -> list[dict[str, Any]]:
    """Parses an index: the descriptors that it lists.

    Raises:
        RefusedError: it is broken, or lists too many.
        NotFoundError: it is no index.
    """
    index = _versioned(data, media_type)
    if "manifests" not in index:
        raise NotFoundError("this is a manifest, and no index of several")
    return tables(index, "manifests", MAX_LISTED, "the index")


def is_index(data: bytes, media_type: str = "") -> bool:
    """Whether these bytes are an index and no manifest; what is neither is told by whoever reads it."""
    try:
        value = read(data, "the manifest")
    except RefusedError:
        return False
    return _said_type(value, media_type) in INDEXES or ("manifests" in value and "layers" not in value)


def _versioned(data: bytes, media_type: str) -> dict[str, Any]:
    manifest = read(data, "the manifest")
    said, version = _said_type(manifest, media_type), manifest.get("schemaVersion")
    if type(version) is not int:  # a bool is an int too
        version = None
    if said.startswith(_SCHEMA_1) or version == 1:
        raise NotFoundError(
            "the manifest is of schema 1, which no model has",
            hint="push the model again with a tool of today; registries no longer take this kind",
        )
    if said == _WITHDRAWN:
        raise NotFoundError(
            "the manifest is of a kind that was withdrawn before OCI 1.1",
            hint="push the model again with a tool of today",
        )
    if said and said not in (*MANIFESTS, *INDEXES) and not ({"layers", "manifests"} & manifest.keys()):
        raise NotFoundError(f"the manifest is of the unknown type `{printable(said, 100)}`")
    if version != 2:
        raise RefusedError("the manifest is broken: its schemaVersion is not 2")
    return manifest


def _said_type(manifest: Table, media_type: str) -> str:
    said = manifest.get("mediaType")
    return said if isinstance(said, str) and said else media_type


def tables(table: Table, key: str, limit: int, what: str = "the manifest") -> list[dict[str, Any]]:
    """A list of objects.

    Raises:
        RefusedError: it is none, or longer than `limit`.
    """
    value = table.get(key)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RefusedError(f"{what} is broken: `{key}` is no list of objects")
    if len(value) > limit:
        raise RefusedError(f"{what} lists {len(value)} {key}: more than {limit} are not taken")
    return value


def layers_of(manifest: Table) -> list[dict[str, Any]]:
    """The descriptors of a manifest's layers.

    Raises:
        RefusedError: there are none that can be read, or too many.
    """
    return tables(manifest, "layers", MAX_FILES)


def table_of(table: Table, key: str) -> dict[str, Any]:
    """An object in an object; an empty one where it is missing or of another kind."""
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def text_of(table: Table, key: str) -> str:
    """A text in an object; an empty one where it is missing or of another kind."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def blob_of(descriptor: Table, what: str) -> Blob:
    """What a descriptor names.

    Args:
        descriptor: As the manifest has it.
        what: What messages call it, such as `a layer`.

    Raises:
        RefusedError: its type, its digest or its size is none.
    """
    media_type, digest, size = (descriptor.get(key) for key in ("mediaType", "digest", "size"))
    if not isinstance(media_type, str) or not media_type or len(media_type) > _MAX_TYPE:
        raise RefusedError(f"the manifest is broken: {what} has no media type")
    if not isinstance(digest, str) or not re.fullmatch(_DIGEST, digest):
        shown = printable(digest, 80) if isinstance(digest, str) else "nothing"
        raise RefusedError(f"the manifest is broken: {what} has `{shown}` for a sha256 digest")
    if type(size) is not int or not 0 <= size <= MAX_FILE_SIZE:  # a bool is an int too
        shown = "a number out of all bounds" if isinstance(size, int) else "no number of bytes"
        raise RefusedError(f"the manifest is broken: the size of {what} is {shown}")
    return Blob(digest, size, media_type)


def config_blob(manifest: Table) -> Blob:
    """The configuration that a manifest names.

    Raises:
        RefusedError: it names none.
    """
    config = manifest.get("config")
    if not isinstance(config, dict):
        raise RefusedError("the manifest is broken: it names no configuration")
    return blob_of(config, "the configuration")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once: of two, readers take the first or the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refused(_: str) -> None:
    """NaN and the infinities are no JSON."""
    raise ValueError

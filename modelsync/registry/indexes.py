"""Chooses one manifest of an index. Pure.

Which one follows from the index alone, never from this machine: a lock is the same on each.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from modelsync.errors import NotFoundError, RefusedError
from modelsync.registry.contents import Blob, Choice
from modelsync.registry.documents import (
    DEEPEST_INDEX,
    INDEXES,
    MANIFESTS,
    blob_of,
    read_index,
    table_of,
    text_of,
)
from modelsync.registry.unmodels import unmodel
from modelsync.spec.names import listed, printable

_REFERENCE = "vnd.docker.reference.type"  # of an attestation that buildkit puts beside an image
_PREFERRED = ("linux/amd64", "linux/arm64")  # files of a model are the same for both


class _Listed(NamedTuple):
    blob: Blob
    platform: str


def index_choice(index: bytes, media_type: str = "", depth: int = 0) -> Choice:
    """Chooses the manifest of a model: the only one, else that of the first platform.

    Args:
        index: Its bytes.
        media_type: What the registry says that it is.
        depth: How many indexes led to this one.

    Raises:
        RefusedError: the index is broken, lists too many, or is one too many in a row.
        NotFoundError: no manifest in it is a model's, or nothing tells several apart.
    """
    if depth >= DEEPEST_INDEX:
        raise RefusedError("an index leads to an index, and so on without an end")
    found = _unique([_read(each) for each in read_index(index, media_type) if _may_be_model(each)])
    if not found:
        raise NotFoundError("the index lists no manifest of a model")
    if len(found) == 1:
        return Choice(found[0].blob)
    ranked = sorted(found, key=lambda each: _rank(each.platform))
    if ranked[0].platform == ranked[1].platform:
        names = listed([each.blob.digest for each in found])
        raise NotFoundError(
            f"the index lists {len(found)} manifests, and nothing tells which one is meant",
            hint=f"name one by its digest, behind `@`: {names}",
        )
    first, *others = (each.platform or "the manifest without a platform" for each in ranked)
    return Choice(ranked[0].blob, f"took {first} of the index; it has {listed(others)} too")


def _read(descriptor: dict[str, Any]) -> _Listed:
    platform = table_of(descriptor, "platform")
    parts = (text_of(platform, key) for key in ("os", "architecture", "variant"))
    return _Listed(
        blob_of(descriptor, "a manifest in the index"), printable("/".join(filter(None, parts)), 60)
    )


def _may_be_model(descriptor: dict[str, Any]) -> bool:
    """Whether it is a manifest or an index, and none of an attestation, a signature or the like."""
    if text_of(descriptor, "mediaType") not in (*MANIFESTS, *INDEXES):
        return False
    if _REFERENCE in table_of(descriptor, "annotations"):
        return False
    return unmodel(text_of(descriptor, "artifactType")) is None


def _unique(found: Sequence[_Listed]) -> list[_Listed]:
    """Each manifest once: that of one platform may be listed for a second one too."""
    return list({each.blob.digest: each for each in reversed(found)}.values())[::-1]


def _rank(platform: str) -> tuple[int, str]:
    for number, preferred in enumerate(_PREFERRED):
        if platform == preferred:
            return number, platform
    return len(_PREFERRED) + (not platform.startswith("linux")), platform

"""Which repository of a registry was last given a blob: another repository there may take it over from that one."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from modelsync.errors import ModelsyncError
from modelsync.store import atomic, small_files
from modelsync.store.layout import PUSHED, Store

_MOST = 4096  # blobs of one registry; the oldest are forgotten


def remember(store: Store, registry: str, repository: str, digests: Iterable[str]) -> None:
    """Says that a repository has these blobs. A store that cannot be written remembers nothing."""
    known = recall(store, registry)
    for digest in digests:
        known.pop(digest, None)
        known[digest] = repository
    kept = dict(list(known.items())[-_MOST:])
    data = json.dumps({"registry": registry, "blobs": kept}).encode()
    with suppress(ModelsyncError, OSError):
        atomic.put(store, _path(store, registry), data)


def recall(store: Store, registry: str) -> dict[str, str]:
    """Digest to repository, oldest first."""

    def parse(said: object) -> dict[str, str] | None:
        if not isinstance(said, dict) or said["registry"] != registry:
            return None
        blobs = said["blobs"].items()
        return {digest: name for digest, name in blobs if isinstance(digest, str) and isinstance(name, str)}

    return small_files.parsed(_path(store, registry), parse) or {}


def _path(store: Store, registry: str) -> Path:
    return store.root / PUSHED / f"{hashlib.sha256(registry.encode()).hexdigest()[:16]}.json"

"""Receipts: what a blob was when it was hashed. Light to read.

A receipt says "the file of this name had this size and time when its sha256 was last found right". As long
as a blob still has both, nobody reads it again to know what it is. The receipt also keeps the seal (a
BLAKE3, which finds rot at memory speed) and where the bytes came from, for `cache list`.
"""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.store import disk
from modelsync.store.layout import Store, receipt_in

if TYPE_CHECKING:
    from pathlib import Path

DAMAGED = ""  # the seal of a file that was hashed and is not what it should be
MAX_ORIGINS = 16
_SECOND = 1_000_000_000


class Origin(NamedTuple):
    """Where a blob came from: a file's path, its repo and commit, its canonical URL (no secret in it)."""

    path: str
    repo: str | None = None
    revision: str | None = None
    url: str | None = None


class Receipt(NamedTuple):
    """A blob's size in bytes and modification time in ns when it was hashed, its BLAKE3 in hex, its origins."""

    size: int
    mtime_ns: int
    blake3: str
    origins: tuple[Origin, ...] = ()

    def fits(self, seen: os.stat_result) -> bool:
        """Whether a file still has the size and time that it was hashed with."""
        return seen.st_size == self.size and same_time(self.mtime_ns, seen.st_mtime_ns)


def same_time(recorded: int, seen: int) -> bool:
    """Whether two times in ns are one, where the second may have lost its fraction.

    Archives and image layers keep whole seconds: what went through one is still known.
    """
    return seen in (recorded, recorded - recorded % _SECOND)


def read(place: "Path | str", sha256: str) -> Receipt | None:
    """The receipt of a blob in the store rooted at `place`; None where there is none, or none that makes sense."""
    try:
        descriptor = os.open(receipt_in(place, sha256), os.O_RDONLY)
        try:
            data = os.read(descriptor, 65_536)
        finally:
            os.close(descriptor)
        return _parse(json.loads(data))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def fitting(store: Store, sha256: str, seen: os.stat_result) -> Receipt | None:
    """The receipt that tells of a file of this size and time that it is the blob; None if none does.

    The store's own is asked first. It may also tell of a blob in a store that only is read and has no receipt of its
    own that fits: one that was found good when it was hashed again.
    """
    for place in store.places:
        receipt = read(place, sha256)
        if receipt is not None and receipt.fits(seen):
            return receipt if receipt.blake3 != DAMAGED else None
    return None


def write(store: Store, sha256: str, receipt: Receipt) -> None:
    """Writes a receipt into the store's own root."""
    disk.write(store, store.receipt_path(sha256), dumps(receipt))


def dumps(receipt: Receipt) -> bytes:
    """The receipt as it is written."""
    origins = [{k: v for k, v in origin._asdict().items() if v is not None} for origin in receipt.origins]
    value = {"size": receipt.size, "mtime_ns": receipt.mtime_ns, "blake3": receipt.blake3, "from": origins}
    return json.dumps(value).encode()


def _parse(value: Mapping[str, Any]) -> Receipt | None:
    size, mtime_ns, blake3, origins = value["size"], value["mtime_ns"], value["blake3"], value.get("from", [])
    if (
        type(size) is not int
        or type(mtime_ns) is not int
        or type(blake3) is not str
        or type(origins) is not list
    ):
        return None
    return Receipt(size, mtime_ns, blake3, tuple(_origin(o) for o in origins[:MAX_ORIGINS]))


def _origin(value: Mapping[str, Any]) -> Origin:
    def text(key: str) -> str | None:
        return value[key] if isinstance(value.get(key), str) else None

    return Origin(text("path") or "", text("repo"), text("revision"), text("url"))

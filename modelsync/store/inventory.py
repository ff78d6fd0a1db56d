"""What a person sees of the store: how large it is, and what is in it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelsync.store import blobs, receipts, survey
from modelsync.store.layout import RECEIPTS, Store


class StoreSize(NamedTuple):
    """How much there is: blobs and their bytes, partials and their bytes, bytes of copies in views and the rest."""

    blobs: int
    blob_bytes: int
    partials: int
    partial_bytes: int
    other_bytes: int

    @property
    def bytes(self) -> int:
        """What the store takes on the disk, in bytes."""
        return self.blob_bytes + self.partial_bytes + self.other_bytes


class StoredBlob(NamedTuple):
    """One blob.

    Attributes:
        sha256: Its digest, in hex.
        size: Bytes.
        path: Where it is.
        origins: Where it came from.
        needed_by: Paths of locks, and URIs of pulls, that need it; locks that are gone are in it until prune.
    """

    sha256: str
    size: int
    path: Path
    origins: tuple[receipts.BlobOrigin, ...]
    needed_by: tuple[str, ...]


def size(store: Store) -> StoreSize:
    """How large the store is. Read-only stores are not counted.

    Raises:
        StoreError: it cannot be looked at.
    """
    found = survey.take(store, time.time())
    blobs, partials = found.of("blob"), found.of("partial")
    mine = sum(thing.bytes for thing in blobs), sum(thing.bytes for thing in partials)
    other = sum(thing.bytes for thing in found.things) - sum(mine)
    return StoreSize(len(blobs), mine[0], len(partials), mine[1], other)


def rows(store: Store) -> tuple[StoredBlob, ...]:
    """What is in the store, the largest first. Read-only stores are not listed.

    Raises:
        StoreError: it cannot be looked at.
    """
    found = survey.take(store, time.time())
    needed: dict[str, set[str]] = {}
    for root in found.roots.values():
        if root is not None:
            for digest in root.digests:
                needed.setdefault(digest, set()).add(root.lock or root.uri or "")
    out = []
    for blob in found.of("blob"):
        receipt = receipts.read(store.root, blob.name)
        origins = receipt.origins if receipt is not None else ()
        out.append(
            StoredBlob(blob.name, blob.bytes, blob.path, origins, tuple(sorted(needed.get(blob.name, ()))))
        )
    return tuple(sorted(out, key=lambda row: (-row.size, row.sha256)))


class Kept(NamedTuple):
    """A blob that there is a receipt of: its digest, its size in bytes, and where it came from."""

    sha256: str
    size: int
    origins: tuple[receipts.BlobOrigin, ...]


def kept(store: Store) -> Iterator[Kept]:
    """All that the store and the read-only ones have receipts of, once each; whether the blobs are there `find` says.

    Takes a small file each.
    """
    seen = set()
    for place in store.places:
        for path in sorted((place / RECEIPTS).glob("??/*.json")):
            sha256 = path.stem
            receipt = receipts.read(place, sha256) if sha256 not in seen else None
            if receipt is not None and not receipt.damaged:
                seen.add(sha256)
                yield Kept(sha256, receipt.size, receipt.origins)


def find(store: Store, one: Kept) -> Path | None:
    """Where its blob is, if it is here as it was when it was hashed."""
    return blobs.find(store, one.sha256, one.size)

"""What the store has, with where it came from: to look for what may have bytes in common with something new."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from modelsync.store import blobs, receipts
from modelsync.store.layout import RECEIPTS, Store


class Kept(NamedTuple):
    """A blob that there is a receipt of: its digest, its size in bytes, and where it came from."""

    sha256: str
    size: int
    origins: tuple[receipts.Origin, ...]


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

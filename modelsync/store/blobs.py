"""Blobs: looking for them (light), checking them again, publishing them.

The promise of the store is made here: a file under `blobs-v1/` has the digest of its name. What is published
was hashed on its way in; what is not as its receipt says is suspect, and is hashed again before anyone gets
its path.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.store import receipts
from modelsync.store.layout import Store, blob_in
from modelsync.store.receipts import Origin

BlobState = Literal["here", "suspect", "missing"]


class Sighting(NamedTuple):
    """The state of a blob, and where it was seen (no path when it is missing)."""

    state: BlobState
    path: Path | None


def look(store: Store, sha256: str, size: int | None = None) -> Sighting:
    """Looks for a blob: in the store's own root, then in the read-only ones. Stats and reads receipts,
    hashes nothing.

    Args:
        store: Where to look.
        sha256: The blob's digest, in hex.
        size: How many bytes it has to have; None where that is not known.
    """
    doubtful: str | None = None
    for place in store.places:
        path = blob_in(place, sha256)
        try:
            seen = os.stat(path)
        except OSError:
            continue
        if not stat.S_ISREG(seen.st_mode):
            continue
        if (size is None or seen.st_size == size) and receipts.vouched(store, place, sha256, seen):
            return Sighting("here", Path(path))
        doubtful = doubtful or path
    return Sighting("suspect", Path(doubtful)) if doubtful else Sighting("missing", None)


def find(store: Store, sha256: str, size: int | None = None) -> Path | None:
    """The path of a blob that is here, as it was when it was hashed; None when it is missing or suspect."""
    sighting = look(store, sha256, size)
    return sighting.path if sighting.state == "here" else None


def state(store: Store, sha256: str, size: int | None = None) -> BlobState:
    """Whether a blob is here, missing or suspect (it has no receipt, or not the size and time that it tells)."""
    return look(store, sha256, size).state


def recheck(store: Store, sha256: str, *, on_bytes: Callable[[int], None] | None = None) -> Path:
    """Hashes a suspect blob again.

    A good one gets a new receipt. A bad one is removed (from the store's own root), so that it can be
    fetched anew.

    Args:
        store: The store.
        sha256: The blob's digest, in hex.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the check.

    Returns:
        Where the good blob is.

    Raises:
        HashMismatchError: no copy of it has its digest.
        NotSyncedError: there is none.
        StoreError: it cannot be read or removed.
    """
    raise NotImplementedError


def verify(
    store: Store, sha256: str, *, full: bool = False, on_bytes: Callable[[int], None] | None = None
) -> Literal["good", "damaged", "missing"]:
    """Hashes a blob against its seal, or against its name when `full` or when it has no receipt.

    A damaged one loses its receipt and is therefore suspect from now on; `discard` or `recheck` removes it.

    Raises:
        StoreError: it cannot be read.
    """
    raise NotImplementedError


def publish(
    store: Store, data: Path, *, sha256: str, size: int, blake3: str, origin: Origin | None = None
) -> Path:
    """Publishes a file whose sha256 was just found right: synced, read-only, with a receipt, by one rename.

    `data` is moved (it has to be on the store's file system: in a partial's folder). Where the store has the
    blob already, `data` is dropped instead. The partial's folder goes with it.

    Args:
        store: The store.
        data: The verified file.
        sha256: Its digest, in hex.
        size: Its size in bytes.
        blake3: Its seal, in hex.
        origin: Where it came from.

    Raises:
        DiskFullError: nothing was lost; the data is where it was.
        StoreError: the store cannot be written, or the file is not `size` long.
    """
    raise NotImplementedError


def discard(store: Store, sha256: str) -> None:
    """Removes a blob and its receipt from the store's own root, where they are.

    Raises:
        StoreError: it cannot be removed.
    """
    raise NotImplementedError

"""Blobs: looking for them (light), and publishing them.

The promise of the store is made here: a file under `blobs-v1/` has the digest of its name. What is published
was hashed on its way in; what is not as its receipt says is suspect, and is hashed again (`checking.py`) before
its path is given out.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from modelsync.errors import StoreError
from modelsync.store import atomic, receipts
from modelsync.store.layout import PARTIALS, Store, blob_in
from modelsync.store.receipts import BlobOrigin

if TYPE_CHECKING:
    from modelsync.spec.blocks import Blocks

_JOURNAL = "journal"  # what is left in a partial's folder once its data is published

BlobState = Literal["here", "suspect", "missing"]


class Sighting(NamedTuple):
    """The state of a blob, and where it was seen (no path when it is missing)."""

    state: BlobState
    path: Path | None


def look(store: Store, sha256: str, size: int | None = None) -> Sighting:
    """Looks for a blob, in the store's own root, then in the read-only ones.

    That costs a stat and a small file each; nothing is hashed.

    Args:
        store: Where to look.
        sha256: The blob's digest, in hex.
        size: How many bytes it has to have; None where that is not known.
    """
    doubtful: str | None = None
    for place in store.places:
        path = blob_in(place, sha256)
        try:
            seen = os.stat(path)  # noqa: PTH116 - a thousand blobs: a third of a Path's time
        except OSError:
            continue
        if not stat.S_ISREG(seen.st_mode):
            continue
        if (size is None or seen.st_size == size) and receipts.fitting(store, sha256, seen) is not None:
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


def publish(
    store: Store,
    data: Path,
    *,
    sha256: str,
    blocks: "Blocks",
    origin: BlobOrigin | None = None,
    shared: bool = False,
) -> Path:
    """Publishes a file whose sha256 was just found right: synced, read-only, with a receipt, by one rename.

    `data` is moved (it has to be on the store's file system: in a partial's folder). Where the store has the
    blob already, `data` is dropped instead. The partial's folder goes with it.

    Args:
        store: The store.
        data: The verified file.
        sha256: Its digest, in hex.
        blocks: Its size, and the hashes of its blocks.
        origin: Where it came from.
        shared: Whether `data` is one more name of another program's file: then its mode and times stay.

    Raises:
        DiskFullError: nothing was lost; the data is where it was.
        StoreError: the store cannot be written, or the file is not as long as what was hashed.
    """
    target, size = store.blob_path(sha256), blocks.size
    origins = () if origin is None else (origin,)
    with atomic.told(f"cannot publish {sha256[:16]}…"):
        atomic.check_folders(store)
        present = find(store._replace(readonly=()), sha256, size) is not None
        try:
            seen = data.stat()
        except FileNotFoundError:
            if present:  # another process had taken the file over, and published it
                return target
            raise
        if seen.st_size != size:
            raise StoreError(
                f"{data} is {seen.st_size} bytes long, not {size}: another program wrote to it",
                hint="run the command again",
            )
        if present:
            receipts.note(store, sha256, receipts.sealed(target.stat(), blocks, origins), blocks)
            atomic.unlink(data)
        else:
            atomic.sync_file(data, writable=not shared)
            if not shared:
                data.chmod(0o444)
            # The receipt comes first: a blob that appears without one would be hashed again.
            receipts.replace(store, sha256, receipts.sealed(data.stat(), blocks, origins), blocks)
            publish_name = atomic.move if shared else atomic.rename  # it may be the old blob's own file
            try:
                publish_name(data, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                publish_name(data, target)
            atomic.sync_folder(target.parent)
        _drop_partial(store, data.parent)
    return target


def discard(store: Store, sha256: str) -> None:
    """Removes a blob and its receipt from the store's own root, where they are.

    Raises:
        StoreError: it cannot be removed.
    """
    with atomic.told(f"cannot remove the blob {sha256[:16]}…"):
        atomic.check_folders(store)
        atomic.unlink(store.blob_path(sha256))
        atomic.unlink(store.receipt_path(sha256))


def _drop_partial(store: Store, folder: Path) -> None:
    if folder.parent == store.root / PARTIALS:
        with suppress(OSError):  # rmtree, or a look at what is there, takes ten times as long
            os.unlink(f"{folder}{os.sep}{_JOURNAL}")  # noqa: PTH108
            folder.rmdir()
            return
        import shutil

        shutil.rmtree(folder, ignore_errors=True)

"""Blobs: looking for them (light), checking them again, publishing them.

The promise of the store is made here: a file under `blobs-v1/` has the digest of its name. What is published
was hashed on its way in; what is not as its receipt says is suspect, and is hashed again before anyone gets
its path.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.errors import HashMismatchError, NotSyncedError, StoreError
from modelsync.store import disk, receipts
from modelsync.store.layout import PARTIALS, Store, blob_in
from modelsync.store.receipts import Origin, Receipt

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


def recheck(store: Store, sha256: str, *, on_bytes: Callable[[int], None] | None = None) -> Path:
    """Hashes a suspect blob again.

    A good one gets a new receipt. A bad one is removed (from the store's own root), so that it can be fetched
    anew.

    Args:
        store: The store.
        sha256: The blob's digest, in hex.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the check.

    Returns:
        Where the good blob is.

    Raises:
        HashMismatchError: no copy of it has its digest.
        NotSyncedError: there is none.
        StoreError: a bad one cannot be removed.
    """
    bad: tuple[Path, str] | None = None
    for place in store.places:
        path = Path(blob_in(place, sha256))
        try:
            seen, found, seal = _hashed(path, on_bytes)
        except OSError:
            continue
        if found == sha256:
            _note(store, sha256, Receipt(seen.st_size, seen.st_mtime_ns, seal))
            return path
        bad = bad or (path, found)
        if place == store.root:
            _cast_out(store, sha256, seen)
    if bad is None:
        raise NotSyncedError(f"there is no blob {sha256} in the store", hint="run `modelsync sync`")
    path, found = bad
    raise HashMismatchError(
        f"{path} is damaged: expected sha256 {sha256}, got {found}", hint="`modelsync sync` fetches it again"
    )


def verify(
    store: Store, sha256: str, *, full: bool = False, on_bytes: Callable[[int], None] | None = None
) -> Literal["good", "damaged", "missing"]:
    """Hashes a blob against its seal, or against its name when `full` or when its receipt does not fit.

    A damaged one is suspect from now on; `discard` or `recheck` removes it.
    """
    from modelsync.store import seal

    path = look(store, sha256).path
    if path is None:
        return "missing"
    seen = path.stat()
    receipt = receipts.fitting(store, sha256, seen)
    if receipt is None or full:
        seen, found, seal_found = _hashed(path, on_bytes)
        good = found == sha256
        if good and receipt is None:
            _note(store, sha256, Receipt(seen.st_size, seen.st_mtime_ns, seal_found))
    else:
        try:
            good = seal.blake3_of(path, on_bytes=on_bytes) == receipt.blake3
        except OSError:
            good = False
    if not good:
        _note(store, sha256, Receipt(seen.st_size, seen.st_mtime_ns, receipts.DAMAGED))
    return "good" if good else "damaged"


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
    target = store.blob_path(sha256)
    origins = () if origin is None else (origin,)
    with disk.told(f"cannot publish {sha256[:16]}…"):
        if data.stat().st_size != size:
            raise StoreError(
                f"{data} is {data.stat().st_size} bytes long, not {size}: another program wrote to it",
                hint="run the command again",
            )
        if find(store._replace(readonly=()), sha256, size) is not None:
            if (known := receipts.read(store.root, sha256)) is not None:
                _note(store, sha256, known._replace(origins=origins))
            disk.unlink(data)
        else:
            disk.sync_file(data)
            data.chmod(0o444)
            # The receipt comes first: a blob that appears without one would be hashed again.
            receipts.write(store, sha256, Receipt(size, data.stat().st_mtime_ns, blake3, origins))
            target.parent.mkdir(parents=True, exist_ok=True)
            disk.move(data, target)
            disk.sync_folder(target.parent)
        _drop_partial(store, data.parent)
    return target


def discard(store: Store, sha256: str) -> None:
    """Removes a blob and its receipt from the store's own root, where they are.

    Raises:
        StoreError: it cannot be removed.
    """
    with disk.told(f"cannot remove the blob {sha256[:16]}…"):
        disk.unlink(store.blob_path(sha256))
        disk.unlink(store.receipt_path(sha256))


def _hashed(path: Path, on_bytes: Callable[[int], None] | None) -> tuple[os.stat_result, str, str]:
    """What a blob is, its sha256 and its BLAKE3, all three of one file: another may take its place meanwhile.

    Words that are no hash stand for the sha256 where the disk cannot read it.

    Raises:
        OSError: it is gone.
    """
    from modelsync.store import seal

    while True:
        seen = path.stat()
        try:
            found, seal_found = seal.both_of(path, on_bytes=on_bytes)
        except OSError as error:
            found, seal_found = f"nothing ({error.strerror})", ""
        now = path.stat()
        if os.path.samestat(seen, now) and (seen.st_size, seen.st_mtime_ns) == (now.st_size, now.st_mtime_ns):
            return seen, found, seal_found


def _note(store: Store, sha256: str, receipt: Receipt) -> None:
    """Writes a receipt, with the origins that were known before; else, it will be found out again."""
    known = receipts.read(store.root, sha256)
    before = known.origins if known is not None else ()
    new = (origin for origin in receipt.origins if origin not in before)
    receipt = receipt._replace(origins=(*before, *new)[: receipts.MAX_ORIGINS])
    if receipt != known:
        with suppress(OSError):
            receipts.write(store, sha256, receipt)


def _cast_out(store: Store, sha256: str, hashed: os.stat_result) -> None:
    """Removes the file that was hashed and found bad: that one, and no better one that came in its place."""
    path = store.blob_path(sha256)
    with disk.told(f"cannot remove the damaged {path}"):
        disk.prepare(store)
        aside = disk.temporary(store)
        try:
            path.replace(aside)
        except FileNotFoundError:
            return
        if os.path.samestat(aside.stat(), hashed):
            disk.unlink(aside)
            disk.unlink(store.receipt_path(sha256))
        else:
            disk.move(aside, path)


def _drop_partial(store: Store, folder: Path) -> None:
    if folder.parent == store.root / PARTIALS:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)

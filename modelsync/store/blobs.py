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

from modelsync.errors import StoreError
from modelsync.spec.blocks import Blocks, Span, count, others
from modelsync.store import disk, receipts
from modelsync.store.layout import PARTIALS, Store, blob_in
from modelsync.store.receipts import Origin, Receipt

BlobState = Literal["here", "suspect", "missing"]


class Sighting(NamedTuple):
    """The state of a blob, and where it was seen (no path when it is missing)."""

    state: BlobState
    path: Path | None


class Finding(NamedTuple):
    """What a blob was found to be when it was hashed.

    Attributes:
        state: Good, damaged or missing.
        path: Where it is, or was.
        size: Bytes that it should have, where its blocks are known.
        damaged: Where it is not what it should be: none of this where its blocks are not known.
        found: What its sha256 is, in hex, if that was asked; or words.
    """

    state: Literal["good", "damaged", "missing"]
    path: Path | None = None
    size: int | None = None
    damaged: tuple[Span, ...] = ()
    found: str = ""

    @property
    def good(self) -> tuple[Span, ...]:
        """Which bytes of a damaged blob are good."""
        return others(self.size, self.damaged) if self.size is not None else ()


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


def recheck(store: Store, sha256: str, *, on_bytes: Callable[[int], None] | None = None) -> Finding:
    """Hashes a suspect blob again, and every other copy of it until one is good.

    A good one gets a new receipt. A bad one is removed from the store's own root, unless it is known which of its
    blocks are good: it is suspect then, and stays until a good one takes its place.

    Args:
        store: The store.
        sha256: The blob's digest, in hex.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the check.

    Raises:
        StoreError: a bad one cannot be removed.
    """
    bad: Finding | None = None
    for place in store.places:
        path = Path(blob_in(place, sha256))
        try:
            seen, found, blocks = _hashed(path, on_bytes)
        except OSError:
            continue
        if found == sha256:
            _note(store, sha256, receipts.sealed(seen, blocks), blocks)
            return Finding("good", path)
        finding = _damaged(store, sha256, path, seen, found, blocks)
        if place == store.root:
            if finding.good:
                _distrust(store, sha256, seen)
            else:
                _cast_out(store, sha256, seen)
        bad = bad if bad is not None and len(bad.good) >= len(finding.good) else finding
    return bad or Finding("missing")


def verify(
    store: Store, sha256: str, *, full: bool = False, on_bytes: Callable[[int], None] | None = None
) -> Finding:
    """Hashes a blob against its seal, or against its name when `full` or when its receipt does not fit.

    A damaged one is suspect from now on; `discard` or `recheck` removes it, and a good one takes its place.

    Raises:
        StoreError: it cannot be read.
    """
    path = look(store, sha256).path
    if path is None:
        return Finding("missing")
    with disk.told(f"cannot read {path}"):
        receipt = receipts.fitting(store, sha256, path.stat())
        if receipt is None or full:
            seen, found, blocks = _hashed(path, on_bytes)
            good = found == sha256
        else:
            seen, found, blocks = _sealed(path, receipt, on_bytes)
            good = found == (receipt.seal or receipt.blake3)
        if not good:
            finding = _damaged(store, sha256, path, seen, found if full or receipt is None else "", blocks)
            _distrust(store, sha256, seen)
            return finding
    if receipt is None or (count(blocks.size) > 1 and receipts.blocks(store, sha256) is None):
        _note(store, sha256, receipts.sealed(seen, blocks), blocks)
    return Finding("good", path)


def publish(store: Store, data: Path, *, sha256: str, blocks: Blocks, origin: Origin | None = None) -> Path:
    """Publishes a file whose sha256 was just found right: synced, read-only, with a receipt, by one rename.

    `data` is moved (it has to be on the store's file system: in a partial's folder). Where the store has the
    blob already, `data` is dropped instead. The partial's folder goes with it.

    Args:
        store: The store.
        data: The verified file.
        sha256: Its digest, in hex.
        blocks: Its size, and the hashes of its blocks.
        origin: Where it came from.

    Raises:
        DiskFullError: nothing was lost; the data is where it was.
        StoreError: the store cannot be written, or the file is not as long as what was hashed.
    """
    target, size = store.blob_path(sha256), blocks.size
    origins = () if origin is None else (origin,)
    with disk.told(f"cannot publish {sha256[:16]}…"):
        if data.stat().st_size != size:
            raise StoreError(
                f"{data} is {data.stat().st_size} bytes long, not {size}: another program wrote to it",
                hint="run the command again",
            )
        if find(store._replace(readonly=()), sha256, size) is not None:
            _note(store, sha256, receipts.sealed(target.stat(), blocks, origins), blocks)
            disk.unlink(data)
        else:
            disk.sync_file(data)
            data.chmod(0o444)
            # The receipt comes first: a blob that appears without one would be hashed again.
            receipts.write(store, sha256, receipts.sealed(data.stat(), blocks, origins), blocks)
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


def _hashed(path: Path, on_bytes: Callable[[int], None] | None) -> tuple[os.stat_result, str, Blocks]:
    """What a blob is, its sha256 and its blocks, all three of one file: another may take its place meanwhile.

    Words that are no hash stand for the sha256 where the disk cannot read it.

    Raises:
        OSError: it is gone.
    """
    from modelsync.store import seal

    while True:
        seen = path.stat()
        try:
            found, blocks = seal.both_of(path, on_bytes=on_bytes)
        except OSError as error:
            found, blocks = f"nothing ({error.strerror})", seal.blocks_of(path)
        now = path.stat()
        if os.path.samestat(seen, now) and (seen.st_size, seen.st_mtime_ns) == (now.st_size, now.st_mtime_ns):
            return seen, found, blocks


def _sealed(
    path: Path, receipt: Receipt, on_bytes: Callable[[int], None] | None
) -> tuple[os.stat_result, str, Blocks]:
    """What a blob is, what its seal would be now, and its blocks. A seal as older receipts have it takes longer."""
    from modelsync.store import seal

    seen = path.stat()
    if receipt.seal is None and count(seen.st_size) > 1:
        return seen, *seal.whole_of(path, on_bytes=on_bytes)
    blocks = seal.blocks_of(path, on_bytes=on_bytes)
    return seen, blocks.seal, blocks


def _damaged(
    store: Store, sha256: str, path: Path, seen: os.stat_result, found: str, blocks: Blocks
) -> Finding:
    """Where a blob is damaged that was hashed and found bad."""
    from modelsync.store import seal

    known = receipts.blocks(store, sha256)
    if known is None:
        return Finding("damaged", path, found=found)
    if seen.st_size > known.size:
        blocks = seal.blocks_of(path, length=known.size)
    where = known.damaged(blocks)
    if (
        not where and seen.st_size == known.size
    ):  # a seal that was forged, or a digest that never was the file's
        return Finding("damaged", path, found=found)
    return Finding("damaged", path, known.size, where, found)


def _distrust(store: Store, sha256: str, seen: os.stat_result) -> None:
    """Notes that a file is not what it should be. What its blocks should be stays known."""
    known = receipts.blocks(store, sha256)
    seal = known.seal if known is not None else None
    _note(store, sha256, Receipt(seen.st_size, seen.st_mtime_ns, seal=seal, damaged=True), known)


def _note(store: Store, sha256: str, receipt: Receipt, blocks: Blocks | None = None) -> None:
    """Writes a receipt, with the origins that were known before; else, it will be found out again."""
    known = receipts.read(store.root, sha256)
    before = known.origins if known is not None else ()
    new = (origin for origin in receipt.origins if origin not in before)
    receipt = receipt._replace(origins=(*before, *new)[: receipts.MAX_ORIGINS])
    if receipt != known or (receipt.seal is not None and receipts.blocks(store, sha256) is None):
        with suppress(OSError):
            receipts.write(store, sha256, receipt, blocks)


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

"""Checking blobs again: whether they are what they were, and where not.

A blob that is found damaged counts as suspect from then on. It stays, since all but its damaged blocks need not be
fetched again; a good one takes its place.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.spec.blocks import Blocks, Span, count, others
from modelsync.store import atomic, hashing, receipts
from modelsync.store.blobs import look
from modelsync.store.layout import Store, blob_in
from modelsync.store.receipts import Receipt

_NO_TIME = -1  # no file is of this time
_LOOKS = 3  # how often a file is hashed that changes meanwhile


class BlobCheck(NamedTuple):
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


def recheck(
    store: Store, sha256: str, *, keep: bool = False, on_bytes: Callable[[int], None] | None = None
) -> BlobCheck:
    """Hashes a suspect blob again, and every other copy of it until one is good.

    A good one gets a new receipt. A bad one of which nothing is known to be good is removed from the store's own root;
    one in another store is noted.

    Args:
        store: The store.
        sha256: The blob's digest, in hex.
        keep: Leave a bad one in its place until a good one comes: a person wrote to it.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the check.

    Returns:
        The good one; else the one of which the most is good.

    Raises:
        StoreError: a bad one cannot be removed.
    """
    bad: list[BlobCheck] = []
    for place in store.places:
        path = Path(blob_in(place, sha256))
        try:
            if (still := _still_damaged(store, sha256, path, on_bytes)) is not None:
                bad.append(still)
                continue
            seen, found, blocks = _hashed(path, on_bytes)
        except OSError:
            continue
        if found == sha256:
            receipts.note(store, sha256, receipts.sealed(seen, blocks), blocks)
            return BlobCheck("good", path)
        finding = _damaged(store, sha256, path, seen, blocks, found)
        if place == store.root:
            if finding.good or keep:
                _distrust(store, sha256, seen)
            else:
                _cast_out(store, sha256, seen)
        else:
            receipts.condemn(store, sha256, seen)
        bad.append(finding)
    return max(
        bad, key=lambda each: sum(end - start for start, end in each.good), default=BlobCheck("missing")
    )


def good(store: Store, sha256: str, size: int | None = None) -> Path | None:
    """The path of a blob that is here; one that is suspect is hashed first. None when it is missing or damaged.

    A blob that was here a moment ago is suspect for a moment when another process replaces it by its like.

    Raises:
        StoreError: a bad one cannot be removed.
    """
    for _ in range(_LOOKS):
        seen = look(store, sha256, size)
        if seen.state == "here":
            return seen.path
        if seen.state == "missing" or recheck(store, sha256).state != "good":
            return None
    return None


def verify(
    store: Store, sha256: str, *, full: bool = False, on_bytes: Callable[[int], None] | None = None
) -> BlobCheck:
    """Hashes a blob against its seal, or against its name when `full` or when its receipt does not fit.

    Raises:
        StoreError: it cannot be read.
    """
    path = look(store, sha256).path
    if path is None:
        return BlobCheck("missing")
    with atomic.told(f"cannot read {path}"):
        try:
            receipt = receipts.fitting(store, sha256, path.stat())
            finding = None
            if receipt is not None and not full:
                seen, blocks, good = _against(path, receipt, on_bytes)
                finding = BlobCheck("good", path) if good else _damaged(store, sha256, path, seen, blocks)
            if finding is None or (finding.state == "damaged" and not finding.damaged):
                # where no block is known to be wrong, it may be the seal that has rotted
                seen, found, blocks = _hashed(path, on_bytes if finding is None else None)
                good = found == sha256
                finding = (
                    BlobCheck("good", path) if good else _damaged(store, sha256, path, seen, blocks, found)
                )
        except FileNotFoundError:  # another process has just removed it
            return BlobCheck("missing")
    if finding.state == "damaged":
        _distrust(store, sha256, seen)
        return finding
    now = receipts.sealed(seen, blocks)
    if (
        receipt is None
        or (receipt.blake3, receipt.seal) != (now.blake3, now.seal)
        or (now.seal and receipts.blocks(store, sha256) is None)
    ):
        receipts.note(store, sha256, now, blocks)
    return finding


def doubt(store: Store, path: Path) -> Receipt | None:
    """Marks a blob as suspect, to be hashed before its path is given out: bytes copied from it were not right.

    That may be rot, or a difference between two versions that no probe met.

    Args:
        store: The store.
        path: The blob; one that is not in the store's own root is left alone.

    Returns:
        Its receipt as it was; None where it was left alone.
    """
    sha256 = path.name
    receipt = receipts.read(store.root, sha256)
    if receipt is None or receipt.damaged or path != store.blob_path(sha256):
        return None
    receipts.note(store, sha256, receipt._replace(mtime_ns=_NO_TIME), receipts.blocks(store, sha256))
    return receipt


def _still_damaged(
    store: Store, sha256: str, path: Path, on_bytes: Callable[[int], None] | None
) -> BlobCheck | None:
    """What is to be said of a file that was found damaged before, at memory speed; None where its blocks do not tell.

    Raises:
        OSError: it is gone.
    """
    known = receipts.blocks(store, sha256)
    if not receipts.condemned(store, sha256, path.stat()) or known is None:
        return None
    where = known.damaged(hashing.blocks_of(path, length=known.size, on_bytes=on_bytes))
    return BlobCheck("damaged", path, known.size, where) if where else None


def _hashed(path: Path, on_bytes: Callable[[int], None] | None) -> tuple[os.stat_result, str, Blocks]:
    """What a blob is, its sha256 and its blocks, all three of one file: another may take its place meanwhile.

    Words that are no hash stand for the sha256 where the disk cannot read it, or somebody keeps writing to it.

    Raises:
        OSError: it is gone.
    """
    for _ in range(_LOOKS):
        seen = path.stat()
        try:
            found, blocks = hashing.both_of(path, on_bytes=on_bytes)
        except OSError as error:
            found, blocks = f"nothing ({error.strerror})", hashing.blocks_of(path)
        now = path.stat()
        if os.path.samestat(seen, now) and (seen.st_size, seen.st_mtime_ns) == (now.st_size, now.st_mtime_ns):
            return seen, found, blocks
    return seen, "nothing (it was written to meanwhile)", blocks


def _against(
    path: Path, receipt: Receipt, on_bytes: Callable[[int], None] | None
) -> tuple[os.stat_result, Blocks, bool]:
    """What a blob is, its blocks, and whether its seal is right. One as older receipts have it takes longer."""
    seen = path.stat()
    if receipt.seal is None and count(seen.st_size) > 1:
        try:
            whole, blocks = hashing.whole_of(path, on_bytes=on_bytes)
        except OSError:
            return seen, hashing.blocks_of(path), False
        return seen, blocks, whole == receipt.blake3
    blocks = hashing.blocks_of(path, on_bytes=on_bytes)
    return seen, blocks, blocks.seal == (receipt.seal or receipt.blake3)


def _damaged(
    store: Store, sha256: str, path: Path, seen: os.stat_result, blocks: Blocks, found: str = ""
) -> BlobCheck:
    """What is to be said of a blob that was hashed and is not what it should be."""
    known = receipts.blocks(store, sha256)
    if known is None:
        return BlobCheck("damaged", path, found=found)
    if seen.st_size > known.size:
        blocks = hashing.blocks_of(path, length=known.size)
    where = known.damaged(blocks)
    if not where and seen.st_size <= known.size:  # the seal was forged
        return BlobCheck("damaged", path, found=found)
    return BlobCheck("damaged", path, known.size, where, found)


def _distrust(store: Store, sha256: str, seen: os.stat_result) -> None:
    """Notes that a file is not what it should be. What its blocks should be stays known."""
    known = receipts.blocks(store, sha256)
    was = known.seal if known is not None else None
    receipts.note(store, sha256, Receipt(seen.st_size, seen.st_mtime_ns, seal=was, damaged=True), known)


def _cast_out(store: Store, sha256: str, hashed: os.stat_result) -> None:
    """Removes the file that was hashed and found bad: that one, and no better one that came in its place."""
    path = store.blob_path(sha256)
    with atomic.told(f"cannot remove the damaged {path}"):
        atomic.prepare(store)
        aside = atomic.temporary(store)
        try:
            path.replace(aside)
        except FileNotFoundError:
            return
        if os.path.samestat(aside.stat(), hashed):
            atomic.unlink(aside)
            atomic.unlink(store.receipt_path(sha256))
        else:
            atomic.move(aside, path)

"""Hashes what is on this machine of locked files: blobs of the store, and files in the project's folder."""

from collections.abc import Callable
from pathlib import Path

from modelsync.context import Context
from modelsync.fetch import wanted as fetch_wanted
from modelsync.install.plan import Step
from modelsync.spec.blocks import Span, count
from modelsync.spec.lock.model import LockedFile
from modelsync.store import hashing, receipts, verify
from modelsync.store.verify import BlobCheck


def check_blob(context: Context, step: Step) -> BlobCheck:
    """Hashes the suspect blob of a `check` step again."""
    assert step.model is not None
    assert step.file is not None
    label = fetch_wanted.label(step.model.name, step.file.path)
    return verify.recheck(context.store, step.target, on_bytes=context.teller(label, step.bytes, "checking"))


def check_copy(
    context: Context, path: Path, file: LockedFile, *, full: bool, on_bytes: Callable[[int], None]
) -> tuple[bool, tuple[Span, ...]]:
    """Hashes a file in the project's folder that is not the blob itself.

    Args:
        context: What to work with.
        path: The file.
        file: What it should be.
        full: Hash with SHA-256 against the lock, not with BLAKE3 against the receipt.
        on_bytes: Is told how many more bytes were read.

    Returns:
        Whether it has the locked bytes; and where not, as offsets of whole blocks, if that is known.
    """
    known = receipts.blocks(context.store, file.sha256)
    if known is not None and known.size == file.size and not full:
        where = known.damaged(hashing.blocks_of(path, length=file.size, on_bytes=on_bytes))
        return not where and path.stat().st_size == file.size, where
    if path.stat().st_size != file.size:
        return False, ()
    receipt = receipts.read(context.store.root, file.sha256)
    if not full and receipt is not None and receipt.blake3 is not None and count(file.size) == 1:
        return hashing.blocks_of(path, on_bytes=on_bytes).seal == receipt.blake3, ()
    return hashing.sha256_of(path, on_bytes=on_bytes) == file.sha256, ()

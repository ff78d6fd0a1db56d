"""Files without a published sha256 that the store has, and whose source says now what it said when they were read."""

from collections.abc import Sequence

from modelsync.context import Context
from modelsync.fetch.wanted import blob_of
from modelsync.sources.base import Found
from modelsync.spec.confirmation import Said, confirmation
from modelsync.spec.lock.model import LockedFile
from modelsync.store import receipts


def confirmed(context: Context, found: Found, previous: Sequence[LockedFile]) -> LockedFile | None:
    """The row of the lock that the source confirms piece by piece, so that it need not be read anew.

    The lock alone proves nothing: the receipt of the blob has to say that these bytes came with the same sizes, sha256
    and strong ETags.

    Args:
        context: What to work with.
        found: What the source says now.
        previous: The files of the lock.

    Returns:
        The row; None if the file has to be read.
    """
    for old in previous:
        if (old.role, old.path) != (found.role, found.path) or found.size not in (None, old.size):
            continue
        if len(old.pieces) != len(found.pieces) or (path := blob_of(context, old)) is None:
            continue
        try:
            receipt = receipts.fitting(context.store, old.sha256, path.stat())
        except OSError:  # another process has just removed it
            continue
        now = confirmation(_said(found, old))
        if receipt is not None and now is not None and any(now == one.said for one in receipt.origins):
            return old
    return None


def _said(found: Found, old: LockedFile) -> list[Said]:
    """What the source says now, of the bytes that the lock names."""
    if not found.pieces:
        return [Said(old.sha256, False, found.url, found.etag)]
    return [
        Said(piece.sha256 or was.sha256, piece.sha256 is not None, piece.url, piece.etag)
        for piece, was in zip(found.pieces, old.pieces, strict=True)
    ]

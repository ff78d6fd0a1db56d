"""Holds files that were read without a published sha256 against the git object ids of their commit."""

import hashlib
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelsync.errors import HashMismatchError
from modelsync.spec.lock.keys import is_commit
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.fetch.wanted import WantedFile
    from modelsync.sources.base import FoundPiece
    from modelsync.spec.lock.model import LockedFile, Piece
    from modelsync.transfer.jobs import Fetched

_STEP = 1 << 20  # bytes read at once


def check_git_ids(need: "WantedFile", fetched: "Fetched") -> None:
    """Checks the bytes of a hub's file: a hub's ETag is the id of the git object, wherever the bytes came from.

    Args:
        need: A file of a commit, or the pieces of one.
        fetched: Its bytes, not yet published. They are removed if they are wrong.

    Raises:
        HashMismatchError: they are not those of the commit.
    """
    parts: Sequence[LockedFile | Piece | FoundPiece] = need.file.pieces or (need.file,)  # type: ignore[assignment]
    with fetched.open() as file:
        for part in parts:
            size = fetched.size if not need.file.pieces else part.size
            if size is None:
                return
            if part.sha256 is not None or part.etag is None or not is_commit(part.etag):
                file.seek(size, 1)
                continue
            hashed = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
            left = size
            while left and (data := file.read(min(left, _STEP))):
                hashed.update(data)
                left -= len(data)
            if left or hashed.hexdigest() != part.etag:
                break
        else:
            return
    shutil.rmtree(fetched.path.parent, ignore_errors=True)
    raise HashMismatchError(
        f"{printable(part.path)}: what came is not the file of the commit: its git id is not {part.etag}",
        hint="run the command again; if it stays so, the hub or a mirror of it gives out wrong files",
    )

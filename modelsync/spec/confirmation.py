"""What a source said of a file when its bytes were read, as one word. Pure.

Where a source publishes no sha256 of a whole file, this tells later whether what it says now is what it said then: for
each piece its published sha256, else its URL with a strong ETag.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Said(NamedTuple):
    """What was said of one piece, or of a whole file.

    Attributes:
        sha256: Of its bytes, as they were read.
        published: Whether the source publishes that itself.
        url: Its canonical URL.
        etag: The source's strong validator without quotes, or None.
    """

    sha256: str
    published: bool
    url: str | None
    etag: str | None


def confirmation(pieces: Iterable[Said]) -> str | None:
    """64 hex digits that are the same if all was said again; None if a piece can be told by nothing."""
    hashed = hashlib.sha256()
    for piece in pieces:
        if piece.published:
            words = piece.sha256
        elif piece.url is not None and piece.etag is not None:
            words = f"{piece.sha256} {piece.etag} {piece.url}"
        else:
            return None
        hashed.update(f"{words}\n".encode())
    return hashed.hexdigest()

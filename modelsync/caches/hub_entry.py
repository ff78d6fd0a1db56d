"""What is to be in the Hugging Face cache, and whether what is there is that. Stats and the record alone tell."""

import os
import stat
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from modelsync.caches.huggingface import leads_to
from modelsync.store.given import Given


class NewEntry(NamedTuple):
    """A file that is to be in the cache.

    Attributes:
        repo: `user/model`.
        commit: 40 hex digits.
        path: In the repo.
        etag: What the hub calls its bytes.
        sha256: Their digest.
        size: Bytes.
        blob: Where they are in the store.
        branch: The branch or tag that the commit is; None: none is to be written.
    """

    repo: str
    commit: str
    path: str
    etag: str
    sha256: str
    size: int
    blob: Path
    branch: str | None = None


def verdict(record: Given, path: Path, entry: NewEntry) -> Literal["right", "wrong", "unknown"]:
    """Whether a path leads to the entry's bytes; of another program's file that is unknown until it is hashed.

    Args:
        record: What was given to the cache, and what of others was hashed.
        path: A path in the cache.
        entry: What is to be there.
    """
    try:
        seen = path.stat()
        if not has_size(path, entry.size):
            return "wrong"
        at, key = leads_to(record.root, path), bytes_key(record.root, path)
        if is_outdated(record, at, entry):
            return "wrong"
        put = record.files.get(key)
        ours = put is not None and put.mode and put.sha256 == entry.sha256 and put.describes(at.lstat())
        if ours or os.path.samestat(seen, entry.blob.stat()):
            return "right"
    except OSError:
        return "wrong"
    known = record.checked.get(key)
    if known is None or not known.describes(seen):
        return "unknown"
    return "right" if known.sha256 == entry.sha256 else "wrong"


def is_outdated(record: Given, path: Path, entry: NewEntry) -> bool:
    """Whether a file is one more name of a blob that the store has replaced since: a repair does that."""
    put = record.files.get(bytes_key(record.root, path)) if path.is_relative_to(record.root) else None
    if put is None or put.mode != "hardlink" or put.sha256 != entry.sha256:
        return False
    try:
        seen = path.lstat()
        return put.describes(seen) and not os.path.samestat(seen, entry.blob.stat())
    except OSError:
        return False


def bytes_key(root: Path, path: Path) -> str:
    """What the record calls the file that a path leads to; the path itself, where that is not in the cache."""
    at = leads_to(root, path)
    keys = (PurePath(each.relative_to(root)) for each in (at, path) if each.is_relative_to(root))
    return next(key.as_posix() for key in keys if ".." not in key.parts)


def has_size(path: Path, size: int) -> bool:
    """Whether a path leads to a file of that size."""
    try:
        seen = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(seen.st_mode) and seen.st_size == size

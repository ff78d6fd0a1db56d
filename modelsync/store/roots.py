"""Roots: who needs which digests. What any root names, prune keeps.

A root of a lock says "the lock at this path needed these digests". It is written before the first byte is
fetched. A root of a pull says "this URI meant these files": it answers `path(uri)` without a network.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.store.layout import Store

if TYPE_CHECKING:
    from modelsync.spec.lockfile import LockedFile


def write(store: Store, lock_path: Path, digests: Iterable[str]) -> None:
    """Says that the lock at `lock_path` needs `digests`. Reads one small file and writes nothing when that
    is known.

    Raises:
        StoreError: the store cannot be written.
    """
    raise NotImplementedError


def remember(store: Store, uri: str, files: "Sequence[LockedFile]") -> None:
    """Says that `uri` (canonical, with its revision) means `files`, in place of what it meant before.

    Raises:
        StoreError: the store cannot be written.
    """
    raise NotImplementedError


def recall(store: Store, uri: str) -> "tuple[LockedFile, ...] | None":
    """The files that `uri` meant when it was last pulled; None if it never was. Light.

    The store's own memory is asked first, then that of the read-only ones.
    """
    raise NotImplementedError

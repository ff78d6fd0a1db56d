"""Views: folders in which blobs appear under their own file names.

llama.cpp finds the parts of a split model by their names, so a blob named by its digest cannot load. A
view's folder has a short name that follows from what is in it (Windows paths end at 260 characters), so any
number of projects share it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.spec.names import shown_names
from modelsync.store.layout import VIEWS, Store

if TYPE_CHECKING:
    from modelsync.spec.lockfile import LockedFile


def view_key(files: "Sequence[LockedFile]") -> str:
    """16 hex digits that follow from the files' shown names and digests."""
    lines = (f"{file.sha256} {name}\n" for file, name in zip(files, shown_names(files), strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def view_paths(store: Store, files: "Sequence[LockedFile]") -> tuple[Path, ...]:
    """Where `files` are, or would be, in their view in the store's own root. Nothing is looked at."""
    return _paths_in(store.root, files)


def ready(store: Store, files: "Sequence[LockedFile]") -> tuple[Path, ...] | None:
    """The paths of `files` in a view that is whole, here or in a read-only store; None where there is none.

    Each file has its locked size, and the size and time that the blob's receipt tells. Stats only; hashes
    nothing.
    """
    raise NotImplementedError


def make(store: Store, files: "Sequence[LockedFile]") -> Path:
    """Makes the view of `files`, or heals it; returns its folder.

    Hard links to the blobs, else symbolic links, else copies. Others may make the same view at the same time.

    Raises:
        NotSyncedError: a blob is not here.
        DiskFullError: copies were needed, and there is no space for them.
        StoreError: the store cannot be written.
    """
    raise NotImplementedError


def _paths_in(place: Path, files: "Sequence[LockedFile]") -> tuple[Path, ...]:
    folder = f"{place}{os.sep}{VIEWS}{os.sep}{view_key(files)}{os.sep}"
    return tuple(Path(folder + name) for name in shown_names(files))

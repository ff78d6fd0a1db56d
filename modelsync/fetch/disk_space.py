"""Checks the disks for all files of a call together, before the first byte is asked for."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelsync.fetch.wanted import WantedFile
    from modelsync.store.layout import Store
    from modelsync.store.links import LinkMode


def require(store: "Store", needs: "Iterable[WantedFile]", copies: Iterable[tuple[Path, int]] = ()) -> None:
    """Checks that the disks have space for files that come into the store, and for copies of them elsewhere.

    Args:
        store: Where the files will be.
        needs: The files; what their partials hold already is not counted again.
        copies: Folders, and the bytes that will be copied into each.

    Raises:
        DiskFullError: a disk is too small for what it is to take.
    """
    from modelsync.store import digest_lock
    from modelsync.system.disks import require_space
    from modelsync.transfer.datafile import LARGE, allocated
    from modelsync.transfer.partial import data_path

    coming = 0
    for need in needs:
        size = need.file.size or 0
        here = allocated(data_path(digest_lock.partial_of(store, need.key))) if size >= LARGE else 0
        coming += max(0, size - here)
    require_space([(store.root, coming), *copies])


def of_copies(
    store: "Store", folder: Path, mode: "LinkMode", files: Iterable[tuple[str, int]]
) -> list[tuple[Path, int]]:
    """The copies that linking will make, as far as can be told beforehand; for `require`.

    Args:
        store: Where the files are, or will be.
        folder: Where they will be linked.
        mode: How they will be linked.
        files: The path in the folder and the size of each. A file of that size there counts as linked already.
    """
    from modelsync.system.disks import same_device

    if mode != "copy" and (mode != "auto" or same_device(folder, store.root)):
        return []
    return [(folder, size) for path, size in files if not has_size(folder / path, size)]


def has_size(path: Path, size: int) -> bool:
    """Whether there is a file of that size."""
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False

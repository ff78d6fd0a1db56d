"""Checks the disks for all files of a call together, before the first byte is asked for."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.errors import DiskFullError
from modelsync.spec.oci_url import is_packed

if TYPE_CHECKING:
    from modelsync.fetch.wanted import WantedFile
    from modelsync.store.layout import Store
    from modelsync.store.links import LinkMode


class Room:
    """What the disks have room for, asked for one model after the other.

    Args:
        store: Where the files will be.
    """

    def __init__(self, store: "Store") -> None:
        from modelsync.system.disks import DiskNeeds

        self._store = store
        self._needs = DiskNeeds()
        self._keys: set[str] = set()
        self._passing = 0

    def take(
        self, files: Iterable[tuple[str, int]], copies: Iterable[tuple[Path, int]] = (), passing: int = 0
    ) -> "DiskFullError | None":
        """Keeps room for some files; returns the error where there is too little, and keeps none then.

        Args:
            files: The key and the size of each; what their partials hold already is not counted again.
            copies: Folders, and the bytes that will be copied into each.
            passing: Bytes that are there for a while, beside the files: those of the largest layer, and it alone.
        """
        from modelsync.store import digest_lock
        from modelsync.transfer.datafile import LARGE, allocated
        from modelsync.transfer.partial import data_path

        coming = max(0, passing - self._passing)
        more = {key: size for key, size in files if key not in self._keys}
        for key, size in more.items():
            here = allocated(data_path(digest_lock.partial_of(self._store, key))) if size >= LARGE else 0
            coming += max(0, size - here)
        needs = self._needs.add([(self._store.root, coming), *copies])
        try:
            needs.require()
        except DiskFullError as error:
            return error
        self._needs = needs
        self._keys |= more.keys()
        self._passing = max(passing, self._passing)
        return None


def require(store: "Store", needs: "Iterable[WantedFile]", copies: Iterable[tuple[Path, int]] = ()) -> None:
    """Checks that the disks have space for files that come into the store, and for copies of them elsewhere.

    Args:
        store: Where the files will be.
        needs: The files; what their partials hold already is not counted again.
        copies: Folders, and the bytes that will be copied into each.

    Raises:
        DiskFullError: a disk is too small for what it is to take.
    """
    files = list(needs)
    passing = largest_layer((need.segments[0].url, need.file.size or 0) for need in files)
    error = Room(store).take([(need.key, need.file.size or 0) for need in files], copies, passing)
    if error is not None:
        raise error


def largest_layer(files: "Iterable[tuple[str | None, int]]") -> int:
    """Bytes that the largest tar layer needs for a while beside the files in it, as far as a lock tells.

    Args:
        files: The URL and the size of each wanted file.
    """
    sizes: dict[str, int] = {}
    for url, size in files:
        if url is not None and is_packed(url):
            layer = url.partition("#")[0]
            sizes[layer] = sizes.get(layer, 0) + size
    return max(sizes.values(), default=0)


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

"""Whether all that is about to be written fits, before the first byte is asked for."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.errors import DiskFullError

if TYPE_CHECKING:
    from modelsync.fetch.wanted import Need
    from modelsync.store.layout import Store
    from modelsync.store.links import LinkMode


def require(store: "Store", needs: "Iterable[Need]", copies: Iterable[tuple[Path, int]] = ()) -> None:
    """Holds files that will come into the store, and copies of them elsewhere, against what is free on each disk.

    Args:
        store: Where the files come.
        needs: The files; what is here of them already takes no more.
        copies: A folder and a number of bytes each.

    Raises:
        DiskFullError: a disk is too small for what it is to take.
    """
    from modelsync.system.disks import device, free_bytes
    from modelsync.transfer.datafile import allocated
    from modelsync.transfer.partial import data_path, in_words

    coming = sum(
        max(0, (need.file.size or 0) - allocated(data_path(store.partial_path(need.key)))) for need in needs
    )
    wanted: dict[int, int] = defaultdict(int)
    place: dict[int, Path] = {}
    for folder, size in ((store.root, coming), *copies):
        number = device(folder)
        place.setdefault(number, folder)
        wanted[number] += size
    for number, folder in place.items():
        free = free_bytes(folder)
        if wanted[number] > free:
            raise DiskFullError(
                f"not enough space at {folder}: {in_words(wanted[number])} needed, {in_words(free)} free",
                hint="`modelsync cache prune` frees what nobody needs, and `modelsync sync --replace` the old "
                "versions first; else set MODELSYNC_STORE, or --dir, to a folder on a larger disk",
            )


def of_copies(
    store: "Store", folder: Path, mode: "LinkMode", files: Iterable[tuple[str, int]]
) -> list[tuple[Path, int]]:
    """The copies that files will need in a folder, as far as can be told beforehand, for `require`.

    Args:
        store: Where the files are, or will be.
        folder: Where they are to appear.
        mode: How.
        files: Each one's path in the folder, and its size. What stands there in that size may be the file already.
    """
    from modelsync.system.disks import same_device

    if mode != "copy" and (mode != "auto" or same_device(folder, store.root)):
        return []
    return [(folder, size) for path, size in files if not _has_size(folder / path, size)]


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False

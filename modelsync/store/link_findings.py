"""What files in a project's folder were found to be, noted in the folder's record."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from modelsync.store import atomic, link_folder, link_record
from modelsync.store.clone import FOLDER_HINT
from modelsync.store.link_record import CheckedFile


def distrust(folder: Path, damaged: Mapping[str, os.stat_result]) -> None:
    """Notes that what was put at these paths is damaged, and may be replaced.

    Args:
        folder: The folder.
        damaged: How each looks: as it was put there, or as one more name of a damaged blob.

    Raises:
        StoreError: the folder cannot be written.
    """
    with atomic.told(f"cannot change {folder}", hint=FOLDER_HINT), link_folder.claimed(folder):
        records = dict(link_record.owned(folder))
        for path, seen in damaged.items():
            if path in records:
                records[path] = records[path]._replace(
                    sha256="", size=seen.st_size, mtime_ns=seen.st_mtime_ns
                )
        link_record.write(folder, records, {})


def names_of(folder: Path, paths: Iterable[str], blob: Path) -> dict[str, os.stat_result]:
    """Those of the paths that were put there as hard links and are names of this blob, and how they look."""
    try:
        seen = blob.stat()
    except OSError:
        return {}
    records = link_record.owned(folder)
    names = {}
    for path in paths:
        with suppress(OSError):
            if path in records and records[path].mode == "hardlink":
                found = (folder / path).lstat()
                if os.path.samestat(found, seen):
                    names[path] = found
    return names


def note_checked(folder: Path, path: str, found: CheckedFile) -> bool:
    """Notes what a file of the folder was found to be; False where another process works in the folder now.

    Raises:
        StoreError: the folder cannot be written.
    """
    from modelsync.store import claim

    with (
        atomic.told(f"cannot change {folder}", hint=FOLDER_HINT),
        claim.claimed(folder / link_folder.LOCK, blocking=False, hint=FOLDER_HINT) as mine,
    ):
        if mine is not None:
            link_record.write(folder, link_record.owned(folder), {}, {path: found})
        return mine is not None

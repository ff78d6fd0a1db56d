"""What files in a project's folder were found to be, noted in the folder's record."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from modelsync.store import atomic, link_folder, link_record
from modelsync.store.clone import FOLDER_HINT
from modelsync.store.link_record import CheckedFile
from modelsync.store.receipts import same_time
from modelsync.system.disks import require_space


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
    """Those of the paths that were put there as hard links and are names of this blob, and how they look.

    Rot keeps a file's time. One that has another time than it was put there with is a person's edit, and not among
    them: it stays as any file that was changed.
    """
    try:
        seen = blob.stat()
    except OSError:
        return {}
    records = link_record.owned(folder)
    names = {}
    for path in paths:
        with suppress(OSError):
            put = records.get(path)
            if put is not None and put.mode == "hardlink":
                found = (folder / path).lstat()
                if os.path.samestat(found, seen) and same_time(put.mtime_ns, found.st_mtime_ns):
                    names[path] = found
    return names


def written_through(folder: Path, paths: Iterable[str], blob: Path) -> tuple[str, ...]:
    """Those of the paths that are symbolic links of ours to this blob, into which a person wrote through them."""
    records = link_record.owned(folder)
    found = []
    for path in paths:
        with suppress(OSError):
            put = records.get(path)
            if put is not None and put.mode == "symlink" and link_record.intact(folder, path, put):
                changed = not same_time(put.mtime_ns, blob.stat().st_mtime_ns)
                if changed and blob.samefile(folder / path):
                    found.append(path)
    return tuple(found)


def keep(folder: Path, paths: Iterable[str], blob: Path) -> tuple[Path, ...]:
    """Keeps what a blob has as `<file>.modified` beside each of the paths; returns the new files.

    Raises:
        DiskFullError: it has to be copied, and there is no space for that.
        StoreError: the folder cannot be written.
    """
    from modelsync.store import clone, swap

    kept = []
    with atomic.told(f"cannot keep what was changed in {folder}", hint=FOLDER_HINT):
        for path in paths:
            place = folder / path
            if any(_same_content(blob, other) for other in swap.set_aside_as(place)):
                continue
            temp = link_record.temporary(folder)
            try:
                clone.hardlink(blob, temp)
            except OSError:
                require_space([(folder, blob.stat().st_size)], hint=FOLDER_HINT)
                clone.copy(blob, temp)
            try:
                kept.append(swap.set_aside(temp, place))
            finally:
                atomic.unlink(temp)
    return tuple(kept)


def _same_content(blob: Path, other: Path) -> bool:
    """Whether a file that was kept is one more name of this blob, or the copy that was made of it."""
    one, two = blob.stat(), other.lstat()
    return os.path.samestat(one, two) or (one.st_size, one.st_mtime_ns) == (two.st_size, two.st_mtime_ns)


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

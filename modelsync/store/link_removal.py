"""Takes away what was put into a project's folder: only what is recorded, and is still as it was recorded."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from modelsync.errors import RefusedError
from modelsync.store import atomic, link_folder, link_record
from modelsync.store.clone import FOLDER_HINT
from modelsync.store.link_record import Record, owned


def remove(folder: Path, paths: Iterable[str], *, inside: Path | None = None) -> tuple[str, ...]:
    """Removes what was put at `paths`, and folders that become empty; returns the paths that are gone.

    What was changed since, was found, or is not recorded stays; it counts as the user's from now on.

    Args:
        folder: The folder.
        paths: In it.
        inside: See `place`.

    Raises:
        RefusedError: the folder leads out of `inside`: what is there is another's.
        StoreError: the folder cannot be written.
    """
    if not folder.is_dir():
        return ()
    link_folder.check_inside(folder, inside)
    gone = []
    with atomic.told(f"cannot remove files from {folder}", hint=FOLDER_HINT), link_folder.claimed(folder):
        records = dict(owned(folder))
        for path in paths:
            put = records.pop(path, None)
            if put is None or put.mode == "found":
                continue
            try:
                target = link_folder.place_of(folder, path)
            except RefusedError:
                continue
            if not _take_away(folder, target, put):
                continue
            gone.append(path)
            _remove_empty(folder, path)
        link_record.write(folder, records, {})
    return tuple(gone)


def without_obstacles(
    folder: Path, known: Mapping[str, Record], wanted: Sequence[str], owner: str
) -> Mapping[str, Record]:
    """Removes what was put there for the same owner and is a file where a folder must be, or the other way round.

    Returns:
        The records that are left. A file that was changed since stays, and is in the way.
    """
    paths = set(wanted)
    folders = {parent for path in wanted for parent in _folders_of(path)}
    in_the_way = [
        path
        for path, put in known.items()
        if put.owner == owner
        and put.mode != "found"
        and (path in folders or not paths.isdisjoint(_folders_of(path)))
    ]
    if not in_the_way:
        return known
    left = dict(known)
    for path in in_the_way:
        if _take_away(folder, link_folder.place_of(folder, path), known[path]):
            del left[path]
            _remove_empty(folder, path)
    link_record.write(folder, left, {})
    return left


def _folders_of(path: str) -> Iterator[str]:
    """The folders that a path is in, from the innermost on."""
    while path := path.rpartition("/")[0]:
        yield path


def _remove_empty(folder: Path, path: str) -> None:
    """Removes the folders of a path that is gone, as far as they are empty."""
    with suppress(OSError):  # the first one that is not empty ends it
        for parent in _folders_of(path):
            (folder / parent).rmdir()


def _take_away(folder: Path, target: Path, put: Record) -> bool:
    """Removes a file, unless it is not what was put there any more; says whether it is gone."""
    from modelsync.store import swap

    if not describes(put, target):
        return not os.path.lexists(target)
    aside = link_record.temporary(folder)
    atomic.rename(target, aside)
    if not describes(put, aside):  # it was changed in that moment
        swap.put_back(aside, target)
        return False
    atomic.unlink(aside)
    return True


def describes(record: Record, path: Path) -> bool:
    """Whether what is at a path is what the record says."""
    try:
        return record.describes(str(path), path.lstat())
    except OSError:
        return False

"""Memos: what the last sync of a project found, to answer from while nothing has changed since. Light.

A memo is to a sync what a `.pyc` is to a module: made from inputs whose size, times and inode it records, used while
they have them, and otherwise as if it were not there. It spares `path()` and a sync with nothing to do the reading of
manifest and lock, whose parsing and checking cost more than an interpreter's start.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.store import small_files
from modelsync.store.layout import MEMOS, VIEWS, Store
from modelsync.version import __version__

_VERSION = f"5 {__version__}"  # another modelsync reads manifest and lock for itself: it may refuse them

Stamp = tuple[int, int, int, int]


class Memo(NamedTuple):
    """What a bare sync found when it had nothing left to do.

    Attributes:
        subject: What it is about: texts that no other call of the same meaning differs in.
        variant: The variants that were asked for, as one text, or None.
        inputs: Stamps of all that decides what a sync has to do; None for a file that was not there.
        outputs: Stamps of all files that it makes be there.
        root: The path, size and inode of the root that keeps them. Its time tells when it was last used.
        models: For each name its variant; the folder of a folder model, or None; and for each file, in the lock's
            order, its role, its absolute path and the receipt that vouches for it.
        given: Stamps of what was put into another tool's cache; None: nothing was to be, or not all could be.
        links_into: Whether the user's config asks for that. The config is among the inputs.
    """

    subject: tuple[str, ...]
    variant: str | None
    inputs: Mapping[str, Stamp | None]
    outputs: Mapping[str, Stamp | None]
    root: tuple[str, int, int]
    models: Mapping[str, tuple[str | None, str | None, tuple[tuple[str, str, str], ...]]]
    given: Mapping[str, Stamp | None] | None = None
    links_into: bool = False


def stamp(path: str | Path) -> Stamp | None:
    """Size, modification time in ns, inode and change time in ns of a file; None where there is none."""
    seen = stat_of(path)
    return stamp_of(seen) if seen is not None else None


def stamp_of(seen: os.stat_result) -> Stamp:
    """The stamp of a file that looks like this."""
    return seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns


def stamps(paths: Iterable[str | Path]) -> dict[str, Stamp | None]:
    """The stamps of some files."""
    return {str(path): stamp(path) for path in paths}


def stat_of(path: str | Path) -> os.stat_result | None:
    """The status of a file; None where there is none."""
    try:
        return os.stat(path)  # noqa: PTH116 - thousands of files: a Path each would take three times as long
    except (OSError, ValueError):  # what a memo names may be no path
        return None


def still(recorded: Mapping[str, Stamp | None]) -> bool:
    """Whether each file has the stamp that was recorded."""
    return all(stamp(path) == was for path, was in recorded.items())


def still_there(recorded: Mapping[str, Stamp | None]) -> bool:
    """Like `still`, of outputs: their change time is not compared. Each new name of a blob changes it."""
    return all((stamp(path) or ())[:3] == (was or ())[:3] for path, was in recorded.items())


def recall(
    store: Store, subject: tuple[str, ...], on_new_day: Callable[[Memo], None] | None = None
) -> Memo | None:
    """The memo about that subject, if its inputs and its root are as they were; None otherwise.

    Notes once a day that the root is in use.

    Args:
        store: The store.
        subject: What the memo is to be about.
        on_new_day: Called with the memo when its root was last used on another day.
    """
    memo = small_files.parsed(place(store, subject), _parse)
    if memo is None or memo.subject != subject or not still(memo.inputs):
        return None
    path, *recorded = memo.root
    seen = stat_of(path)
    if seen is None or [seen.st_size, seen.st_ino] != recorded:
        return None
    if small_files.touch(path, seen.st_mtime) and on_new_day is not None:
        on_new_day(memo)
    return memo


def is_ours(store: Store, memo: Memo, path: str) -> bool:
    """Whether a path that a memo names is where modelsync puts files: in a view, or in the project's folder."""
    folders = (*(f"{place}{os.sep}{VIEWS}" for place in store.places), os.path.dirname(memo.subject[0]))  # noqa: PTH120
    return os.path.normpath(path) == path and any(path.startswith(folder + os.sep) for folder in folders)


def write(store: Store, memo: Memo) -> None:
    """Keeps a memo, in place of the last one about the same subject.

    Raises:
        OSError: the store cannot be written.
    """
    from modelsync.store import atomic

    atomic.write(store, place(store, memo.subject), json.dumps([_VERSION, *memo]).encode())


def place(store: Store, subject: tuple[str, ...]) -> Path:
    """Where the memo about a subject is."""
    # A number that follows from the texts: two subjects may share it, and the memo says which it is about.
    number = int.from_bytes(os.fsencode("\n".join(subject)), "big") % (2**61 - 1)
    return store.root / MEMOS / f"{number:016x}.json"


def _parse(value: Any) -> Memo:
    version, subject, variant, inputs, outputs, (root, size, inode), models, given, links_into = value
    known = {
        name: (_text(of, optional=True), _text(folder, optional=True), _files(files))
        for name, (of, folder, files) in models.items()
    }
    if version != _VERSION or not subject or not isinstance(root, str):
        raise ValueError(version)
    texts = tuple(_text(text) or "" for text in subject)
    of = _text(variant, optional=True)
    stamped = _stamps(given) if given is not None else None
    return Memo(
        texts, of, _stamps(inputs), _stamps(outputs), (root, size, inode), known, stamped, links_into is True
    )


def _files(value: Any) -> tuple[tuple[str, str, str], ...]:
    files = tuple((role, path, receipt) for role, path, receipt in value)
    if not all(isinstance(text, str) for file in files for text in file):
        raise TypeError(value)
    return files


def _stamps(value: Any) -> dict[str, Stamp | None]:
    return {path: (was[0], was[1], was[2], was[3]) if was else None for path, was in value.items()}


def _text(value: Any, *, optional: bool = False) -> str | None:
    if not isinstance(value, str) and not (optional and value is None):
        raise TypeError(value)
    return value

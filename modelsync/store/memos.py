"""Memos: what the last sync of a project found, to answer from while nothing has changed since. Light.

A memo is to a sync what a `.pyc` is to a module: made from inputs whose size, time and inode it records, used while
they have them, and otherwise as if it were not there. It spares `path()` and a sync with nothing to do the reading of
manifest and lock, whose parsing and checking cost more than an interpreter's start.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.store import disk
from modelsync.store.layout import MEMOS, Store

_VERSION = 1

Stamp = tuple[int, int, int]


class Memo(NamedTuple):
    """What a bare sync found when it had nothing left to do.

    Attributes:
        manifest: The manifest's absolute path.
        variant: The variant that was asked for, or None.
        inputs: Stamps of all that decides what a sync has to do; None for a file that was not there.
        outputs: Stamps of all files that it makes be there.
        models: For each name its variant; and for each file, in the lock's order, its role, its absolute path and
            the receipt that vouches for it.
    """

    manifest: str
    variant: str | None
    inputs: Mapping[str, Stamp | None]
    outputs: Mapping[str, Stamp | None]
    models: Mapping[str, tuple[str | None, tuple[tuple[str, str, str], ...]]]


def stamp(path: str | Path) -> Stamp | None:
    """Size, modification time in ns and inode of a file; None where there is none."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - thousands of files: a Path each would take three times as long
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ino


def stamps(paths: Iterable[str | Path]) -> dict[str, Stamp | None]:
    """The stamps of some files."""
    return {str(path): stamp(path) for path in paths}


def still(recorded: Mapping[str, Stamp | None]) -> bool:
    """Whether each file has the stamp that was recorded."""
    return all(stamp(path) == was for path, was in recorded.items())


def recall(store: Store, manifest: Path) -> Memo | None:
    """The memo of the project of that manifest, if its inputs are as they were; None otherwise."""
    try:
        value = json.loads(place(store, manifest).read_bytes())
        memo = _parse(value)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return memo if memo.manifest == str(manifest) and still(memo.inputs) else None


def write(store: Store, memo: Memo) -> None:
    """Keeps a memo, in place of the project's last one.

    Raises:
        OSError: the store cannot be written.
    """
    disk.write(store, place(store, Path(memo.manifest)), json.dumps([_VERSION, *memo]).encode())


def place(store: Store, manifest: Path) -> Path:
    """Where the memo of a project is."""
    # A number that follows from the path: two paths may share it, and the memo says whose it is.
    number = int.from_bytes(os.fsencode(manifest), "big") % (2**61 - 1)
    return store.root / MEMOS / f"{number:016x}.json"


def _parse(value: Any) -> Memo:
    version, manifest, variant, inputs, outputs, models = value
    if version != _VERSION:
        raise ValueError(version)
    return Memo(
        manifest,
        variant,
        {path: tuple(was) if was else None for path, was in inputs.items()},
        {path: tuple(was) if was else None for path, was in outputs.items()},
        {name: (of, tuple((r, p, v) for r, p, v in files)) for name, (of, files) in models.items()},
    )

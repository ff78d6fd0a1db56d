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

from modelsync.store import atomic
from modelsync.store.layout import MEMOS, Store

_VERSION = 1

Stamp = tuple[int, int, int]


class Memo(NamedTuple):
    """What a bare sync found when it had nothing left to do.

    Attributes:
        subject: What it is about: texts that no other call of the same meaning differs in.
        variant: The variant that was asked for, or None.
        inputs: Stamps of all that decides what a sync has to do; None for a file that was not there.
        outputs: Stamps of all files that it makes be there.
        models: For each name its variant; and for each file, in the lock's order, its role, its absolute path and
            the receipt that vouches for it.
    """

    subject: tuple[str, ...]
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
    return stamp_of(seen)


def stamp_of(seen: os.stat_result) -> Stamp:
    """The stamp of a file that looks like this."""
    return seen.st_size, seen.st_mtime_ns, seen.st_ino


def stamps(paths: Iterable[str | Path]) -> dict[str, Stamp | None]:
    """The stamps of some files."""
    return {str(path): stamp(path) for path in paths}


def still(recorded: Mapping[str, Stamp | None]) -> bool:
    """Whether each file has the stamp that was recorded."""
    return all(stamp(path) == was for path, was in recorded.items())


def recall(store: Store, subject: tuple[str, ...]) -> Memo | None:
    """The memo about that subject, if its inputs are as they were; None otherwise."""
    try:
        value = json.loads(place(store, subject).read_bytes())
        memo = _parse(value)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return memo if memo.subject == subject and still(memo.inputs) else None


def write(store: Store, memo: Memo) -> None:
    """Keeps a memo, in place of the last one about the same subject.

    Raises:
        OSError: the store cannot be written.
    """
    atomic.write(store, place(store, memo.subject), json.dumps([_VERSION, *memo]).encode())


def place(store: Store, subject: tuple[str, ...]) -> Path:
    """Where the memo about a subject is."""
    # A number that follows from the texts: two subjects may share it, and the memo says which it is about.
    number = int.from_bytes(os.fsencode("\n".join(subject)), "big") % (2**61 - 1)
    return store.root / MEMOS / f"{number:016x}.json"


def _parse(value: Any) -> Memo:
    version, subject, variant, inputs, outputs, models = value
    if version != _VERSION:
        raise ValueError(version)
    return Memo(
        tuple(subject),
        variant,
        {path: tuple(was) if was else None for path, was in inputs.items()},
        {path: tuple(was) if was else None for path, was in outputs.items()},
        {name: (of, tuple((r, p, v) for r, p, v in files)) for name, (of, files) in models.items()},
    )

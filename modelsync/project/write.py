"""Writing a user's file: by one rename, keeping its mode, through a link only where it stays in the project."""

import re
from pathlib import Path

from modelsync.store import atomic, leftovers, project_files, sync_memo
from modelsync.store.sync_memo import Stamp


class ChangedMeanwhileError(Exception):
    """Another program has written the file since it was read: the edit has to be done anew."""


def replace_text(path: Path, text: str, *, inside: Path, expected: str | None = None) -> Stamp:
    """Makes `path` hold `text`, or leaves it as it was; returns the stamp of what was written.

    Args:
        path: The file.
        text: What it is to hold.
        inside: The project's folder: a link that leads out of it is not followed.
        expected: What the file must still hold, empty where it must not be there; None: anything.

    Raises:
        ChangedMeanwhileError: it holds something else; nothing was written.
        RefusedError: the path is a link that leads out of `inside`, or no regular file.
        StoreError: the folder cannot be written.
    """
    with atomic.told(f"cannot write {path}", hint="check the permissions of its folder"):
        sweep(path)
        seen = project_files.write(
            path, text.encode(), inside=inside, expected=None if expected is None else expected.encode()
        )
    if seen is None:
        raise ChangedMeanwhileError(path)
    return sync_memo.stamp_of(seen)


def sweep(path: Path) -> None:
    """Removes what a process that was killed while it wrote `path` left beside it, once it is a day old."""
    real = path.resolve()
    name = re.compile(rf"\.{re.escape(real.name)}\.[0-9a-f]{{16}}")
    leftovers.sweep(real.parent, lambda other: name.fullmatch(other) is not None)

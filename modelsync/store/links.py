"""Files in a project's folder (`dir`, `pull --dir`): what was put there, and putting it there.

`<dir>/.modelsync.json` records what modelsync put into a folder. Only what is recorded there, and is still
as it was recorded, is ever replaced or removed; everything else in the folder is somebody else's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

RECORD = ".modelsync.json"

LinkMode = Literal["auto", "reflink", "hardlink", "symlink", "copy"]
UsedMode = Literal["reflink", "hardlink", "symlink", "copy", "found"]


class Record(NamedTuple):
    """What was put at a path: digest in hex, size in bytes, modification time in ns, and how.

    `found`: the right bytes were there before us; they are used, and never removed.
    """

    sha256: str
    size: int
    mtime_ns: int
    mode: UsedMode


class Wanted(NamedTuple):
    """A blob that is to appear at `path`: relative to the folder, with `/`."""

    path: str
    blob: Path
    sha256: str
    size: int


def owned(folder: Path) -> Mapping[str, Record]:
    """What was put into `folder`, by path: the record as it is written, nothing else is looked at. Light."""
    raise NotImplementedError


def intact(folder: Path, path: str, record: Record) -> bool:
    """Whether what is at `path` is still what was put there. One stat; light."""
    raise NotImplementedError


def place(
    folder: Path,
    wanted: Sequence[Wanted],
    *,
    mode: LinkMode = "auto",
    inside: Path | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[UsedMode, ...]:
    """Makes blobs appear in `folder`; returns how, for each. What is there and right already is left as it
    is.

    Args:
        folder: Made if need be, with a `.gitignore` of "*".
        wanted: What is to be where.
        mode: `auto` is a reflink, else a hard link, else a copy (the disk is looked at first).
        inside: A folder (the project's) that `folder`, links followed, must not leave. None: anywhere.
        on_bytes: Is told how many more bytes were copied or read, as they are; what it raises ends the work.

    Raises:
        RefusedError: a path leaves the folder, by its name or through a symbolic link.
        DiskFullError: there is no space for copies; nothing was begun.
        StoreError: a file that is not ours is in the way, the mode is not to be had here, the folder cannot
            be written.
    """
    raise NotImplementedError


def remove(folder: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Removes what was put at `paths`, and folders that become empty; returns the paths that are gone.

    What was changed since, was found, or is not recorded stays; it counts as the user's from now on.

    Raises:
        StoreError: the folder cannot be written.
    """
    raise NotImplementedError

"""Lists the files of a folder by their sizes, for caches whose file names are no digests."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

MOST = 200_000  # entries of one folder, with all below it, that are looked at
DEEPEST = 10  # folders below it

# How tools call what they have not finished; some of it has the whole file's size already.
_UNFINISHED = (".incomplete", ".part", ".partial", ".tmp", ".downloadinprogress", ".crdownload", ".lock")
_UNFINISHED_FIRST = ("downloading_", "incomplete-")


def is_unfinished(name: str) -> bool:
    """Whether a tool calls a file so while it is being written."""
    low = name.lower()
    return low.endswith((*_UNFINISHED, "-partial")) or "-partial-" in low or low.startswith(_UNFINISHED_FIRST)


class Listing:
    """The regular files of a folder, by size; read at its first use. Links are not followed.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: Mapping[int, list[Path]] | None = None

    def of_size(self, size: int) -> list[Path]:
        """The files of that size, by path; none where the folder cannot be read."""
        if self._found is None:
            found: dict[int, list[Path]] = {}
            for length, path in self.all():
                found.setdefault(length, []).append(path)
            self._found = found
        return sorted(self._found.get(size, ()))

    def all(self) -> Iterator[tuple[int, Path]]:
        """Each file with its size before it, as they are listed now."""
        return ((length, Path(path)) for path, length in _files(str(self._root)))


def _files(root: str) -> Iterator[tuple[str, int]]:
    """Each file with its size; no more than `MOST`."""
    left = MOST
    folders = [(root, 0)]
    while folders and left > 0:
        folder, depth = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            left -= 1
            try:
                if entry.is_dir(follow_symlinks=False):
                    if depth < DEEPEST:
                        folders.append((entry.path, depth + 1))
                elif entry.is_file(follow_symlinks=False) and not is_unfinished(entry.name):
                    yield entry.path, entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue

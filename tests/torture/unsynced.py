"""What a power cut takes: the bytes that were written and not yet synced."""

import os
import random
from pathlib import Path

Key = tuple[int, int]


class Unsynced:
    """The writes of this process that no sync has followed yet, by file.

    Args:
        scope: The folder whose files are looked through when the power goes.
    """

    def __init__(self, scope: Path) -> None:
        self._scope = scope
        self._spans: dict[Key, list[tuple[int, int]]] = {}
        self._sizes: dict[Key, int] = {}  # as of the last sync

    def written(self, fd: int, offset: int | None, count: int) -> None:
        """Bytes are about to be written at `offset`, or where the file stands."""
        seen = os.fstat(fd)
        key = (seen.st_dev, seen.st_ino)
        self._sizes.setdefault(key, seen.st_size)
        if offset is None:
            offset = os.lseek(fd, 0, os.SEEK_CUR) or seen.st_size
        self._spans.setdefault(key, []).append((offset, count))

    def synced(self, fd: int) -> None:
        """All that was written into this file is on the disk."""
        seen = os.fstat(fd)
        key = (seen.st_dev, seen.st_ino)
        self._spans.pop(key, None)
        self._sizes.pop(key, None)

    def lose(self, *, seed: int) -> None:
        """The power goes: an unsynced file is as it was, or empty where it was new, or has zeros there.

        One in three is whole all the same: the system writes them back in any order.
        """
        dice = random.Random(seed)
        for folder, _, names in os.walk(self._scope):
            for name in sorted(names):
                path = Path(folder, name)
                seen = path.lstat()
                spans = self._spans.pop((seen.st_dev, seen.st_ino), None)
                if spans is not None and dice.random() < 2 / 3:
                    self._lose(path, seen, spans, zeros=dice.random() < 0.5)

    def _lose(self, path: Path, seen: os.stat_result, spans: list[tuple[int, int]], *, zeros: bool) -> None:
        size = self._sizes[seen.st_dev, seen.st_ino]
        path.chmod(0o644)
        descriptor = os.open(path, os.O_RDWR)
        for offset, count in spans:
            held = min(offset + count, seen.st_size) - offset
            if held > 0:
                os.pwrite(descriptor, bytes(held), offset)
        if not zeros:  # another file system keeps the size of before
            os.ftruncate(descriptor, min(size, seen.st_size))
        os.close(descriptor)
        path.chmod(seen.st_mode & 0o7777)
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))

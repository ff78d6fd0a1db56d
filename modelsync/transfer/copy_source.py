"""Other files of this machine, whose bytes are read and copied into a partial."""

from pathlib import Path
from typing import BinaryIO

from modelsync.transfer.partial import Partial

READ = 2**18  # bytes read at once, where the system does not copy by itself


class Elsewhere:
    """Files that are opened when they are first wanted; for one thread at a time.

    Each method raises `OSError` where a file cannot be read.
    """

    def __init__(self) -> None:
        self._open: dict[Path, BinaryIO] = {}
        self._direct = True  # whether the system copies by itself
        self._buffer = memoryview(b"")

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """`size` bytes of a file from `offset` on; fewer where it ends before."""
        file = self._opened(path)
        file.seek(offset)
        data = b""
        while len(data) < size and (more := file.read(size - len(data))):
            data += more
        return data

    def copy(self, path: Path, at: int, partial: Partial, offset: int, count: int) -> int:
        """Copies up to `count` bytes of a file, from `at` on, to `offset` of a partial; gives how many, 0 at its end.

        Raises:
            StoreError: the partial cannot be written.
        """
        file = self._opened(path)
        if self._direct:
            done = partial.copy(file.fileno(), at, offset, count)
            if done:
                return done
            self._direct = done is not None
        self._buffer = self._buffer or memoryview(bytearray(READ))
        file.seek(at)
        done = file.readinto(self._buffer[:count]) or 0  # type: ignore[attr-defined]
        partial.write(self._buffer[:done], offset)
        return done

    def close(self) -> None:
        """Closes them."""
        for file in self._open.values():
            file.close()

    def _opened(self, path: Path) -> BinaryIO:
        if path not in self._open:
            self._open[path] = path.open("rb", buffering=0)
        return self._open[path]

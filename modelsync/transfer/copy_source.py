"""Other files of this machine from which bytes are copied into a partial."""

from pathlib import Path
from typing import BinaryIO

from modelsync.transfer.partial import Partial

READ = 2**18  # bytes read at once, where the kernel cannot copy by itself


class CopySources:
    """Files that are opened at their first use. For one thread at a time.

    Each method raises `OSError` where a file cannot be read.
    """

    def __init__(self) -> None:
        self._open: dict[Path, BinaryIO] = {}
        self._direct = True  # whether the kernel copies by itself
        self._buffer = memoryview(b"")

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """Reads `size` bytes of a file from `offset`; fewer at its end."""
        file = self._opened(path)
        file.seek(offset)
        data = b""
        while len(data) < size and (more := file.read(size - len(data))):
            data += more
        return data

    def copy(self, path: Path, at: int, partial: Partial, offset: int, count: int) -> int:
        """Copies up to `count` bytes of a file, from `at`, to `offset` of a partial; returns how many, 0 at the end.

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
        """Closes all files."""
        for file in self._open.values():
            file.close()

    def _opened(self, path: Path) -> BinaryIO:
        if path not in self._open:
            self._open[path] = path.open("rb", buffering=0)
        return self._open[path]

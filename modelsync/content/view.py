"""Reads parts of a file through a function, in windows, so that many small reads cost few calls."""

from collections.abc import Callable

WINDOW = 64 << 10  # bytes that are read at once


class View:
    """The bytes of one file, or of a part of one.

    Args:
        read: Returns the bytes from a start up to an end; fewer only where the file ends.
        size: Bytes of the whole.
        window: The least that one call of `read` asks for.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int, *, window: int = WINDOW) -> None:
        self._read = read
        self.size = size
        self._window = window
        self._start = 0
        self._data = b""

    def at(self, start: int, count: int) -> bytes:
        """Up to `count` bytes from `start` on; fewer at the end of the file."""
        end = min(start + count, self.size)
        if start < 0 or start >= end:
            return b""
        if not (self._start <= start and end <= self._start + len(self._data)):
            if count > self._window:
                return self._read(start, end)
            self._start, self._data = start, self._read(start, min(start + self._window, self.size))
        return self._data[start - self._start : end - self._start]

    def part(self, start: int, size: int) -> "View":
        """A part of it as a file of its own; what would lie behind the end is cut off."""
        size = max(0, min(size, self.size - start))
        return View(lambda begin, end: self.at(start + begin, end - begin), size, window=1)


def of_bytes(data: bytes) -> View:
    """A file that is in memory whole."""
    return View(lambda start, end: data[start:end], len(data))

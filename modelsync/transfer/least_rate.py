"""Which servers are given up for bringing next to nothing, where another place may have the bytes."""

import threading

from modelsync.net.retry import StalledError

LEAST = 1024  # bytes a second, of one response
BUSY = 16 * LEAST  # the same of a place: as if each of 16 streams got the least


class LeastRate:
    """A least speed of one response, over windows of waiting. Pure.

    Only the time in which bytes were waited for counts: a rate limit of our own, or a busy disk, is not the server's.

    Args:
        window: Seconds.
        waited: Seconds that the connection had waited before the body began: for the head, and for earlier responses.
    """

    def __init__(self, window: float, waited: float) -> None:
        self._window = window
        self._since = waited
        self._count = 0

    def count(self, size: int, waited: float, server: object) -> None:
        """Counts bytes that have come.

        Args:
            size: How many.
            waited: Seconds that the connection has waited so far.
            server: Who sent them, for the error.

        Raises:
            StalledError: a window has passed with too few bytes.
        """
        self._count += size
        passed = waited - self._since
        if passed < self._window:
            return
        if self._count < LEAST * passed:
            raise StalledError(f"{server} is too slow: less than {LEAST} bytes a second")
        self._since, self._count = waited, 0


class Trial:
    """One attempt at a place before the next one is asked, shared by all files and streams that are fetched from it.

    A place that still brings bytes to one of them is busy, not gone: the others may try again. The clock is an
    argument.

    Args:
        seconds: After which a stream that brings next to nothing is given up.
        most: Bytes a second that this call may read; None: any.
    """

    def __init__(self, seconds: float, most: float | None = None) -> None:
        self.seconds = seconds
        self._enough = seconds * (BUSY if most is None else min(BUSY, most / 2))  # bytes
        self._count = 0
        self._since = 0.0
        self._enough_at: float | None = None
        self._lock = threading.Lock()

    def count(self, size: int, now: float) -> None:
        """Counts bytes that have come from the place."""
        with self._lock:
            if now - self._since >= self.seconds:
                self._count, self._since = 0, now
            self._count += size
            if self._count >= self._enough:
                self._count, self._since = 0, now
                self._enough_at = now

    def brings(self, now: float) -> bool:
        """Whether enough has come of late for the place to be busy and not gone."""
        with self._lock:
            return self._enough_at is not None and now - self._enough_at < self.seconds

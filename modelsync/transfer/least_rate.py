"""Gives a connection up that brings next to nothing, where another place may have the bytes. Pure."""

from modelsync.errors import NetworkError

LEAST = 1024  # bytes a second


class LeastRate:
    """A least speed of one response, over windows of waiting.

    Only the time in which bytes were waited for counts: a rate limit of our own, or a busy disk, is not the server's.

    Args:
        window: Seconds.
        waited: Seconds that the connection had waited before the body began: for the head, and for earlier responses.
    """

    def __init__(self, window: float, waited: float = 0.0) -> None:
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
            NetworkError: a window has passed with too few bytes.
        """
        self._count += size
        passed = waited - self._since
        if passed < self._window:
            return
        if self._count < LEAST * passed:
            raise NetworkError(f"{server} is too slow: less than {LEAST} bytes a second")
        self._since, self._count = waited, 0

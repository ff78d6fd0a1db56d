"""Waiting that ends with a deadline or the cancel event, whichever is first; and a least speed."""

import selectors
import socket
import threading
import time

import httpx2

from modelsync.errors import CancelledError

TICK = 0.25  # seconds; how soon a wait notices that it is cancelled
LONGEST_TICK = 2 * TICK
LEAST_RATE = 1024  # bytes a second
RATE_WINDOW = 60.0  # seconds over which the rate is measured

# No descriptor of its own, unlike epoll and kqueue, and no limit of 1024 of them, unlike select, which is all there is
# on Windows.
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Clock:
    """One wait: it ends with the cancel event or the deadline, whichever is first.

    Between two looks at most `LONGEST_TICK` counts: a process that was stopped meanwhile, or had no turn on a busy
    machine, did not wait for the other side.
    """

    def __init__(self, timeout: float | None, cancel: threading.Event) -> None:
        self._left = timeout
        self._looked_at = time.monotonic()
        self._cancel = cancel

    def tick(self) -> float:
        """Seconds to wait before the next look.

        Raises:
            CancelledError: the cancel event is set.
            TimeoutError: the deadline is past.
        """
        if self._cancel.is_set():
            raise CancelledError("interrupted")
        if self._left is None:
            return TICK
        now = time.monotonic()
        self._left -= min(now - self._looked_at, LONGEST_TICK)
        self._looked_at = now
        if self._left <= 0:
            raise TimeoutError
        return min(TICK, self._left)

    def until_ready(self, sock: socket.socket, events: int) -> None:
        """Waits until the socket is ready for reading or writing."""
        with Selector() as selector:
            selector.register(sock, events)
            while not selector.select(self.tick()):
                pass


class TooSlowError(httpx2.ReadTimeout):
    """A head, a document or a handshake comes more slowly than `LEAST_RATE`."""


class Floor:
    """A least speed: `LEAST_RATE` over each `RATE_WINDOW`.

    The time runs while something is read, from its first byte on: the wait for that has the timeout.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._spent = 0.0
        self._count = 0

    def count(self, size: int) -> None:
        """Counts bytes that were of use."""
        self._count += size

    def check(self) -> None:
        """Judges the speed; to be called whenever bytes have come.

        Raises:
            TooSlowError: a window has passed with too few bytes.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if self._spent + now - self._since < RATE_WINDOW:
            return
        if self._count < LEAST_RATE * RATE_WINDOW:
            raise TooSlowError(f"less than {LEAST_RATE} bytes a second for {RATE_WINDOW:g} seconds")
        self._since, self._spent, self._count = now, 0.0, 0

    def pause(self) -> None:
        """Stops the time until the next byte: what was read is complete."""
        if self._since is not None:
            self._spent += time.monotonic() - self._since
            self._since = None

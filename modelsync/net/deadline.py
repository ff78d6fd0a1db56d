"""Waiting that ends with a deadline or the cancel event, whichever is first."""

import selectors
import socket
import threading
import time

from modelsync.errors import CancelledError

TICK = 0.25  # seconds; how soon a wait notices that it is cancelled

# No descriptor of its own, unlike epoll and kqueue, and no limit of 1024 of them, unlike select, which is all there is
# on Windows.
Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Clock:
    """One wait: it ends with the cancel event or the deadline, whichever is first."""

    def __init__(self, timeout: float | None, cancel: threading.Event) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._cancel = cancel

    def tick(self) -> float:
        """Seconds to wait before the next look.

        Raises:
            CancelledError: the cancel event is set.
            TimeoutError: the deadline is past.
        """
        if self._cancel.is_set():
            raise CancelledError("interrupted")
        if self._deadline is None:
            return TICK
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(TICK, left)

    def until_ready(self, sock: socket.socket, events: int) -> None:
        """Waits until the socket is ready for reading or writing."""
        with Selector() as selector:
            selector.register(sock, events)
            while not selector.select(self.tick()):
                pass

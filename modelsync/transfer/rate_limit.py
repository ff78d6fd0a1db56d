"""A limit on the bytes that are read from the network in a second, over all streams of a call.

It is the reading that is limited: what nobody reads fills the buffers on the way, and then the server sends no more.
Every stream reads a small piece, pays for it, and reads again when that is paid off. Payments stand in one line, so
each stream gets its turn, and nothing is handed out that has to be given back when fewer bytes came.
"""

import threading
import time
from collections.abc import Callable

BURST = 0.25  # seconds whose bytes may be made up for after they were not used
HELD = 0.25  # seconds whose bytes all streams together may have read and not paid off
LOOK = 0.05  # seconds between two looks at whether waiting still makes sense


class Bucket:
    """A token bucket that tells how long to wait. Pure: the time is told, not looked at.

    Where each of `n` payers waits as it is told before it takes its next `piece`, they take at most
    `rate * (seconds + BURST) + n * piece` bytes in any so many seconds.

    Args:
        rate: Bytes a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._paid_off: float | None = None  # when all that was taken will be; nothing was yet

    def pay(self, now: float, count: int) -> float:
        """Pays for `count` bytes that were taken; gives the seconds until who took them may take more."""
        begins = now if self._paid_off is None else max(self._paid_off, now - BURST)
        self._paid_off = begins + count / self._rate
        return self.owes(now)

    def owes(self, now: float) -> float:
        """Seconds until all that was taken is paid off; 0.0 if it is."""
        return max(0.0, (self._paid_off or now) - now)


class Limit:
    """One limit for any number of streams, in any threads.

    Args:
        rate: Bytes a second.
        streams: As many, at the most, read at one time.

    Attributes:
        piece: The most bytes to read before they are paid for.
    """

    def __init__(self, rate: int, streams: int) -> None:
        self.piece = max(1, int(rate * HELD / streams))
        self._bucket = Bucket(rate)
        self._lock = threading.Lock()

    @property
    def binds(self) -> bool:
        """Whether it is the limit that holds the streams back just now."""
        return self._bucket.owes(time.monotonic()) > 0

    def pay(self, count: int, over: Callable[[], bool]) -> None:
        """Waits until who has read `count` bytes may read again, or `over` says that there is no point in it."""
        with self._lock:
            now = time.monotonic()
            until = now + self._bucket.pay(now, count)
        while (left := until - time.monotonic()) > 0 and not over():
            time.sleep(min(left, LOOK))

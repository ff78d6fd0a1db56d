"""Limits the bytes read from the network a second, over all streams of a call.

Only reading is limited: unread bytes fill the buffers on the way, and then TCP makes the server wait. Each stream
reads a small piece, pays for it afterwards, and reads again when that is paid off. Payments form one queue, so every
stream gets its turn, and a short read needs no refund.
"""

import threading
import time
from collections.abc import Callable

BURST = 0.25  # seconds of unused allowance that may be caught up
HELD = 0.25  # seconds of allowance that all streams together may have read and not paid off
CHECK_EVERY = 0.05  # seconds between two checks for a cancel


class TokenBucket:
    """A token bucket that says how long to wait. Pure; the clock is an argument.

    If each of `n` readers waits as told before it takes its next `piece`, they take at most
    `rate * (seconds + BURST) + n * piece` bytes in any span of that many seconds.

    Args:
        rate: Bytes a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._paid_off: float | None = None  # when all bytes taken are paid off; None: none were taken

    def pay(self, now: float, count: int) -> float:
        """Pays for `count` bytes that were taken; returns the seconds to wait before the next ones."""
        begins = now if self._paid_off is None else max(self._paid_off, now - BURST)
        self._paid_off = begins + count / self._rate
        return self.owes(now)

    def owes(self, now: float) -> float:
        """Seconds until all bytes taken are paid off; 0.0 if they are."""
        return max(0.0, (self._paid_off or now) - now)


class RateLimit:
    """A limit that any number of streams share, in any threads.

    Args:
        rate: Bytes a second.
        streams: The most streams that read at one time.

    Attributes:
        piece: The most bytes to read before they are paid for.
    """

    def __init__(self, rate: int, streams: int) -> None:
        self.piece = max(1, int(rate * HELD / streams))
        self._bucket = TokenBucket(rate)
        self._lock = threading.Lock()

    @property
    def throttles(self) -> bool:
        """Whether the limit makes streams wait now."""
        return self._bucket.owes(time.monotonic()) > 0

    def pay(self, count: int, cancelled: Callable[[], bool]) -> None:
        """Waits until a stream that has read `count` bytes may read again, or until `over` returns true."""
        with self._lock:
            now = time.monotonic()
            until = now + self._bucket.pay(now, count)
        while (left := until - time.monotonic()) > 0 and not cancelled():
            time.sleep(min(left, CHECK_EVERY))

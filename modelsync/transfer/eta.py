"""Transfer rate and estimated time left. Pure; the clock is an argument.

The rate is the mean over the last seconds. The time left uses a steadier rate, an exponential average of
measurements of a second each, so that it does not jump: a pause lets it grow by a tenth a second, and a burst
shortens it within bounds.
"""

from collections import deque
from math import exp

WINDOW = 10.0  # seconds that the rate is the mean of
GRAIN = 0.25  # seconds between two samples of the rate
STEP = 1.0  # seconds, at least, of a measurement of the steady rate
MEMORY = 10.0  # time constant of the steady rate, seconds
LEAP = 4.0  # a measurement counts as at most so many times the steady rate
FORGOTTEN = 60.0  # seconds without a byte after which the time left is unknown


class RateMeter:
    """Measures the rate at which bytes arrive, and the time left."""

    def __init__(self) -> None:
        self._came = 0  # bytes
        self._samples: deque[tuple[float, int]] = deque()
        self._first: float | None = None  # when bytes first came, or came again after a long pause
        self._step = (0.0, 0)  # time and bytes at the start of the next measurement
        self._steady = 0.0  # bytes a second; 0.0: not measured yet

    def add(self, now: float, more: int) -> None:
        """Adds bytes that have arrived by now; 0 marks the start of a transfer."""
        self._came += more
        if not self._samples or now - self._samples[-1][0] >= GRAIN:
            self._samples.append((now, self._came))
        if more:
            self._measure(now)

    def _measure(self, now: float) -> None:
        since, came = self._step
        span = now - since
        if self._first is None or span > MEMORY:
            self._first, self._step = now, (now, self._came)
        elif span >= STEP:
            measured = (self._came - came) / span
            share = max(span / (now - self._first), 1 - exp(-span / MEMORY))
            if self._steady and share < 1:
                measured = min(measured, LEAP * self._steady)
            self._steady += share * (measured - self._steady)
            self._step = (now, self._came)

    def rate(self, now: float) -> float:
        """Bytes a second over the last seconds; 0.0 when nothing came."""
        while len(self._samples) > 2 and now - self._samples[1][0] > WINDOW:
            self._samples.popleft()
        if not self._samples:
            return 0.0
        then, came = self._samples[0]
        return (self._came - came) / (now - then) if now - then > GRAIN else 0.0

    def seconds_left(self, now: float, missing: int) -> float | None:
        """Seconds that `missing` bytes will take; None while that is unknown."""
        silence = now - self._step[0] - 2 * STEP  # the time within a measurement is no silence
        if not self._steady or silence > FORGOTTEN:
            return None
        return missing / (self._steady * exp(-max(0.0, silence) / MEMORY))

"""How fast bytes come, and how long the rest of them will take. Pure: the time is told, not looked at.

The rate is the mean over the last seconds, as a person would measure it. A time to go that stood on it would jump with
every burst and every pause; it stands on a steadier one, which is measured second by second and believes each second a
little: a pause lets the time to go grow by a tenth a second, and a burst shortens it within bounds.
"""

from collections import deque
from math import exp

WINDOW = 10.0  # seconds that the rate is taken over
GRAIN = 0.25  # seconds between two samples of it
STEP = 1.0  # seconds, at least, over which the steadier one is measured
MEMORY = 10.0  # seconds after which a measurement counts for a third
LEAP = 4.0  # times what it was, at most, that a measurement is believed to be
FORGOTTEN = 60.0  # seconds without a byte, after which nobody can tell how long it will take


class Pace:
    """What has come, and when."""

    def __init__(self) -> None:
        self._came = 0  # bytes
        self._samples: deque[tuple[float, int]] = deque()
        self._first: float | None = None  # when bytes came for the first time, or again after a long pause
        self._step = (0.0, 0)  # since when, and from what, the next measurement is taken
        self._steady = 0.0  # bytes a second; 0.0: not measured yet

    def hear(self, now: float, more: int) -> None:
        """So many bytes more have come by now; with 0 of them it is now that others begin to come."""
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

    def left(self, now: float, missing: int) -> float | None:
        """Seconds that `missing` bytes will take, or None while that cannot be told."""
        silent = now - self._step[0] - 2 * STEP  # that one is between two measurements is no silence
        if not self._steady or silent > FORGOTTEN:
            return None
        return missing / (self._steady * exp(-max(0.0, silent) / MEMORY))

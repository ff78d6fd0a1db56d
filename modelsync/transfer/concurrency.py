"""Finds the best number of streams over all files by trial. Pure; the clock is an argument.

It compares how long the streams work (read, decrypt, write) and how long they wait for bytes.

- At first, in short rounds: if they mostly wait, their number doubles, up to the maximum. If they hardly wait, this
  machine is the bottleneck: half as many are tried, and kept unless the rate drops much, because each thread slows
  the others.
- Then, every few seconds, in a longer round, a few more or fewer are tried. More must bring a good part of what they
  could; fewer must lose hardly anything. The pause after a failed trial doubles.

A server that rejects requests because of load halves the number at once. What was measured before, or before a pause
or while a rate limit binds, counts for no round.
"""

from dataclasses import dataclass
from typing import Literal

SHORT = 0.05  # seconds of a first round
LONG = 1.0  # seconds of a later round
SILENCE = 0.5  # seconds without a byte, after which more streams are tried
MOSTLY_WAITING = 0.35  # the largest share of their time that streams work which mostly wait
ALWAYS_WAITING = 0.1  # the same for streams that do nothing but wait
HARDLY_WAITING = 0.55  # the smallest share of their time that streams work which hardly wait
MUCH_SLOWER = 0.75  # of the former rate
AS_FAST = 0.95  # of the former rate, at the least, with fewer streams
FASTER = 1.2  # times the former rate, at the least, with more streams
TRIAL_PAUSE = 2.0  # seconds between trials; doubled after each that failed
MAX_TRIAL_PAUSE = 60.0
CROWDED = 5.0  # seconds without more streams after a server rejected some


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Counters over all streams of a run.

    Attributes:
        received: Bytes so far.
        worked: Seconds so far, summed over the streams, in which they did not wait for bytes.
        busy: Streams that have a claim now.
        throttled: Whether a rate limit makes streams wait now: then more would bring no more.
    """

    received: int = 0
    worked: float = 0.0
    busy: int = 0
    throttled: bool = False


class Tuner:
    """Chooses the number of streams.

    Args:
        most: The maximum.
        first: The number to begin with.

    Attributes:
        limit: How many may work now.
        stream_rate: Bytes a second of one stream, as last measured; 0: not yet.
    """

    def __init__(self, most: int, first: int) -> None:
        self._most = most
        self.limit = min(most, max(1, first))
        self.stream_rate = 0.0
        self._state: Literal["first", "fewer", "steady", "trial"] = "first"
        self._began: tuple[float, StreamStats] | None = None  # the current round
        self._silent = False  # nothing has come for `SILENCE`
        self._before = (self.limit, 0.0)  # limit and rate that a trial is compared with
        self._next_trial = 0.0
        self._pause = TRIAL_PAUSE
        self._upwards = True

    def update(self, now: float, stats: StreamStats) -> bool:
        """Takes the counters at a time; returns whether `limit` has changed."""
        tells = stats.busy >= self.limit and not stats.throttled  # else the server is not what they wait for
        if not tells or self._began is None:
            self._began = (now, stats) if tells else None
            return False
        since, start = self._began
        span, received = now - since, stats.received - start.received
        if not received:
            if span < SILENCE:
                return False
            self._silent = True
            if now < self._next_trial or self.limit == self._most:
                return False
            self.limit = min(2 * self.limit, self._most)
            self._began = None
            return True
        if self._silent:  # a round with the silence in it would show too low a rate
            self._silent = False
            self._began = (now, stats)
            return False
        short = self._state in ("first", "fewer")
        if span < (SHORT if self._state == "first" else 3 * SHORT if short else LONG):
            return False
        old = self.limit
        self.stream_rate = received / span / old
        share = (stats.worked - start.worked) / span / old
        if short:
            self._first_rounds(received / span, share, now)
        else:
            self._later_rounds(received / span, share, now)
        self._began = (now, stats)
        return self.limit != old

    def crowded(self, now: float) -> None:
        """Notes that a server rejected a request because of load."""
        if self._state != "steady" or now >= self._next_trial - CROWDED / 2:  # else it is counted already
            self.limit = max(1, self.limit // 2)
        self._state, self._upwards = "steady", True
        self._began = None  # the round before had more streams
        self._next_trial = now + CROWDED

    def _first_rounds(self, rate: float, share: float, now: float) -> None:
        limit, before = self._before
        if self._state == "fewer" and rate < MUCH_SLOWER * before:
            self.limit = limit
            self._end_trial(now)
        elif share < MOSTLY_WAITING and self.limit < self._most and self._state == "first":
            self.limit = min((4 if share < ALWAYS_WAITING else 2) * self.limit, self._most)
        elif share > HARDLY_WAITING and self.limit > 1:
            self._before = (self.limit, rate)
            self.limit //= 2
            self._state = "fewer"
        else:
            self._end_trial(now)

    def _later_rounds(self, rate: float, share: float, now: float) -> None:
        if self._state == "trial":
            limit, before = self._before
            if rate < before * (FASTER if self.limit > limit else AS_FAST):
                self.limit = limit
                self._pause = min(2 * self._pause, MAX_TRIAL_PAUSE)
                self._upwards = not self._upwards
            else:
                self._pause = TRIAL_PAUSE
                self._upwards = self.limit > limit
            self._end_trial(now)
        elif now >= self._next_trial:
            self._before = (self.limit, rate)
            if self._upwards and share < MOSTLY_WAITING and self.limit < self._most:
                self.limit = min(2 * self.limit, self._most)
            else:
                self.limit -= max(1, self.limit // 4) if self.limit > 1 else 0
            self._state = "trial"

    def _end_trial(self, now: float) -> None:
        self._state = "steady"
        self._next_trial = now + self._pause

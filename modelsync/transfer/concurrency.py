"""How many streams are worth having, over all files: found by trying. Pure: the time is told, not looked at.

What decides is how much of their time the streams work (read, decrypt, write) and how much they wait for bytes.

- At first, in short rounds: where they mostly wait, there are twice as many from the next round on, up to the most
  there may be; where they hardly wait, this machine is the slower side, and half as many are tried, which stay unless
  much is lost: every thread costs the others time.
- Then, every few seconds, over a longer round: is one of a few streams more, or fewer, as good? More must bring a
  good part of what they could; fewer must lose hardly anything, and then they were not worth having. What was tried
  in vain is tried again later, each time after a longer while.

A server that turns requests away halves the number at once.
"""

from dataclasses import dataclass
from typing import Literal

SHORT = 0.05  # seconds of a round at first
LONG = 1.0  # seconds of a round that finds out what a few streams bring
SILENCE = 0.5  # seconds in which nothing comes at all: others may have more luck
IDLE = 0.35  # of their time, at most, that streams work which mostly wait
HARDLY = 0.1  # of their time that streams work which do nothing but wait
BUSY = 0.55  # of their time, at least, that streams work which hardly wait
MUCH = 0.75  # of the rate is left when much is lost
WORTH = 0.95  # of the rate is left without streams that are not worth having
PAYS = 1.2  # times the rate that more streams must bring
PATIENCE = 2.0  # seconds until something is tried; doubled each time that was in vain
LONGEST_PATIENCE = 60.0
CROWDED = 5.0  # seconds without more streams after a server turned some away


@dataclass(frozen=True, slots=True)
class Count:
    """What has come so far, of everything.

    Attributes:
        received: Bytes.
        worked: Seconds, over all streams, that they did not wait for bytes.
        busy: Streams that have something in hand.
    """

    received: int = 0
    worked: float = 0.0
    busy: int = 0


class Tuner:
    """Finds the number of streams.

    Args:
        most: More there are never.
        first: How many to begin with.

    Attributes:
        limit: How many may be at work now.
        pace: Bytes that one of them brought in a second when that was last measured; 0: not yet.
    """

    def __init__(self, most: int, first: int) -> None:
        self._most = most
        self.limit = min(most, max(1, first))
        self.pace = 0.0
        self._state: Literal["first", "fewer", "steady", "trial"] = "first"
        self._began: tuple[float, Count] | None = None  # the round that is going on
        self._before = (self.limit, 0.0)  # limit and rate that a trial is held against
        self._next_trial = 0.0
        self._patience = PATIENCE
        self._upwards = True

    def look(self, now: float, count: Count) -> bool:
        """Looks at what has come; says whether `limit` has changed."""
        if count.busy < self.limit or self._began is None:  # too little to do for all of them says nothing
            self._began = (now, count) if count.busy >= self.limit else None
            return False
        since, start = self._began
        span, received = now - since, count.received - start.received
        if not received:
            if span < SILENCE or now < self._next_trial or self.limit == self._most:
                return False
            self.limit = min(2 * self.limit, self._most)
            self._began = None
            return True
        short = self._state in ("first", "fewer")
        if span < (SHORT if self._state == "first" else 3 * SHORT if short else LONG):
            return False
        old = self.limit
        self.pace = received / span / old
        share = (count.worked - start.worked) / span / old
        if short:
            self._begin(received / span, share, now)
        else:
            self._go_on(received / span, share, now)
        self._began = (now, count)
        return self.limit != old

    def crowded(self, now: float) -> None:
        """A server turned a request away because there are too many."""
        if self._state != "steady" or now >= self._next_trial - CROWDED / 2:  # else several say the same
            self.limit = max(1, self.limit // 2)
        self._state, self._upwards = "steady", True
        self._next_trial = now + CROWDED

    def _begin(self, rate: float, share: float, now: float) -> None:
        limit, before = self._before
        if self._state == "fewer" and rate < MUCH * before:
            self.limit = limit
            self._rest(now)
        elif share < IDLE and self.limit < self._most and self._state == "first":
            self.limit = min((4 if share < HARDLY else 2) * self.limit, self._most)
        elif share > BUSY and self.limit > 1:
            self._before = (self.limit, rate)
            self.limit //= 2
            self._state = "fewer"
        else:
            self._rest(now)

    def _go_on(self, rate: float, share: float, now: float) -> None:
        if self._state == "trial":
            limit, before = self._before
            if rate < before * (PAYS if self.limit > limit else WORTH):
                self.limit = limit
                self._patience = min(2 * self._patience, LONGEST_PATIENCE)
                self._upwards = not self._upwards
            else:
                self._patience = PATIENCE
                self._upwards = self.limit > limit
            self._rest(now)
        elif now >= self._next_trial:
            self._before = (self.limit, rate)
            if self._upwards and share < IDLE and self.limit < self._most:
                self.limit = min(2 * self.limit, self._most)
            else:
                self.limit -= max(1, self.limit // 4) if self.limit > 1 else 0
            self._state = "trial"

    def _rest(self, now: float) -> None:
        self._state = "steady"
        self._next_trial = now + self._patience

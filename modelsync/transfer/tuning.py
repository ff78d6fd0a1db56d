"""How many streams are worth having, over all files: found by trying, as what comes with more or fewer. Pure.

The time is told, not looked at. A round has two parts: for a while the change settles, as new streams must connect
and ask; then the rate is measured. It is compared with that of the round before:

- Where the streams mostly wait for bytes, twice as many are tried. They stay if that brings a good part of what it
  could.
- Where the bytes mostly wait for the streams (reads come back full), this machine is the slower side, and half as
  many are tried. They stay if hardly anything is lost: every thread more costs the others time.

What did not pay is taken back, and not tried again for a while, each time longer. A server that turns requests away
halves the number at once.
"""

from dataclasses import dataclass

SETTLE = 0.04  # seconds, at least, before a change is judged
MEASURE = 0.06  # seconds, at least, that a rate is measured
PAYS = 1.2  # times the rate that twice the streams must bring
LOSS = 0.95  # of the rate that half the streams must keep
EAGER = 0.5  # of the bytes came in full reads: the bytes wait for the streams
PATIENCE = 2.0  # seconds until what did not pay is tried again; doubled each time
LONGEST_PATIENCE = 30.0
CROWDED = 5.0  # seconds without more streams after a server turned some away


@dataclass(frozen=True, slots=True)
class Count:
    """What has come so far, of everything.

    Attributes:
        received: Bytes.
        full: Those of them that came in reads that filled their buffer.
        first_byte: Seconds from the last question to the first byte of its answer.
        busy: Streams that have something in hand.
    """

    received: int = 0
    full: int = 0
    first_byte: float = 0.0
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
        self._round = Count()
        self._settled_at: float | None = None
        self._measured_at = 0.0
        self._before: tuple[int, float] | None = None  # the limit and the rate that are to be beaten
        self._hold_until = 0.0
        self._patience = PATIENCE

    def look(self, now: float, count: Count) -> bool:
        """Looks at what has come; says whether `limit` has changed."""
        if count.busy < self.limit:  # there is not enough to do for them: that says nothing
            self._settled_at = None
            return False
        if self._settled_at is None or (now < self._settled_at and not count.received):
            self._settle(now, count)
            return False
        if now < self._settled_at:
            self._round, self._measured_at = count, now
            return False
        span = now - self._measured_at
        if span < max(MEASURE, count.first_byte):
            return False
        received = count.received - self._round.received
        full = (count.full - self._round.full) / received if received else 0.0
        old = self.limit
        self.pace = received / span / old
        self.limit = self._judged(now, received / span, full)
        self._settle(now, count)
        return self.limit != old

    def crowded(self, now: float) -> None:
        """A server turned a request away because there are too many."""
        if now >= self._hold_until or self._before is not None:
            self.limit = max(1, self.limit // 2)
        self._before = None
        self._hold_until = now + CROWDED

    def _settle(self, now: float, count: Count) -> None:
        self._settled_at = now + max(SETTLE, count.first_byte)
        self._round, self._measured_at = count, now

    def _judged(self, now: float, rate: float, full: float) -> int:
        """The next limit, from the rate with the present one."""
        if self._before is not None:
            limit, before = self._before
            self._before = None
            if rate < before * (PAYS if self.limit > limit else LOSS):
                self._hold_until = now + self._patience
                self._patience = min(2 * self._patience, LONGEST_PATIENCE)
                return limit
            self._patience = PATIENCE
        if now < self._hold_until:
            return self.limit
        following = max(1, self.limit // 2) if full > EAGER else min(2 * self.limit, self._most)
        if following != self.limit:
            self._before = self.limit, rate
        return following

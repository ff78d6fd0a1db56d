"""One segment's way from missing to whole: which bytes are asked for next, by how many streams. Pure.

All offsets count from the segment's first byte; the time is told, not looked at. Nothing here locks: who shares a
track between threads does.

While nothing is known of the server, one stream asks. Once it has answered with a range, up to `width` streams
share the rest. A stream that is turned away while others go on gives its range back and the segment goes on with
fewer; only the last one's failures count towards giving up, and they count anew when bytes come. What is held is
not for streams: it may be copied from another file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from modelsync.net.retry import FIRST_WAIT, Backoff
from modelsync.transfer.journal import Validator
from modelsync.transfer.ranges import Ranges

MiB = 2**20
SMALLEST = 8 * MiB  # of a range: below that a request costs more than its stream wins
LARGEST = 64 * MiB
AHEAD = 128 * MiB  # of the bytes that are hashed now, all streams together take about so many
SMALL = MiB // 16  # a gap that is asked for before larger ones: somebody may wait for just that
PROBE = 256 * MiB  # after so many bytes one stream more than the server liked last time is tried
MANY = 2**62  # more than any file has


@dataclass(slots=True, eq=False)
class Take:
    """A range that one stream has in hand.

    Attributes:
        start: Where to ask from.
        end: Up to where to ask, or None: to the end; with `start` 0 that is the plain question for everything.
        position: How far the bytes have been recorded.
        limit: The offset at which the answer must end, or None while nobody knows.
        grew: Whether more of the segment is here than ever before because of it.
    """

    start: int
    end: int | None
    position: int = field(init=False)
    limit: int | None = field(init=False)
    grew: bool = False

    def __post_init__(self) -> None:
        self.position = self.start
        self.limit = self.end


class Track:
    """The state of one segment.

    Args:
        promised: The size that it must have, or None.
        digest: Whether a digest will decide about it, so that bytes of different answers may be joined.
        streams: The most streams that may work on it.
        done: What is here already.
        validator: The version that those bytes are of, where no digest will tell.
        backoff: Makes the counter of tries.
    """

    def __init__(
        self,
        promised: int | None,
        *,
        digest: bool,
        streams: int,
        done: Ranges | None = None,
        validator: Validator | None = None,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self.promised = promised
        self.digest = digest
        self.size = promised if promised is not None or validator is None else validator.total
        self.done = done or Ranges()
        self.validator = validator
        self.held = Ranges()
        self.active: list[Take] = []
        self.ranged = False  # the server has answered with ranges since its last failure
        self.plain = False  # only the whole may be asked for
        self.draining = False  # what is here will be thrown away once no stream works on it
        self.not_before = 0.0
        self.changes = 0  # how often the source had another version
        self.oddities = 0  # how often it had another size than was promised
        self._streams = self._ceiling = self.width = streams
        self._backoff = backoff()
        self._best = self.done.covered
        self._probe = 0
        self._gaps: tuple[tuple[object, ...], Ranges] = ((), Ranges())

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.size is not None and self.done.prefix >= self.size and not self.draining

    def take(
        self, now: float, pace: float = LARGEST, streams: int | None = None, *, in_order: bool = False
    ) -> Take | None:
        """The next range for a stream that is free, or None if there is nothing for it now.

        Args:
            now: The time.
            pace: Bytes that one stream brings in a second; 0: nobody knows.
            streams: How many there are for this file; None: as many as may be.
            in_order: Whether what comes first in the segment is wanted first, whatever waits for the rest.
        """
        shared = self.ranged and not self.plain
        busy = len(self.active) >= self.width if shared else bool(self.active)
        if busy or self.complete or self.draining or now < self.not_before:
            return None
        if self.plain or (self.done and not self.digest and self.validator is None):
            return None if self.held else self._begin(0, None)
        gaps = self._free()
        if not gaps:
            return None
        small = (gap for gap in gaps if gap[1] - gap[0] <= SMALL and not in_order)
        start, end = next(small, gaps.spans[0])
        if self.size is None:
            return self._begin(start, end if end < MANY else SMALLEST if start == 0 else None)
        end = min(end, start + chunk(gaps.covered, min(streams or self._streams, self._streams), pace))
        return self._begin(start, None if (start, end) == (0, self.size) else end)

    def began(self, *, ranged: bool) -> None:
        """The first bytes of an answer are here."""
        self.ranged = self.ranged or ranged
        if self.width < self._ceiling:
            self.width += 1

    def arrived(self, take: Take, position: int) -> None:
        """The bytes of `take` up to `position` are here and recorded."""
        self._probe += position - take.position
        self.done = self.done.add(take.position, position)
        take.position = position
        covered = self.done.covered
        if covered > self._best:
            self._best = covered
            take.grew = True
            self._backoff.progressed()
        if self._probe >= PROBE:
            self._probe = 0
            self._ceiling = min(self._ceiling + 1, self._streams)

    def hold(self, start: int, end: int) -> None:
        """Keeps bytes from the streams, until they are copied or let go."""
        self.held = self.held.add(start, end)

    def let_go(self, start: int, end: int) -> None:
        """Leaves bytes that were held to the streams."""
        self.held = self.held.remove(start, end)

    def copied(self, start: int, end: int) -> None:
        """Bytes that were held are here now."""
        self.held = self.held.remove(start, end)
        self.done = self.done.add(start, end)

    def lose(self, start: int, end: int) -> None:
        """Bytes that were here are to be fetched again."""
        self.done = self.done.remove(start, end)
        self._best = self.done.covered

    def release(self, take: Take) -> None:
        """The stream has let go of `take`; what is missing of it is free again."""
        self.active.remove(take)

    def failed(self, take: Take, now: float, retry_after: float | None = None) -> bool:
        """A released `take` has failed in a way that may pass.

        Returns:
            Whether it is worth trying again; when, the track knows.
        """
        if self.active:
            if not take.grew:
                self.width = self._ceiling = len(self.active)
            self.not_before = now + max(FIRST_WAIT, retry_after or 0.0)
            return True
        self.ranged = False
        self.width, self._ceiling = 1, self._streams
        wait = self._backoff.failed(retry_after)
        self.not_before = now + (wait or 0.0)
        return wait is not None

    def clear(self) -> None:
        """Nothing of it is here any more; what was learnt about its version is forgotten."""
        self.done = Ranges()
        self.size = self.promised
        self.validator = None
        self.ranged = self.draining = False

    def restart(self) -> None:
        """Clears it, and lets the same bytes count as progress again."""
        self.clear()
        self._best = 0

    def _free(self) -> Ranges:
        """What is missing and in nobody's hands."""
        taken = [(take.position, MANY if take.limit is None else take.limit) for take in self.active]
        state = (self.done, self.held, self.size, taken)
        if self._gaps[0] != state:  # many streams look while nothing has changed
            missing = Ranges((*self.done, *self.held, *taken)).missing(
                MANY if self.size is None else self.size
            )
            self._gaps = state, missing
        return self._gaps[1]

    def _begin(self, start: int, end: int | None) -> Take:
        take = Take(start, end)
        if end is None:
            take.limit = self.size
        self.active.append(take)
        return take


def chunk(missing: int, streams: int, pace: float = LARGEST) -> int:
    """How many bytes one of so many streams takes at once: what it brings in two seconds, and ever fewer in the end.

    All streams together never take so many that the follower, who waits for the bytes in front, could not catch up.

    The last ones of several are what one brings in an eighth of a second, so that all end at about the same time.
    """
    most = min(LARGEST, max(SMALLEST, min(int(2 * pace), AHEAD // streams)))
    least = min(SMALLEST, max(MiB, int(pace / 8))) if pace and streams > 1 else SMALLEST
    return min(max(missing // (2 * streams * MiB) * MiB if streams > 1 else missing, least), most)

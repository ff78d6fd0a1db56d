"""Keeps track of one segment: which bytes are there, which range is requested next, by how many streams. Pure.

All offsets count from the segment's first byte; the clock is an argument. Nothing here locks: the caller does.

Until the server has sent a range, one stream works. Then up to `width` streams share the rest. When a stream fails
while others go on, it gives its range back and the segment goes on with fewer streams. Only failures of the last
stream count towards giving up, and arriving bytes reset that count. Reserved bytes are not for streams: they may be
copied from another file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from modelsync.net.retry import FIRST_WAIT, Backoff
from modelsync.transfer.journal import Validator
from modelsync.transfer.ranges import Ranges

MiB = 2**20
SMALLEST = 8 * MiB  # of a range: below that, the request costs more than the stream gains
LARGEST = 64 * MiB
AHEAD = 128 * MiB  # how far, about, all streams together may be ahead of the hashing
SMALL = MiB // 16  # gaps up to this size come first: a copy may wait for one as its probe
PROBE = 256 * MiB  # bytes after which one stream more is tried again
MANY = 2**62  # bytes; more than any file has


@dataclass(slots=True, eq=False)
class Claim:
    """A range that one stream downloads.

    Attributes:
        start: Offset of the first byte to request.
        end: Offset after the last byte to request; None: to the end. With `start` 0, that is a request without a range.
        position: Offset up to which bytes have been recorded.
        limit: Offset at which the response must end; None: unknown.
        grew: Whether its bytes made more of the segment complete than ever before.
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
        digest: Whether it has a digest to verify, so that bytes of different responses may be joined.
        streams: The most streams that may work on it.
        done: The bytes that are there already.
        validator: The version of those bytes, where there is no digest.
        backoff: Makes the retry counter.
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
        self.reserved = Ranges()
        self.active: list[Claim] = []
        self.ranged = False  # the server has sent ranges since its last failure
        self.plain = False  # only the whole may be requested
        self.draining = False  # its bytes will be discarded once no stream works on it
        self.not_before = 0.0
        self.changes = 0  # how often the source had another version
        self.wrong_sizes = 0  # how often the source had another size than promised
        self._streams = self._ceiling = self.width = streams
        self._backoff = backoff()
        self._best = self.done.covered
        self._probe = 0
        self._gaps: tuple[tuple[object, ...], Ranges] = ((), Ranges())

    @property
    def complete(self) -> bool:
        """Whether all bytes are there."""
        return self.size is not None and self.done.prefix >= self.size and not self.draining

    def claim(
        self, now: float, stream_rate: float = LARGEST, streams: int | None = None, *, in_order: bool = False
    ) -> Claim | None:
        """Claims the next range for a free stream; None if there is nothing for it now.

        Args:
            now: The time.
            stream_rate: Bytes a second of one stream; 0: unknown.
            streams: How many streams share this file; None: the maximum.
            in_order: Whether the first gap comes first, even before small ones.
        """
        shared = self.ranged and not self.plain
        busy = len(self.active) >= self.width if shared else bool(self.active)
        if busy or self.complete or self.draining or now < self.not_before:
            return None
        if self.plain or (self.done and not self.digest and self.validator is None):
            return None if self.reserved else self._begin(0, None)
        gaps = self._free()
        if not gaps:
            return None
        small = (gap for gap in gaps if gap[1] - gap[0] <= SMALL and not in_order)
        start, end = next(small, gaps.spans[0])
        if self.size is None:
            return self._begin(start, end if end < MANY else SMALLEST if start == 0 else None)
        end = min(end, start + chunk(gaps.covered, min(streams or self._streams, self._streams), stream_rate))
        return self._begin(start, None if (start, end) == (0, self.size) else end)

    def began(self, *, ranged: bool) -> None:
        """Notes the first bytes of a response."""
        self.ranged = self.ranged or ranged
        if self.width < self._ceiling:
            self.width += 1

    def arrived(self, claim: Claim, position: int) -> None:
        """Notes that the bytes of `claim` up to `position` are recorded."""
        self._probe += position - claim.position
        self.done = self.done.add(claim.position, position)
        claim.position = position
        covered = self.done.covered
        if covered > self._best:
            self._best = covered
            claim.grew = True
            self._backoff.progressed()
        if self._probe >= PROBE:
            self._probe = 0
            self._ceiling = min(self._ceiling + 1, self._streams)

    def reserve(self, start: int, end: int) -> None:
        """Reserves bytes for copying: streams do not claim them."""
        self.reserved = self.reserved.add(start, end)

    def unreserve(self, start: int, end: int) -> None:
        """Ends the reservation of bytes: streams may claim them."""
        self.reserved = self.reserved.remove(start, end)

    def copied(self, start: int, end: int) -> None:
        """Notes that reserved bytes were copied."""
        self.reserved = self.reserved.remove(start, end)
        self.done = self.done.add(start, end)

    def lose(self, start: int, end: int) -> None:
        """Marks bytes as missing, to be fetched again."""
        self.done = self.done.remove(start, end)
        self._best = self.done.covered

    def release(self, claim: Claim) -> None:
        """Releases a claim; what is missing of it can be claimed again."""
        self.active.remove(claim)

    def failed(self, claim: Claim, now: float, retry_after: float | None = None) -> bool:
        """Handles a temporary failure of a released claim.

        Returns:
            Whether to try again, which `claim` allows from `not_before` on.
        """
        if self.active:
            if not claim.grew:
                self.width = self._ceiling = len(self.active)
            self.not_before = now + max(FIRST_WAIT, retry_after or 0.0)
            return True
        self.ranged = False
        self.width, self._ceiling = 1, self._streams
        wait = self._backoff.failed(retry_after)
        self.not_before = now + (wait or 0.0)
        return wait is not None

    def clear(self) -> None:
        """Forgets all bytes, and what was learnt about the version."""
        self.done = Ranges()
        self.size = self.promised
        self.validator = None
        self.ranged = self.draining = False

    def restart(self) -> None:
        """Clears the track, and lets the same bytes count as progress again."""
        self.clear()
        self._best = 0

    def _free(self) -> Ranges:
        """The bytes that are missing and neither claimed nor reserved."""
        claimed = [(claim.position, MANY if claim.limit is None else claim.limit) for claim in self.active]
        state = (self.done, self.reserved, self.size, claimed)
        if self._gaps[0] != state:  # many streams look while nothing has changed
            missing = Ranges((*self.done, *self.reserved, *claimed)).missing(
                MANY if self.size is None else self.size
            )
            self._gaps = state, missing
        return self._gaps[1]

    def _begin(self, start: int, end: int | None) -> Claim:
        claim = Claim(start, end)
        if end is None:
            claim.limit = self.size
        self.active.append(claim)
        return claim


def chunk(missing: int, streams: int, stream_rate: float = LARGEST) -> int:
    """How many bytes a stream claims at once: those of about two seconds, and fewer towards the end.

    All streams together are never so far ahead that the hashing thread could not catch up. The last ranges take about
    an eighth of a second, so that all streams end at about the same time.
    """
    most = min(LARGEST, max(SMALLEST, min(int(2 * stream_rate), AHEAD // streams)))
    least = min(SMALLEST, max(MiB, int(stream_rate / 8))) if stream_rate and streams > 1 else SMALLEST
    return min(max(missing // (2 * streams * MiB) * MiB if streams > 1 else missing, least), most)

"""Sets of byte offsets as sorted, disjoint, half-open ranges. Pure values."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]

_START: "itemgetter[int]" = itemgetter(0)
_END: "itemgetter[int]" = itemgetter(1)


class Ranges:
    """An immutable set of byte offsets, as few `(start, end)` spans as possible.

    Empty spans are dropped; overlapping and touching ones are joined.
    """

    __slots__ = ("spans",)

    spans: tuple[Span, ...]

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.spans = tuple(_merged(sorted(span for span in spans if span[0] < span[1])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.spans)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __repr__(self) -> str:
        return f"Ranges({list(self.spans)})"

    @property
    def covered(self) -> int:
        """How many bytes there are."""
        return sum(end - start for start, end in self.spans)

    @property
    def prefix(self) -> int:
        """How many bytes there are from 0 without a gap."""
        return self.spans[0][1] if self.spans and self.spans[0][0] == 0 else 0

    def holds(self, start: int, end: int) -> bool:
        """Whether all bytes from `start` up to `end` are in the set."""
        index = bisect_right(self.spans, start, key=_START) - 1
        return start >= end or (index >= 0 and self.spans[index][1] >= end)

    def add(self, start: int, end: int) -> "Ranges":
        """The set with `start` up to `end`."""
        if start >= end:
            return self
        spans = self.spans
        first = bisect_left(spans, start, key=_END)
        last = bisect_right(spans, end, lo=first, key=_START)
        if first < last:
            start, end = min(start, spans[first][0]), max(end, spans[last - 1][1])
        return _made((*spans[:first], (start, end), *spans[last:]))

    def remove(self, start: int, end: int) -> "Ranges":
        """The set without `start` up to `end`."""
        spans = self.spans
        first = bisect_right(spans, start, key=_END)
        last = bisect_left(spans, end, lo=first, key=_START)
        if start >= end or first == last:
            return self
        left = ((spans[first][0], start),) if spans[first][0] < start else ()
        right = ((end, spans[last - 1][1]),) if end < spans[last - 1][1] else ()
        return _made((*spans[:first], *left, *right, *spans[last:]))

    def without(self, other: "Ranges") -> "Ranges":
        """The bytes that are not in `other`."""
        ranges = self
        for start, end in other:
            ranges = ranges.remove(start, end)
        return ranges

    def common(self, other: "Ranges") -> "Ranges":
        """The bytes that are in `other` too."""
        return self.without(self.without(other))

    def within(self, start: int, end: int) -> "Ranges":
        """The bytes between `start` and `end`, counted from `start`."""
        first = bisect_right(self.spans, start, key=_END)
        last = bisect_left(self.spans, end, lo=first, key=_START)
        spans = self.spans[first:last] if start < end else ()
        return _made(tuple((max(a, start) - start, min(b, end) - start) for a, b in spans))

    def missing(self, total: int) -> "Ranges":
        """The bytes of a file of `total` bytes that are not in the set."""
        starts = (0, *(end for _, end in self.spans))
        ends = (*(start for start, _ in self.spans), total)
        pairs = ((start, min(end, total)) for start, end in zip(starts, ends, strict=True))
        return _made(tuple(span for span in pairs if span[0] < span[1]))


def _made(spans: tuple[Span, ...]) -> Ranges:
    """Ranges from spans that are sorted and disjoint."""
    ranges = Ranges.__new__(Ranges)
    ranges.spans = spans
    return ranges


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Joins sorted spans that overlap or touch."""
    if not spans:
        return
    start, end = spans[0]
    for next_start, next_end in spans[1:]:
        if next_start > end:
            yield start, end
            start, end = next_start, next_end
        else:
            end = max(end, next_end)
    yield start, end

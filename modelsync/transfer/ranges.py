"""Which bytes of a file are here: sorted, disjoint, half-open ranges. Pure values."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]


class Ranges:
    """A set of byte offsets, kept as few `(start, end)` spans as possible; it never changes.

    Empty spans mean nothing, overlapping and touching ones become one.
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
        """How many bytes there are from 0 on without a gap."""
        return self.spans[0][1] if self.spans and self.spans[0][0] == 0 else 0

    def add(self, start: int, end: int) -> "Ranges":
        """These and `start` up to `end`."""
        return Ranges((*self.spans, (start, end)))

    def remove(self, start: int, end: int) -> "Ranges":
        """These without `start` up to `end`."""
        left = ((a, min(b, start)) for a, b in self.spans)
        right = ((max(a, end), b) for a, b in self.spans)
        return Ranges((*left, *right)) if start < end else self

    def within(self, start: int, end: int) -> "Ranges":
        """What lies between `start` and `end`, counted from `start`."""
        return Ranges((max(a, start) - start, min(b, end) - start) for a, b in self.spans)

    def missing(self, total: int) -> "Ranges":
        """What a file of `total` bytes lacks."""
        starts = (0, *(end for _, end in self.spans))
        ends = (*(start for start, _ in self.spans), total)
        return Ranges((start, min(end, total)) for start, end in zip(starts, ends, strict=True))


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

"""The laws of byte ranges, compared with plain sets of offsets."""

from hypothesis import given
from hypothesis import strategies as st

from modelsync.transfer.ranges import Ranges, Span

TOP = 40
spans = st.tuples(st.integers(0, TOP), st.integers(0, TOP))
many = st.lists(spans, max_size=8)


def offsets(parts: list[Span]) -> set[int]:
    return {offset for start, end in parts for offset in range(start, end)}


@given(many)
def test_ranges_hold_the_offsets_they_were_given(parts: list[Span]) -> None:
    """Whatever spans come, in any order and overlapping, the ranges hold just their offsets."""
    ranges = Ranges(parts)
    assert offsets(list(ranges)) == offsets(parts)
    assert ranges.covered == len(offsets(parts))
    assert bool(ranges) == bool(offsets(parts))


@given(many)
def test_spans_are_sorted_and_never_touch(parts: list[Span]) -> None:
    """The same offsets always have the same spans: sorted, not empty, with a gap between any two."""
    ranges = Ranges(parts)
    flat = [edge for span in ranges for edge in span]
    assert flat == sorted(set(flat))
    assert ranges == Ranges(reversed(parts))
    assert hash(ranges) == hash(Ranges(list(ranges)))


@given(many, spans)
def test_add_and_remove_are_union_and_difference(parts: list[Span], span: Span) -> None:
    """Adding a span is a union, removing one is a difference."""
    ranges = Ranges(parts)
    assert offsets(list(ranges.add(*span))) == offsets(parts) | offsets([span])
    assert offsets(list(ranges.remove(*span))) == offsets(parts) - offsets([span])


@given(many, st.integers(0, TOP))
def test_missing_is_what_is_not_there(parts: list[Span], total: int) -> None:
    """What is here and what is missing share nothing and together make the whole file."""
    missing = offsets(list(Ranges(parts).missing(total)))
    assert missing == set(range(total)) - offsets(parts)


@given(many)
def test_prefix_ends_at_the_first_gap(parts: list[Span]) -> None:
    """The prefix is the longest run from 0 that is here."""
    here = offsets(parts)
    assert Ranges(parts).prefix == next(n for n in range(TOP + 2) if n not in here)


@given(many, spans)
def test_within_counts_from_the_start_of_the_window(parts: list[Span], window: Span) -> None:
    """A window onto the ranges holds its own part of them, counted from where it begins."""
    start, end = window
    inside = offsets(list(Ranges(parts).within(start, end)))
    assert inside == {offset - start for offset in offsets(parts) if start <= offset < end}

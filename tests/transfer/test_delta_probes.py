"""Where is looked: laws of values."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from modelsync.transfer.delta_probes import FIRST_PROBES, MOST, delta_parts, first_probes
from modelsync.transfer.jobs import Guess

OLD = Path("old")
guesses = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 200), st.just(OLD), st.integers(0, 900), st.booleans()).map(
        lambda fields: Guess(*fields)
    ),
    max_size=8,
)
sizes = st.lists(st.integers(0, 200), min_size=1, max_size=4)


@given(guesses, sizes)
def test_parts_say_what_the_guesses_say_each_in_one_segment(given: list[Guess], sizes: list[int]) -> None:
    """No byte is guessed twice or beyond the file; where it is guessed to be is where some guess has it."""
    parts = delta_parts(given, sizes, "ab")
    for part, after in pairwise(parts):
        assert part.end <= after.start
    for part in parts:
        base = sum(sizes[: part.segment])
        assert base <= part.start < part.end <= base + sizes[part.segment]
        assert any(
            guess.start <= part.start
            and part.end <= guess.start + guess.size
            and part.places == ((OLD, guess.offset + part.start - guess.start),)
            and guess.probe == (part.probe is not None)
            for guess in given
        )
        if part.probe:
            assert part.start <= part.probe[0] < part.probe[1] <= part.end
    covered = {byte for guess in given for byte in range(guess.start, guess.start + guess.size)}
    assert sum(part.end - part.start for part in parts) == len(covered & set(range(sum(sizes))))


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=400))
def test_looks_are_few_and_the_first_ones_spread_over_the_bytes(lengths: list[int]) -> None:
    """At most a hundredth of what is worth a copy is asked for; no tensor of a third of all is passed over at first."""
    start, given = 0, []
    for length in lengths:
        given.append(Guess(start, length, OLD, 0))
        start += length
    parts = delta_parts(given, [start], "ab")
    looks = [part.probe[1] - part.probe[0] for part in parts if part.probe]
    assert max(looks) <= 2 * MOST
    assert sum(looks) <= max(start // 64, 512 * len(looks))
    chosen = first_probes(parts)
    assert 0 < len(chosen) <= FIRST_PROBES
    assert {part for part in parts if (part.end - part.start) * 3 >= start} <= set(chosen)


def test_a_look_is_at_one_place_in_each_run_and_at_another_for_another_digest() -> None:
    """So a resumed transfer has it already, and nobody knows it before the file is published."""
    guess = [Guess(0, 10**8, OLD, 0)]
    places = {delta_parts(guess, [10**8], f"{n}")[0].probe for n in range(20)}
    assert len(places) == 20
    assert delta_parts(guess, [10**8], "7") == delta_parts(guess, [10**8], "7")

"""What is known of all files together: sums, a rate, and a time to go that does not jump. A clock that is told."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.transfer.eta import FORGOTTEN, LEAP, MEMORY, RateMeter
from modelsync.transfer.progress import Event
from modelsync.transfer.progress_board import Board

MIB = 1 << 20
phases = st.sampled_from(["waiting", "resolving", "fetching", "checking", "linking", "done", "failed"])
events = st.builds(
    Event,
    phases,
    st.sampled_from(["a: x.gguf", "b: y.gguf", "c: z.gguf"]),
    st.integers(0, 1 << 40),
    st.none() | st.integers(0, 1 << 40),
)


# --- the board ---------------------------------------------------------------------------------------


def test_the_rate_is_of_what_came_not_of_what_was_here() -> None:
    """A resumed file begins with what earlier runs left: that is no speed."""
    board = Board()
    board.hear(Event("fetching", "a", 500 * MIB, 1000 * MIB), 100.0)
    assert (board.rate(100.0), board.all(100.0).eta_seconds) == (0.0, None)
    for second in range(1, 6):
        board.hear(Event("fetching", "a", (500 + 10 * second) * MIB, 1000 * MIB), 100.0 + second)
    every = board.all(105.0)
    assert every.rate == pytest.approx(10 * MIB)
    assert every.eta_seconds == pytest.approx(45)
    assert (every.done, every.total) == (550 * MIB, 1000 * MIB)


def test_the_rate_forgets_what_was_long_ago() -> None:
    """A stall is seen within seconds, and the time left grows instead of staying."""
    board = Board()
    for second in range(60):
        board.hear(Event("fetching", "a", second * 100 * MIB, 10_000 * MIB), float(second))
    before = board.all(60.0).eta_seconds
    for second in range(60, 75):
        board.hear(Event("fetching", "a", 5900 * MIB + second, 10_000 * MIB), float(second))
    assert board.rate(75.0) < MIB
    after = board.all(75.0).eta_seconds
    assert before is not None
    assert after is not None
    assert after > 3 * before


def test_checking_what_was_fetched_takes_nothing_away() -> None:
    """The hash comes after the bytes: what is here stays here on the board."""
    board = Board()
    board.hear(Event("fetching", "a", 0, 100), 0.0)
    board.hear(Event("fetching", "a", 100, 100), 1.0)
    board.hear(Event("checking", "a", 40, 100), 2.0)
    assert board.all(2.0).done == 100
    board.hear(Event("fetching", "a", 0, 100), 3.0)  # what came was wrong: it starts anew
    assert board.all(3.0).done == 0


def test_files_stand_in_the_order_in_which_they_began() -> None:
    """A file that waited takes its place behind those that are at work."""
    board = Board()
    for label in "abc":
        board.hear(Event("waiting", label, 0, 10), 0.0)
    for label in "cab":
        board.hear(Event("fetching", label, 0, 10), 1.0)
    assert [file.label for file in board.active()] == ["c", "a", "b"]
    board.hear(Event("done", "c", 10, 10), 2.0)
    assert [file.label for file in board.active()] == ["a", "b"]
    assert board.all(2.0).ended == 1


def test_only_files_count() -> None:
    """A URI that was looked up and a folder that links are put into are shown while that lasts, and never counted."""
    board = Board()
    board.hear(Event("resolving", "hf:user/model", 0, None), 0.0)
    assert [file.label for file in board.active()] == ["hf:user/model"]
    board.hear(Event("done", "hf:user/model", 0, None), 1.0)
    board.hear(Event("waiting", "a", 0, 100), 1.0)
    board.hear(Event("done", "b", 50, 50), 1.0)  # somebody else had fetched it
    board.hear(Event("linking", "models/", 10, 1000), 2.0)
    every = board.all(2.0)
    assert (every.files, every.ended, every.done, every.total) == (2, 1, 50, 150)


def test_where_a_size_is_not_known_neither_is_the_end() -> None:
    """A sum of the known sizes alone would be wrong."""
    board = Board()
    for second in range(5):
        board.hear(Event("fetching", "a", second * MIB, 100 * MIB), float(second))
        board.hear(Event("fetching", "b", second * MIB, None), float(second))
    every = board.all(4.0)
    assert (every.total, every.eta_seconds) == (None, None)
    assert every.rate > 0
    board.hear(Event("done", "b", 4 * MIB, None), 4.5)
    assert board.all(4.5).eta_seconds is not None


@given(st.lists(st.tuples(events, st.floats(0, 5)), max_size=60))
def test_no_order_of_events_breaks_the_board(heard: list[tuple[Event, float]]) -> None:
    """Whatever is heard: no rate and no time below zero, and no more that ended than there are."""
    board, now = Board(), 0.0
    for event, pause in heard:
        now += pause
        board.hear(event, now)
        every = board.all(now)
        assert every.rate >= 0
        assert every.eta_seconds is None or every.eta_seconds >= 0
        assert 0 <= every.failed <= every.ended <= every.files <= len(board.files)


# --- the time to go ----------------------------------------------------------------------------------


def heard(pace: RateMeter, rate: float, gaps: list[float], now: float = 0.0) -> tuple[float, int]:
    """Bytes that come evenly, told after each gap; gives the time and the count at the end."""
    begun, came = now, 0
    pace.add(now, 1)
    for gap in gaps:
        now += gap
        more = int(rate * (now - begun)) - came
        came += more
        pace.add(now, more)
    return now, came


GAPS = st.lists(st.floats(0.05, 1.5), min_size=2, max_size=150)


@given(st.floats(1e4, 1e10), GAPS)
def test_at_an_even_rate_it_falls_as_time_goes_by(rate: float, gaps: list[float]) -> None:
    """From a second after the first bytes on: second by second, whenever they are told."""
    pace, now, came = RateMeter(), 0.0, 0
    total = int(rate * (sum(gaps) + 10))
    pace.add(now, 1)
    known: float | None = None
    for gap in gaps:
        now += gap
        more = int(rate * now) - came
        came += more
        pace.add(now, more)
        left = pace.seconds_left(now, total - came)
        assert (left is not None) or now < 1 + 1.5
        if left is not None:
            assert left == pytest.approx((total - came) / rate, rel=1e-3)
            assert known is None or left < known
            known = left


@given(st.floats(1e4, 1e10), GAPS, st.floats(0.01, FORGOTTEN + 30))
def test_a_pause_lets_it_grow_slowly(rate: float, gaps: list[float], pause: float) -> None:
    """By a tenth a second at the most; it is known for a minute more, and then unknown."""
    pace = RateMeter()
    now, _ = heard(pace, rate, [*gaps, 2.0])
    before = pace.seconds_left(now, 10**9)
    assert before is not None
    after = pace.seconds_left(now + pause, 10**9)
    if pause <= FORGOTTEN:
        assert after is not None
        assert before <= after <= before * exp(pause / MEMORY) * (1 + 1e-9)
    elif pause > FORGOTTEN + 5:
        assert after is None


@given(st.lists(st.tuples(st.floats(0.05, 3.0), st.integers(1, 10**9)), min_size=30, max_size=120))
def test_whatever_comes_it_moves_within_bounds(arrivals: list[tuple[float, int]]) -> None:
    """After its first ten seconds: what is told anew makes it at most a third longer or half as long a second."""
    pace, now = RateMeter(), 0.0
    pace.add(now, 1)
    looked: tuple[float, float] | None = None
    for gap, more in arrivals:
        now += gap
        pace.add(now, more)
        left = pace.seconds_left(now, 10**9)
        if now > MEMORY and looked is not None and left is not None:
            span = now - looked[0]
            most = exp((span + 2) / MEMORY)
            assert left <= looked[1] * most * (1 + 1e-9)
            assert left >= looked[1] / (1 + (LEAP - 1) * (1 - exp(-(span + 1) / MEMORY))) ** 2 / most
        looked = (now, left) if left is not None else None


def test_bursts_do_not_shake_it() -> None:
    """A server that sends a second's bytes at once, every second: within a tenth of the truth."""
    pace, total = RateMeter(), 100 * 10**6
    seen = []
    for tick in range(400):
        now = tick / 10
        pace.add(now, 10**6 if tick % 10 == 0 else 0)
        came = (tick // 10 + 1) * 10**6
        left = pace.seconds_left(now, total - came)
        if left is not None and now > 3:
            seen.append(left / ((total - came) / 1e6))
    assert 0.9 < min(seen) <= max(seen) < 1.1


def test_after_a_long_pause_it_is_measured_anew() -> None:
    """What was long before says nothing about what comes now: two seconds later the new rate is believed."""
    pace = RateMeter()
    heard(pace, 100e6, [0.5] * 40)
    now, _ = heard(pace, 1e6, [0.25] * 12, now=300.0)
    assert pace.seconds_left(now, 10**6) == pytest.approx(1.0, rel=0.05)


def test_nothing_came_yet() -> None:
    """Then the time left is unknown, and there is no rate."""
    pace = RateMeter()
    assert (pace.rate(0.0), pace.seconds_left(0.0, 100)) == (0.0, None)
    for second in range(5):
        pace.add(float(second), 0)
    assert (pace.rate(5.0), pace.seconds_left(5.0, 100)) == (0.0, None)


def test_what_is_copied_counts_as_done_and_not_as_speed() -> None:
    """Half a gigabyte from an older file in ten seconds, and ten megabytes over the network: 1 MB/s, and soon done."""
    board = Board()
    total = 1_000_000_000
    board.hear(Event("fetching", "m", 0, total), 0.0)
    for second in range(1, 11):
        copied = 50_000_000 * second
        board.hear(Event("fetching", "m", copied + 1_000_000 * second, total, copied), float(second))
    file = board.files["m"]
    assert (file.fetched, file.reused) == (10_000_000, 500_000_000)
    assert board.rate(10.0) == pytest.approx(1_000_000)
    left = board.all(10.0).eta_seconds
    assert left is not None
    assert 8 < left < 12

"""Which range a free stream takes: simulated servers and streams, no sockets, a clock that is told."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.net.retry import Backoff
from modelsync.transfer.journal import Validator
from modelsync.transfer.ranges import Ranges
from modelsync.transfer.track import AHEAD, LARGEST, SMALLEST, Claim, MiB, Track, chunk

BIG = 1000 * MiB


def track(promised: int | None = BIG, **more: object) -> Track:
    return Track(promised, **{"digest": True, "streams": 4, **more})  # type: ignore[arg-type]


def opened(promised: int = BIG, **more: object) -> tuple[Track, Claim]:
    """A track whose server has answered the first question with a range."""
    one = track(promised, **more)
    claim = one.claim(0.0)
    assert claim is not None
    one.began(ranged=True)
    return one, claim


def finish(one: Track, claim: Claim) -> None:
    assert claim.limit is not None
    one.arrived(claim, claim.limit)
    one.release(claim)


def test_one_stream_asks_until_the_server_has_answered_with_a_range() -> None:
    """One stream asks an unknown server; after a range, as many as allowed."""
    one = track()
    first = one.claim(0.0)
    assert first is not None
    assert one.claim(0.0) is None
    one.began(ranged=True)
    assert [bool(one.claim(0.0)) for _ in range(4)] == [True, True, True, False]


def test_a_server_that_gives_the_whole_has_one_stream() -> None:
    """After a 200 no other stream asks."""
    one = track()
    one.claim(0.0)
    one.began(ranged=False)
    assert one.claim(0.0) is None


def test_a_small_file_is_asked_for_whole() -> None:
    """What fits into one range is asked for without one."""
    claim = track(SMALLEST).claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end, claim.limit) == (0, None, SMALLEST)


def test_a_file_of_unknown_size_is_asked_for_its_beginning() -> None:
    """The answer to a range tells the size, or that there are no ranges."""
    claim = track(None).claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end) == (0, SMALLEST)


def test_a_resumed_file_of_unknown_size_is_asked_for_its_rest() -> None:
    """From the first gap to wherever the end is."""
    claim = track(None, done=Ranges([(0, 5)])).claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end, claim.limit) == (5, None, None)


def test_without_digest_and_validator_nothing_is_joined() -> None:
    """Bytes of an unknown version are all fetched again."""
    claim = track(digest=False, done=Ranges([(0, 5 * MiB)])).claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end) == (0, None)


def test_with_a_validator_the_rest_is_asked_for() -> None:
    """The validator tells the size too."""
    version = Validator("https://x", '"1"', 20 * MiB)
    one = track(None, digest=False, done=Ranges([(0, 15 * MiB)]), validator=version)
    claim = one.claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end) == (15 * MiB, 20 * MiB)


def test_a_stream_turned_away_gives_back_and_the_others_go_on_narrower() -> None:
    """A server that takes three connections is not asked for a fourth again at once, and nothing fails."""
    one, first = opened()
    others = [one.claim(0.0) for _ in range(3)]
    last = others[-1]
    assert last is not None
    one.release(last)
    assert one.failed(last, 0.0)
    assert one.width == 3
    finish(one, first)
    again = one.claim(1.0)
    assert again is not None
    assert again.start == last.start
    assert one.claim(1.0) is None


def test_after_many_bytes_one_more_stream_is_tried() -> None:
    """What a server turned away an hour ago it may take now."""
    one, _ = opened()
    last = [one.claim(0.0) for _ in range(3)][-1]
    assert last is not None
    one.release(last)
    one.failed(last, 0.0)
    while one.width == 3:
        claim = one.active[0]
        finish(one, claim)
        assert one.claim(10.0)
        one.began(ranged=True)
    assert one.width == 4
    assert one.done.covered >= 256 * MiB


def test_the_last_streams_failures_count_and_then_it_is_over() -> None:
    """As often as the counter allows, later and later; then no more."""
    one = track(backoff=lambda: Backoff(3))
    now = 0.0
    for hope in (True, True, False):
        claim = one.claim(now)
        assert claim is not None
        one.release(claim)
        assert one.failed(claim, now) is hope
        if hope:
            assert one.claim(now) is None
            now = one.not_before


def test_bytes_begin_the_count_anew_but_the_same_bytes_do_not() -> None:
    """A server that breaks off at the same place over and over is given up in the end."""
    one = track(backoff=lambda: Backoff(3))
    now = 0.0

    def fail_at(position: int) -> bool:
        nonlocal now
        claim = one.claim(now)
        assert claim is not None
        if claim.start == 0:
            one.clear()
        one.arrived(claim, position)
        one.release(claim)
        hope = one.failed(claim, now)
        now = one.not_before
        return hope

    assert all(fail_at(n * MiB) for n in range(1, 6))
    one.clear()
    one.plain = True
    assert [fail_at(5 * MiB) for _ in range(2)] == [True, False]


def test_a_server_that_asks_for_patience_gets_it() -> None:
    """No range is taken before the time that the server named."""
    one = track()
    claim = one.claim(0.0)
    assert claim is not None
    one.release(claim)
    assert one.failed(claim, 0.0, retry_after=60.0)
    assert one.claim(59.0) is None
    assert one.claim(60.0) is not None


@pytest.mark.parametrize("digest", [True, False])
def test_clearing_forgets_what_was_learnt(digest: bool) -> None:
    """The size and version of what was thrown away say nothing of what comes."""
    one = track(None, digest=digest, done=Ranges([(0, 5)]), validator=Validator("o", '"1"', 9))
    one.clear()
    assert [one.size, one.validator, one.done] == [None, None, Ranges()]


@given(st.integers(1, 2**45), st.integers(1, 64))
def test_chunks_are_bounded(missing: int, streams: int) -> None:
    """A range is never so small that asking costs more than it brings, nor so large that others wait for it."""
    assert SMALLEST <= chunk(missing, streams) <= LARGEST


@given(st.integers(1, 2**45), st.integers(2, 64), st.integers(1, 10**9))
def test_slow_streams_end_together(missing: int, streams: int, stream_rate: int) -> None:
    """Where several share what is left, none of them has more than it brings in an eighth of a second for last."""
    last = chunk(min(missing, 2 * streams * MiB), streams, stream_rate)
    assert MiB <= last <= max(MiB, min(SMALLEST, stream_rate / 8))


@given(st.integers(1, 2**45), st.integers(1, 16), st.integers(0, 10**10))
def test_the_follower_can_follow(missing: int, streams: int, stream_rate: int) -> None:
    """However fast they are, all streams together are not far ahead of the bytes that can be hashed."""
    assert streams * chunk(missing, streams, stream_rate) <= AHEAD


@given(st.integers(1, SMALLEST), st.integers(0, 10**9))
def test_a_small_file_is_one_streams(size: int, stream_rate: int) -> None:
    """However slow a stream is, it takes all of what has no other stream."""
    assert chunk(size, 1, stream_rate) >= size


@given(
    size=st.integers(0, 200 * MiB),
    here=st.lists(st.tuples(st.integers(0, 200 * MiB), st.integers(0, 200 * MiB)), max_size=4),
    streams=st.integers(1, 6),
    seed=st.integers(0, 2**32),
)
def test_every_byte_is_taken_once_whatever_fails(
    size: int, here: list[tuple[int, int]], streams: int, seed: int
) -> None:
    """Streams that come, break off and fail in any order: no byte is in two hands, and the file gets whole."""
    chance = random.Random(seed)
    done = Ranges(here).within(0, size)
    one = Track(size, digest=True, streams=streams, done=done, backoff=lambda: Backoff(10**6))
    now, fetched = 0.0, 0
    while not one.complete:
        now += 1000.0
        while (claim := one.claim(now)) is not None and chance.random() < 0.9:
            pass
        assert len(one.active) <= streams
        spans = [(claim.position, claim.limit or 0) for claim in one.active]
        assert Ranges((*one.done, *spans)).covered == one.done.covered + sum(b - a for a, b in spans)
        claim = chance.choice(one.active)
        assert claim.limit is not None
        match chance.choice(["whole", "part", "nothing"]):
            case "nothing":
                one.release(claim)
                assert one.failed(claim, now)
            case kind:
                one.began(ranged=True)
                to = claim.limit if kind == "whole" else chance.randint(claim.position, claim.limit)
                fetched += to - claim.position
                one.arrived(claim, to)
                one.release(claim)
    assert one.done.missing(size) == Ranges()
    assert fetched == size - done.covered


def test_what_is_held_is_for_nobody_and_what_is_small_comes_first() -> None:
    """A stream takes a small gap before the larger ones in front of it, and none that is held."""
    one = track(100 * MiB)
    first = one.claim(0.0)
    assert first is not None
    one.began(ranged=True)
    one.arrived(first, 10)
    one.release(first)
    one.reserve(MiB, 100 * MiB)
    one.unreserve(60 * MiB, 60 * MiB + 100)
    in_order = one.claim(0.0, in_order=True)
    assert in_order is not None
    assert in_order.start == 10
    one.release(in_order)
    takes = [one.claim(0.0), one.claim(0.0), one.claim(0.0)]
    assert [claim and (claim.start, claim.end) for claim in takes] == [
        (60 * MiB, 60 * MiB + 100),
        (10, MiB),
        None,
    ]
    one.copied(2 * MiB, 3 * MiB)
    assert one.done == Ranges([(0, 10), (2 * MiB, 3 * MiB)])
    one.lose(2 * MiB, 3 * MiB)
    claim = one.claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end) == (2 * MiB, 3 * MiB)


def test_the_whole_is_asked_for_only_when_nothing_is_held() -> None:
    """A copy ends its reservation first: two writers must not share a range."""
    one = track(10 * MiB)
    one.reserve(MiB, 2 * MiB)
    one.plain = True
    assert one.claim(0.0) is None
    one.unreserve(MiB, 2 * MiB)
    claim = one.claim(0.0)
    assert claim is not None
    assert (claim.start, claim.end) == (0, None)

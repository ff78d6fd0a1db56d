"""How many streams there are: simulated networks and machines, a clock that is told, no sockets."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import HttpStatusError, ModelsyncError
from modelsync.net.retry import Backoff
from modelsync.transfer.concurrency import StreamStats, Tuner
from modelsync.transfer.file_state import FileState, OpenSegment
from modelsync.transfer.jobs import Job, Segment
from modelsync.transfer.local import LocalSource
from modelsync.transfer.responses import ByteSource
from modelsync.transfer.track import Claim, Track

MB = 1_000_000
Rate = Callable[[int], float]  # from the number of streams to bytes a second
Share = Callable[[int], float]  # from the number of streams to the part of its time that one works


class World:
    """Streams that bring what `rate` says, and work as `share` says."""

    def __init__(self, rate: Rate, share: Share, *, most: int = 16, first: int = 2) -> None:
        self.rate, self.share = rate, share
        self.tuner = Tuner(most, first)
        self.now, self.count = 100.0, StreamStats()
        self.limits: list[int] = []
        self.stream_rates: set[int] = set()  # MB a second

    def run(self, seconds: float, *, throttled: bool = False) -> None:
        for _ in range(round(seconds / 0.02)):
            streams = self.tuner.limit
            self.now += 0.02
            self.count = StreamStats(
                self.count.received + int(self.rate(streams) * 0.02),
                self.count.worked + self.share(streams) * streams * 0.02,
                streams,
                throttled,
            )
            self.tuner.update(self.now, self.count)
            self.limits.append(self.tuner.limit)
            self.stream_rates.add(round(self.tuner.stream_rate / MB))

    def mean(self) -> float:
        return sum(self.limits) / len(self.limits)


def test_a_capped_server_gets_all_streams_at_once() -> None:
    """Where each connection has a cap, all there may be are at work after a quarter of a second, and stay."""
    world = World(lambda n: 40 * MB * n, lambda _: 0.05)
    world.run(0.25)
    assert world.tuner.limit == 16
    world.run(60)
    assert world.mean() > 14


def test_a_slow_machine_gets_one_stream() -> None:
    """Where the streams never wait, and more of them are slower, one is left after half a second."""
    world = World(lambda n: 800 * MB / (1 + 0.1 * n), lambda _: 0.95, first=8)
    world.run(0.7)
    assert world.tuner.limit == 1
    world.run(60)
    assert world.mean() < 1.5


def test_many_cores_keep_several_streams() -> None:
    """Where streams never wait but two bring twice as much as one, they are not taken away."""
    world = World(lambda n: 400 * MB * min(n, 4), lambda n: 0.95 if n <= 4 else 0.6, first=8)
    world.run(30)
    assert 3 <= world.tuner.limit <= 5


def test_streams_that_bring_nothing_go() -> None:
    """A line that three streams fill has no more than a few at work after a while."""
    world = World(lambda n: 4 * MB * min(n, 3), lambda _: 0.02)
    world.run(60)
    assert 3 <= world.tuner.limit <= 5


def test_a_line_that_becomes_free_is_used() -> None:
    """What was in vain once is tried again."""
    world = World(lambda n: 4 * MB * min(n, 3), lambda _: 0.02)
    world.run(60)
    world.rate = lambda n: 4 * MB * n
    world.run(120)
    assert world.tuner.limit == 16


def test_a_crowded_server_gets_half_at_once_and_no_more_for_a_while() -> None:
    """Several refusals at one moment count once; later more streams are tried again."""
    world = World(lambda n: 40 * MB * n, lambda _: 0.05)
    world.run(1)
    for _ in range(5):
        world.tuner.crowded(world.now)
    assert world.tuner.limit == 8
    world.run(4)
    assert world.tuner.limit == 8
    world.run(30)
    assert world.tuner.limit == 16


def test_silence_is_not_waited_out() -> None:
    """Where all streams are stuck, others are tried beside them."""
    world = World(lambda _: 0.0, lambda _: 0.0)
    world.run(3)
    assert world.tuner.limit == 16


def test_what_a_rate_limit_held_back_is_in_no_round() -> None:
    """While a limit on the bytes binds nothing is concluded, and what is measured afterwards began afterwards."""
    world = World(lambda n: 40 * MB * n, lambda _: 0.05)
    world.run(1.5)
    assert world.tuner.limit == 16
    world.rate, world.stream_rates = (lambda n: 4 * MB * n), set()
    world.run(0.7, throttled=True)
    world.rate = lambda n: 40 * MB * n
    world.run(3)
    assert world.stream_rates == {40}
    before = world.tuner.limit
    world.limits.clear()
    world.run(60, throttled=True)
    assert set(world.limits) == {before}


def test_what_came_before_a_refusal_is_in_no_round() -> None:
    """After a refusal the rate of one stream is that of those which are left."""
    world = World(lambda n: 40 * MB * n, lambda _: 0.05)
    world.run(1.5)
    world.tuner.crowded(world.now)
    assert world.tuner.limit == 8
    world.stream_rates = set()
    world.run(4)
    assert world.stream_rates == {40}


def test_a_pause_of_the_server_is_in_no_round() -> None:
    """Where a server asked to wait and nothing came, the rate of one stream is that of the time afterwards."""
    world = World(lambda n: 40 * MB * n, lambda _: 0.05)
    world.run(1.5)
    world.tuner.crowded(world.now)
    world.rate, world.stream_rates = (lambda _: 0.0), set()
    world.run(30)
    world.rate = lambda n: 40 * MB * n
    world.run(4)
    assert world.stream_rates == {40}


def test_too_little_to_do_says_nothing() -> None:
    """While fewer streams have something in hand than may have, nothing is concluded."""
    tuner = Tuner(16, 4)
    assert not any(tuner.update(step * 0.02, StreamStats(step * MB, 0.0, 3)) for step in range(1000))
    assert tuner.limit == 4


@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1), st.booleans(), st.floats(0.01, 3)), max_size=200),
)
def test_the_limit_holds(most: int, first: int, steps: list[tuple[float, float, bool, float]]) -> None:
    """Whatever comes, there is at least one stream and never more than there may be."""
    tuner = Tuner(most, first)
    now, count = 0.0, StreamStats()
    for rate, share, crowded, seconds in steps:
        now += seconds
        received = count.received + int(rate * seconds)
        count = StreamStats(received, count.worked + share * seconds, tuner.limit)
        if crowded:
            tuner.crowded(now)
        tuner.update(now, count)
        assert 1 <= tuner.limit <= most


@pytest.mark.parametrize("first", [0, 1, 100])
def test_it_begins_within_its_bounds(first: int) -> None:
    """With at least one, and no more than the most."""
    assert Tuner(16, first).limit == min(16, max(1, first))


class CrowdedCounter:
    """A scheduler of four streams that counts how often a server is crowded."""

    lock = threading.Lock()
    streams = 4
    stopped = False
    on_retry: Callable[[str, ModelsyncError], None] | None = None
    backoff: Callable[[], Backoff] = Backoff

    def __init__(self) -> None:
        self.times = 0

    def source(self, segment: Segment) -> ByteSource:
        return LocalSource(segment.url)

    def wake(self) -> None: ...

    def claim(self, file: FileState) -> tuple[OpenSegment, Claim] | None: ...

    def released(self) -> None: ...

    def offer(self, file: FileState) -> None: ...

    def withdraw(self, file: FileState) -> None: ...

    def received(self, count: int, worked: float) -> None: ...

    def crowded(self) -> None:
        self.times += 1


@pytest.mark.parametrize(("status", "times"), [(429, 1), (503, 1), (500, 0), (403, 0)])
def test_the_run_is_told_of_a_server_that_has_too_much_to_do(status: int, times: int) -> None:
    """A 429 and a 503 mean fewer streams for all files; what is one file's own trouble does not."""
    run, track = CrowdedCounter(), Track(10, digest=True, streams=4)
    file = FileState(Job("x.gguf", Path(), 10, "0" * 64, (Segment("https://hub.example/x"),)), run)
    claim = track.claim(0.0)
    assert claim is not None
    with run.lock:
        file.release(
            OpenSegment(0, 0, track, run.source(Segment("file:///x"))),
            claim,
            HttpStatusError("it has no time", status=status),
        )
    assert run.times == times

"""A limit on the bytes a second: its laws with a clock that is told, and transfers that it holds back."""

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import CancelledError
from modelsync.transfer.downloader import Downloader
from modelsync.transfer.progress import Event
from modelsync.transfer.rate_limit import BURST, HELD, RateLimit, TokenBucket
from tests.hub import Hub, Slow
from tests.support.content import noise, sha256
from tests.support.transfers import Lab, Outcome, client
from tests.support.units import MiB

RATES = st.floats(1e3, 1e9)


def take(rate: float, piece: int, pauses: list[list[float]], wants: int) -> list[tuple[float, int]]:
    """What several payers take, and when: each waits as it is told, and then as long as it likes to."""
    bucket = TokenBucket(rate)
    free = [own[0] for own in pauses]  # when each may take again, and will
    taken = []
    for turn in range(wants):
        payer = min(range(len(free)), key=lambda number: free[number])
        now = free[payer]
        taken.append((now, payer))
        own = pauses[payer]
        free[payer] = now + bucket.pay(now, piece) + own[turn % len(own)]
    return taken


@given(
    RATES,
    st.integers(1, 256 * 1024),
    st.lists(st.lists(st.floats(0, 3), min_size=1, max_size=5), min_size=1, max_size=16),
    st.integers(1, 120),
)
def test_no_stretch_of_time_gets_more_than_the_limit(
    rate: float, piece: int, pauses: list[list[float]], wants: int
) -> None:
    """Between any two moments: the rate, a quarter of a second's burst, and one piece for each stream."""
    times = [when for when, _ in take(rate, piece, pauses, wants)]
    for first, begun in enumerate(times):
        for last in range(first, len(times)):
            most = rate * (times[last] - begun + BURST) + len(pauses) * piece
            assert (last - first + 1) * piece <= most * (1 + 1e-9)


@given(st.floats(4, 200), st.integers(1, 256 * 1024), st.integers(1, 16), st.integers(2, 9))
def test_streams_that_always_want_get_all_there_is_in_equal_parts(
    pieces: float, piece: int, streams: int, rounds: int
) -> None:
    """Nothing of the limit is left unused, and they take turns."""
    rate = pieces * piece
    taken = take(rate, piece, [[0.0]] * streams, rounds * streams)
    assert taken[-1][0] <= (len(taken) - 1) * piece / rate * (1 + 1e-9)
    turns = [payer for _, payer in taken]
    for first in range(len(turns) - streams + 1):
        assert len(set(turns[first : first + streams])) == streams


@given(RATES, st.floats(1, 1e6))
def test_a_pause_is_not_saved_up(rate: float, pause: float) -> None:
    """However long nothing was read, what may be made up for is a quarter of a second's bytes."""
    bucket = TokenBucket(rate)
    bucket.pay(0.0, 1)
    assert bucket.pay(1.0 + pause, int(rate)) == pytest.approx(int(rate) / rate - BURST)
    assert bucket.owes(1.0 + pause) > 0.7
    assert bucket.owes(2.0 + pause) == 0


@given(st.integers(1000, 10**10), st.integers(1, 64))
def test_all_streams_together_hold_a_bounded_part(rate: int, streams: int) -> None:
    """What is read at once is something, and over all streams hardly more than a quarter of a second's bytes."""
    piece = RateLimit(rate, streams).piece
    assert piece >= 1
    assert piece * streams <= max(rate * HELD, streams)


# --- transfers ---------------------------------------------------------------------------------------


class Watch:
    """Listens to how much has arrived, and when."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.here: dict[str, int] = {}
        self.heard: list[tuple[float, int]] = []

    def __call__(self, event: Event) -> None:
        self.here[event.label] = event.done
        self.heard.append((time.monotonic() - self.begun, sum(self.here.values())))


@pytest.mark.parametrize(("files", "streams"), [(1, 1), (1, 16), (20, 16)])
def test_no_moment_of_a_transfer_is_over_the_limit(hub: Hub, lab: Lab, files: int, streams: int) -> None:
    """Over all files and streams: at every look, what had come was less than the rate had allowed by then."""
    rate, size = 4 * MiB, 6 * MiB // files
    datas = [noise(size, seed) for seed in range(files)]
    jobs = [
        lab.job(hub.file(f"/{number}.gguf", data), data, label=f"{number}.gguf")
        for number, data in enumerate(datas)
    ]
    watch = Watch()
    outcome = lab.run(*jobs, streams=streams, limit=RateLimit(rate, streams), listener=watch)
    assert {data for _, data in outcome.done.values()} == set(datas)
    assert [here for seconds, here in watch.heard if here > rate * (seconds + BURST + HELD)] == []


@pytest.mark.parametrize("files", [1, 30])
def test_a_limit_brings_no_storm_of_connections(hub: Hub, lab: Lab, files: int) -> None:
    """That streams wait for the limit is no reason for more of them: of 16 that there may be, a few are made."""
    datas = [noise(24 * MiB // files, seed) for seed in range(files)]
    jobs = [
        lab.job(hub.file(f"/{number}.gguf", data), data, label=f"{number}.gguf")
        for number, data in enumerate(datas)
    ]
    outcome = lab.run(*jobs, streams=16, limit=RateLimit(16 * MiB, 16))
    assert len(outcome.done) == files
    assert len({request.connection for request in hub.requests}) <= 4


def test_a_limit_that_does_not_bind_keeps_no_stream_away(hub: Hub, lab: Lab) -> None:
    """Where each connection has a cap far below the limit, more than the first few streams are made."""
    hub.misbehave(Slow(8 * MiB), where="plain", times=None)
    data = noise(40 * MiB)
    outcome = lab.run(lab.job(hub.file("/x.gguf", data), data), streams=16, limit=RateLimit(1000 * MiB, 16))
    assert outcome.only.sha256 == sha256(data)
    assert len({request.connection for request in hub.requests}) > 2


def test_waiting_for_the_limit_is_no_stall(hub: Hub, lab: Lab) -> None:
    """A stream that the limit delays longer than the timeout is not taken for a stalled one."""
    data = noise(40_000)
    job = lab.job(hub.file("/x.gguf", data), data)
    limit = RateLimit(20_000, 1)  # a quarter of a second for each piece
    assert lab.run(job, streams=1, limit=limit, timeout=0.1, tries=1).only.sha256 == sha256(data)
    assert len(hub.requests) == 1


def test_a_cancelled_transfer_does_not_wait_for_its_limit(hub: Hub, lab: Lab) -> None:
    """What would have taken an hour ends at once, with what had come."""
    data = noise(4 * MiB)
    job = lab.job(hub.file("/x.gguf", data), data)
    cancel = threading.Event()

    def stop(event: Event) -> None:
        if event.done:
            cancel.set()

    with pytest.raises(CancelledError):
        lab.run(job, streams=16, limit=RateLimit(1000, 1), listener=stop, cancel=cancel)
    assert lab.run(job).only.resumed > 0


def test_what_is_on_this_machine_is_not_held_back(tmp_path: Path, lab: Lab) -> None:
    """A local file is copied at once, whatever the limit."""
    data = noise(4 * MiB)
    (tmp_path / "x.gguf").write_bytes(data)
    job = lab.job((tmp_path / "x.gguf").as_uri(), data)
    limit = RateLimit(1, 4)  # a single piece, once paid for, would make it wait for a second
    assert lab.run(job, limit=limit).only.sha256 == sha256(data)
    assert not limit.throttles


def test_two_runs_side_by_side_share_one_limit(hub: Hub, lab: Lab) -> None:
    """The limit is the call's, however many downloaders it has."""
    rate, size = 2 * MiB, MiB
    limit, watches = RateLimit(rate, 4), (Watch(), Watch())
    outcome = Outcome()

    def run(number: int) -> None:
        data = noise(size, number)
        job = lab.job(hub.file(f"/{number}.gguf", data), data, label=f"{number}.gguf")
        downloader = Downloader(lambda: asker, streams=4, limit=limit, listener=watches[number])
        downloader.run([job], outcome.on_done, outcome.on_error)

    with client(5.0, None) as asker:
        side = threading.Thread(target=run, args=(0,))
        side.start()
        run(1)
        side.join()
    assert len(outcome.done) == 2
    heard = sorted((seconds, number, here) for number in (0, 1) for seconds, here in watches[number].heard)
    latest = [0, 0]
    for seconds, number, here in heard:
        latest[number] = here
        assert sum(latest) <= rate * (seconds + BURST + 2 * HELD)

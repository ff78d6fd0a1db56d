"""The pace: what a refusal asks for, and that all threads keep to it."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from modelsync.errors import CancelledError, HttpStatusError
from modelsync.net.client import Client
from modelsync.net.host_limits import Pacing, retry_after
from modelsync.net.origin import Origin
from tests.hub import Fault, Status, TooMany
from tests.hub.wire import Reply, Request, text
from tests.support.servers import answering

HERE = Origin("https", "hub.example", 443)
THERE = Origin("https", "cdn.example", 443)
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit": '"api";r=0;t=55'}, 56.0),
        ({"ratelimit": '"api"; t=55; r=0'}, 56.0),
        ({"ratelimit": '"api";r=0;t=5, "resolvers";r=0;t=9'}, 10.0),
        ({"ratelimit": '"api";r=12;t=55'}, None),
        ({"ratelimit": '"api";r=12;t=55', "retry-after": "3"}, 3.0),
        ({"ratelimit": '"api";r=0;t=99999999999'}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30)), "date": format_datetime(NOW)}, 30.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=30)), "date": format_datetime(NOW)}, 0.0),
        ({"retry-after": "Fri, 99 Foo 2026 12:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_what_a_refusal_asks_for(headers: dict[str, str], expected: float | None) -> None:
    """The hub's own header counts when nothing is left in it, else Retry-After; nonsense asks for nothing."""
    assert retry_after(headers) == expected


def test_a_date_is_held_against_our_clock_where_the_server_tells_none() -> None:
    """Without a Date header a Retry-After date is a moment of this machine's clock."""
    wait = retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=100))})
    assert wait is not None
    assert 0 < wait <= 100


def test_a_held_origin_is_held_for_all_threads_and_no_other() -> None:
    """After a hold nobody gets in before its end, while other origins are asked as ever."""
    told: list[tuple[str, float]] = []
    pacing = Pacing(8, threading.Event(), lambda host, seconds: told.append((host, seconds)))
    opens_at = time.monotonic() + 0.3
    for _ in range(4):  # four threads are told the same at once
        pacing.hold(HERE, 0.3)

    def enter(origin: Origin) -> float:
        with pacing.slot(origin):
            return time.monotonic()

    with ThreadPoolExecutor(8) as threads:
        here = list(threads.map(enter, [HERE] * 4))
    assert min(here) >= opens_at
    assert told == [("hub.example", 0.3)]
    pacing.hold(HERE, 3600)
    assert enter(THERE) > 0


def test_only_so_many_are_inside() -> None:
    """Never more requests at a time to one origin than was said; the others get their turn."""
    pacing, together = Pacing(3, threading.Event()), threading.Barrier(3)
    lock = threading.Lock()
    inside, most = 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with pacing.slot(HERE):
            with lock:
                inside += 1
                most = max(most, inside)
            together.wait(60)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, range(39)))
    assert most == 3


def test_who_waits_can_be_cancelled() -> None:
    """A thread that waits for a held origin, or for its turn, ends when the work is cancelled."""
    cancel = threading.Event()
    pacing = Pacing(1, cancel)
    pacing.hold(HERE, 3600)

    def enter(origin: Origin) -> None:
        with pacing.slot(origin):
            pass

    with pacing.slot(THERE), ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(enter, origin) for origin in (HERE, THERE)]
        cancel.set()
        for one in waiting:
            with pytest.raises(CancelledError):
                one.result()


@pytest.mark.parametrize("refusal", [Status(503), TooMany(1, "seconds")], ids=["503", "429"])
def test_a_server_that_turns_a_request_away_is_asked_less_at_a_time(refusal: Fault) -> None:
    """Twelve threads want to ask: at first one of them may, and each answer lets in a part of one more."""
    lock, inside, most = threading.Lock(), 0, 0
    answers = iter([refusal])

    def handle(request: Request) -> Reply:
        nonlocal inside, most
        if (fault := next(answers, None)) is not None and (reply := fault.instead(request)) is not None:
            return reply
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.1)
        with lock:
            inside -= 1
        return text(200, '"hello"')

    with answering(handle) as server, Client(max_connections=12) as client:
        with pytest.raises(HttpStatusError), client.open(f"{server.url}/x"):
            pass
        with ThreadPoolExecutor(12) as threads:
            assert (
                list(threads.map(lambda _: client.get_json(f"{server.url}/x").value, range(12)))
                == ["hello"] * 12
            )
    assert most <= 6


def test_a_crowded_origin_gets_half_and_then_one_more_for_a_round_of_answers() -> None:
    """Of eight requests under way one is turned away: four may be, and after four answers five; never none at all."""
    cancel = threading.Event()
    pacing = Pacing(8, cancel)

    def room(origin: Origin, expected: int) -> int:
        """How many of nine get in before the others are cancelled, as soon as those are in that should be."""
        inside, leave = threading.Semaphore(0), threading.Event()

        def enter() -> None:
            with pacing.slot(origin):
                inside.release()
                leave.wait(60)

        with ThreadPoolExecutor(9) as threads:
            entering = [threads.submit(enter) for _ in range(9)]
            for _ in range(expected):
                assert inside.acquire(timeout=60)
            inside.acquire(timeout=0.1)  # time for one that should not be
            cancel.set()
            leave.set()
            refused = [one for one in entering if isinstance(one.exception(), CancelledError)]
        cancel.clear()
        return len(entering) - len(refused)

    with contextlib.ExitStack() as inside:
        for _ in range(8):
            inside.enter_context(pacing.slot(HERE))
        pacing.crowded(HERE)
    assert room(HERE, 4) == 4
    assert room(THERE, 8) == 8
    for _ in range(5):
        pacing.served(HERE)
    assert room(HERE, 5) == 5
    for _ in range(10):
        pacing.crowded(HERE)
    assert room(HERE, 1) == 1

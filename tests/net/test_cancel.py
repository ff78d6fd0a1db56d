"""Cancelling: wherever a request is, it ends soon. Every server here would let it wait for a minute or more."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from modelsync.errors import CancelledError, HttpStatusError
from modelsync.net.client import Client
from tests.hub import Delay, Hub, Stall, Status, TooMany
from tests.support.servers import full_listener, silent
from tests.support.waiting import wait_until


@pytest.fixture
def cancel() -> threading.Event:
    return threading.Event()


@pytest.fixture
def patient(cancel: threading.Event) -> Iterator[Client]:
    """A client that gives nothing up for ten minutes."""
    with Client(timeout=600, cancel=cancel) as client:
        yield client


def cancelled_while(
    cancel: threading.Event, work: Callable[[], object], there: Callable[[], object] = lambda: True
) -> None:
    """Runs the work, cancels it a moment after it is `there`, and sees that it ends with CancelledError."""

    def stop() -> None:
        wait_until(there)
        cancel.wait(0.1)  # so that the work waits by then
        cancel.set()

    with ThreadPoolExecutor(1) as thread:
        stopped = thread.submit(stop)
        with pytest.raises(CancelledError):
            work()
        stopped.result()


def read(client: Client, url: str) -> bytes:
    with client.open(url) as body:
        return b"".join(body.chunks())


def test_while_the_body_stalls(patient: Client, cancel: threading.Event, hub: Hub) -> None:
    """A read that waits for bytes ends."""
    url = hub.file("/x", bytes(100_000))
    hub.misbehave(Stall(50_000), where="plain")
    cancelled_while(cancel, lambda: read(patient, url), lambda: hub.requests)


def test_while_the_answer_is_awaited(patient: Client, cancel: threading.Event, hub: Hub) -> None:
    """A request that nobody answers yet ends."""
    url = hub.file("/x", b"{}")
    hub.misbehave(Delay(60), where="plain")
    cancelled_while(cancel, lambda: patient.head(url), lambda: hub.requests)


def test_between_two_tries(patient: Client, cancel: threading.Event, hub: Hub) -> None:
    """A wait before the next try ends."""
    url = hub.file("/x", b"{}")
    hub.misbehave(Status(503, {"Retry-After": "300"}), where="plain")
    cancelled_while(cancel, lambda: patient.get_json(url), lambda: hub.requests)


def test_while_the_origin_is_held(patient: Client, cancel: threading.Event, hub: Hub) -> None:
    """Requests of any thread that wait for a rate limit end."""
    url = hub.file("/x", b"{}")
    hub.misbehave(TooMany(300), where="plain", times=None)
    with pytest.raises(HttpStatusError):
        read(patient, url)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(patient.get_json, url)
        cancelled_while(cancel, lambda: read(patient, url))
        with pytest.raises(CancelledError):
            first.result()
    assert len(hub.requests) == 1


@pytest.mark.parametrize(("scheme", "server"), [("http", full_listener), ("https", silent)])
def test_while_it_connects(
    patient: Client,
    cancel: threading.Event,
    scheme: str,
    server: Callable[[], AbstractContextManager[object]],
) -> None:
    """Connecting, and the handshake of TLS, end."""
    with server() as running:
        port = running if isinstance(running, int) else running.port  # type: ignore[attr-defined]
        cancelled_while(cancel, lambda: patient.head(f"{scheme}://127.0.0.1:{port}/x"))


def test_what_is_cancelled_asks_nothing_more(patient: Client, cancel: threading.Event, hub: Hub) -> None:
    """Once cancelled, no request begins."""
    url = hub.file("/x", b"{}")
    cancel.set()
    for ask in (patient.get_json, patient.head, lambda url: read(patient, url)):
        with pytest.raises(CancelledError):
            ask(url)
    assert hub.requests == []

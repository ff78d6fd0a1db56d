"""Answers that have no end, or come so slowly that they might as well have none. Each is given up with an error."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import CancelledError, NetworkError
from modelsync.net import deadline, documents, http1
from modelsync.net.client import Client
from modelsync.net.deadline import Floor, TooSlowError
from tests.support.servers import Listener, pouring, read_head, saying

OK = b"HTTP/1.1 200 OK\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"x" * 60_000 + b">\r\n\r\n"


@pytest.fixture
def patient() -> Iterator[Client]:
    """A client that gives silence a minute."""
    with Client(timeout=60) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the window in which the rate is measured a third of a second."""
    monkeypatch.setattr(deadline, "RATE_WINDOW", 0.3)


def dripping(first: bytes, more: bytes) -> Listener:
    """A server that sends `first`, then `more` two hundred times a second: a fifth of the least rate, if a byte."""
    return pouring(first, more, times=2000, pause=0.005)


def refused(client: Client, server: Listener, words: str) -> None:
    """Sees that an answer is an error with these words, and that it is not asked for again."""
    with server, pytest.raises(NetworkError, match=words):
        client.get_json(f"http://127.0.0.1:{server.port}/api")
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (lambda: pouring(b"", b"HTTP/1.1 100 Continue\r\n\r\n", times=5000), "interim answers"),
        (lambda: pouring(b"", HINTS, times=50), "head of its answer is longer than 102400 bytes"),
        (lambda: pouring(OK + b"X: ", b"x" * 1024, times=1024), "head of its answer is longer"),
        (lambda: pouring(OK, b"X: y\r\n", times=1000, then=b"Content-Length: 2\r\n\r\n{}"), "256 headers"),
    ],
    ids=["continue", "early hints", "1 MiB", "headers"],
)
def test_a_head_has_bounds(patient: Client, server: Callable[[], Listener], words: str) -> None:
    """On the answers before the final one, the bytes of all these heads together, and the headers of one."""
    refused(patient, server(), words)


def test_a_few_interim_answers_are_passed_over(patient: Client) -> None:
    """As many as are allowed, and a final answer behind them."""
    interim = b"HTTP/1.1 102 Processing\r\n\r\n" * http1.MOST_INTERIM
    with saying(interim + OK + b"Content-Length: 2\r\n\r\n{}") as server:
        assert patient.get_json(f"http://127.0.0.1:{server.port}/").value == {}


@pytest.mark.parametrize("first", [OK + b"X: ", OK + b"\r\n[", OK + b"Content-Length: 99999\r\n\r\n["])
@pytest.mark.usefixtures("short")
def test_a_head_and_a_document_have_a_least_speed(patient: Client, first: bytes) -> None:
    """A byte at a time, each well within the timeout."""
    refused(patient, dripping(first, b" "), "too slow: less than 1024 bytes a second")


@pytest.mark.usefixtures("short")
def test_chunks_that_are_nearly_all_framing_are_slow(patient: Client) -> None:
    """What counts are the document's own bytes."""
    chunk = b"1;" + b"x" * 4000 + b"\r\n \r\n"
    refused(patient, dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk), "too slow")


@pytest.mark.usefixtures("short")
def test_the_heads_of_redirects_share_their_time(patient: Client) -> None:
    """No one of them is too slow, and all of them are."""

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\nX: "
        )
        for _ in range(30):
            connection.sendall(b"x")
            time.sleep(0.005)
        connection.sendall(b"\r\n\r\n")

    with Listener(serve) as server, pytest.raises(NetworkError, match="too slow"):
        patient.head(f"http://127.0.0.1:{server.port}/")


@pytest.mark.usefixtures("short")
def test_a_handshake_has_a_least_speed(patient: Client) -> None:
    """A record of TLS that comes a byte at a time."""
    with dripping(b"\x16\x03\x03\x40\x00", b"\0") as server, pytest.raises(NetworkError, match="slow"):
        patient.head(f"https://127.0.0.1:{server.port}/")


@pytest.mark.usefixtures("short")
def test_a_document_under_tls_has_a_least_speed(patient: Client, any_example: ssl.SSLContext) -> None:
    """A record that never ends gives the reader nothing, and is seen all the same."""

    def serve(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = any_example.wrap_bio(incoming, outgoing, server_side=True)
        for step in (tls.do_handshake, lambda: tls.read(65536)):
            while True:
                try:
                    step()
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(65536))
                else:
                    break
        tls.write(OK + b"Content-Length: 20000\r\n\r\n[")
        connection.sendall(outgoing.read())
        tls.write(b" " * 16_000)
        for byte in outgoing.read()[:2000]:
            connection.sendall(bytes([byte]))
            time.sleep(0.005)

    with Listener(serve) as server, pytest.raises(NetworkError, match="too slow"):
        patient.get_json(f"https://127.0.0.1:{server.port}/")


@pytest.mark.parametrize(
    ("first", "more", "times", "words"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 5000, "interim answers"),
        (b"", HINTS, 50, "longer than 102400 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x", 2000, "less than 1024 bytes a second"),
    ],
)
@pytest.mark.usefixtures("short")
def test_a_proxys_answer_has_the_same_bounds(
    monkeypatch: pytest.MonkeyPatch, first: bytes, more: bytes, times: int, words: str
) -> None:
    """The proxy is named, and asked once."""
    with pouring(first, more, times=times, pause=0.005 if len(more) == 1 else 0) as server:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.port}")
        with Client(timeout=60) as client, pytest.raises(NetworkError, match=f"the proxy .*{words}"):
            client.get_json("https://hub.example/api")
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" + "[]," * 1_000_000 + "[]]", "JSON of more than 1000000 values"),
        ("[" + "1," * 1_000_000 + "1]", "JSON of more than 1000000 values"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ('{"a":' * 200_000, "nested more than 64 deep"),
    ],
    ids=["lists", "numbers", "depth", "objects"],
)
def test_json_has_bounds_beside_its_bytes(patient: Client, text: str, words: str) -> None:
    """On how many values it has and how deep it is, whatever they are."""
    raw = text.encode()
    refused(patient, saying(OK + b"Content-Length: %d\r\n\r\n" % len(raw) + raw), words)


def test_json_in_another_encoding_is_none(patient: Client) -> None:
    """Its quotes would be others than those that were counted."""
    raw = '["\\"", []]'.encode("utf-16")
    refused(patient, saying(OK + b"Content-Length: %d\r\n\r\n" % len(raw) + raw), "no JSON")


JSON = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('ab"\\[]{},\né')),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(JSON, st.booleans())
def test_depth_is_counted_as_the_parser_does(value: object, ascii_only: bool) -> None:
    """Whatever its strings hold: brackets, commas, quotes, backslashes."""
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "DEEPEST", depth_of(value))
        assert documents.excess_of(data) is None
        patch.setattr(documents, "DEEPEST", depth_of(value) - 1)
        assert (documents.excess_of(data) is None) == (depth_of(value) == 0)


def test_a_cancel_is_seen_while_bytes_keep_coming() -> None:
    """All of a body is here already: no read has to wait, so no wait sees it."""
    cancel, sent = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK + b"\r\n" + bytes(100_000))
        connection.shutdown(socket.SHUT_WR)
        sent.set()

    with (
        Listener(serve) as server,
        Client(cancel=cancel) as client,
        client.open(f"http://127.0.0.1:{server.port}/") as body,
    ):
        sent.wait()
        cancel.set()
        with pytest.raises(CancelledError):
            list(body.chunks())


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_the_least_speed_holds_for_every_minute_of_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for the first byte and the time between two heads do not count; a quick minute excuses no slow one."""
    clock, floor = Clock(), Floor()
    monkeypatch.setattr(deadline, "time", clock)
    clock.now = 500.0
    floor.check()  # the first byte
    floor.count(60 * 1024)
    clock.now = 560.0
    floor.check()
    floor.count(60 * 1024 - 1)
    clock.now = 590.0
    floor.pause()
    clock.now = 5000.0
    floor.check()
    clock.now = 5029.0
    floor.check()
    clock.now = 5030.0
    with pytest.raises(TooSlowError):
        floor.check()

"""The transport: what it does for a request by itself, and another one in its place."""

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Generator, Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import (
    CancelledError,
    ConfigError,
    HttpStatusError,
    ModelsyncError,
    NetworkError,
    RefusedError,
)
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.transport import BODY, Transport
from tests.hub import Hub
from tests.hub.wire import text
from tests.support.servers import answering, silent
from tests.support.tracers import Waits

DATA = bytes(range(256)) * 1024
HUB = "https://hub.example"


def transport(timeout: float = 10.0, instead: httpx2.BaseTransport | None = None) -> Transport:
    return Transport(
        insecure_hosts=frozenset(),
        timeout=timeout,
        cancel=threading.Event(),
        max_connections=2,
        instead=instead,
    )


def mock(handler: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.MockTransport:
    return httpx2.MockTransport(handler)


def files(request: httpx2.Request) -> httpx2.Response:
    """A hub and its CDN, as short as can be."""
    if request.url.path == "/api":
        return httpx2.Response(
            200, json={"q": request.url.query.decode()}, headers=[("Link", "<a>"), ("link", "<b>")]
        )
    if request.url.host == "hub.example":
        return httpx2.Response(302, headers={"Location": "https://cdn.example/x?Signature=s3cret"})
    said = request.headers.get("range")
    if said is None:
        return httpx2.Response(200, content=DATA)
    start, end = (int(each) for each in said.removeprefix("bytes=").split("-"))
    return httpx2.Response(
        206,
        content=iter([DATA[start : start + 10], b"", DATA[start + 10 : end + 1]]),
        headers={"Content-Range": f"bytes {start}-{end}/{len(DATA)}", "Content-Length": str(end + 1 - start)},
    )


def test_a_request_that_names_no_timeout_has_one() -> None:
    """As those do that an `Auth` makes: a silent server is given up all the same."""
    with silent() as server, transport(0.3) as sends, pytest.raises(NetworkError, match=r"silent for 0\.3 s"):
        sends.handle_request(httpx2.Request("GET", f"http://127.0.0.1:{server.port}/"))


def test_another_transport_is_told_the_timeout_of_every_request() -> None:
    """Of those that an `Auth` makes too."""
    told: list[object] = []

    class Asking(httpx2.Auth):
        def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
            yield httpx2.Request("GET", f"{HUB}/first")
            yield request

    def serve(request: httpx2.Request) -> httpx2.Response:
        told.append(request.extensions["timeout"]["read"])
        return httpx2.Response(200, json={})

    with Client(transport=mock(serve), auth={HUB: Asking()}, timeout=7.0) as client:
        client.get_json(f"{HUB}/x")
        with client.open(f"{HUB}/x"):
            pass
    assert told == [7.0] * 4


@given(st.text(st.characters(max_codepoint=255), max_size=60), st.text(max_size=30))
def test_nothing_but_our_errors_comes_out(location: str, cookie: str) -> None:
    """Whatever an answer's headers say, an address that it leads to or a cookie."""
    headers = [("Location", location.encode("latin-1")), ("Set-Cookie", cookie.encode())]

    def serve(request: httpx2.Request) -> httpx2.Response:
        raw = [(name.encode(), value) for name, value in headers]
        return httpx2.Response(302 if request.url.path == "/x" else 200, headers=raw)

    with Client(transport=mock(serve)) as client, contextlib.suppress(ModelsyncError):
        assert client.head(f"{HUB}/x").status in {200, 302}


def test_an_answer_can_be_iterated_and_filled_from(hub: Hub) -> None:
    """httpx2's way of reading and a caller's buffer give the same bytes; both leave the connection usable."""
    url = hub.file("/x", DATA)
    with transport() as sends:
        for read in (lambda answer: b"".join(answer.stream), filled):
            answer = sends.handle_request(httpx2.Request("GET", url))
            assert read(answer) == DATA
            answer.close()
    assert len({seen.connection for seen in hub.requests}) == 1


def filled(answer: httpx2.Response) -> bytes:
    buffer, got = memoryview(bytearray(1000)), bytearray()
    while count := answer.extensions[BODY].read_into(buffer):
        got += buffer[:count]
    return bytes(got)


def test_plain_http_elsewhere_is_refused_by_the_transport_itself() -> None:
    """Whoever makes the request: an `Auth` too."""
    with transport() as sends, pytest.raises(RefusedError):
        sends.handle_request(httpx2.Request("GET", "http://files.example/"))


def test_a_mock_serves_metadata_and_bytes() -> None:
    """Documents, HEADs and ranges come from an `httpx2.MockTransport`, through the same redirects and checks."""
    with Client(transport=mock(files)) as client:
        reply = client.get_json(f"{HUB}/api", params={"blobs": "true"})
        assert (reply.value, reply.headers["link"]) == ({"q": "blobs=true"}, "<a>, <b>")
        assert client.head(f"{HUB}/x").redirect_to == "https://cdn.example/x?Signature=s3cret"
        with client.open(f"{HUB}/x", start=5, end=500) as body:
            assert (body.redirected, body.start, body.end, body.total) == (True, 5, 500, len(DATA))
            assert b"".join(body.chunks()) == DATA[5:500]
            assert body.waited == 0.0
        with client.open(f"{HUB}/x") as body:
            assert b"".join(body.chunks()) == DATA


def test_another_transport_is_not_told_another_hosts_secret() -> None:
    """The credential goes to its origin, whoever sends the request; a mock's CDN sees none."""
    seen: list[httpx2.Request] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return files(request)

    rule = Rule("hub.example", 443, "https", {"Authorization": "Bearer hf_secret"}, "test")
    with Client(transport=mock(serve), credentials=Credentials([rule])) as client, client.open(f"{HUB}/x"):
        pass
    assert [request.headers.get("authorization") for request in seen] == ["Bearer hf_secret", None]
    assert [request.url.host for request in seen] == ["hub.example", "cdn.example"]


@pytest.mark.parametrize(
    "there", ["http://cdn.example/", "https://127.0.0.1/", "http://localhost/", "https://10.0.0.1/"]
)
def test_another_transports_redirects_are_judged_too(there: str) -> None:
    """No downgrade, and none from a public host into this network."""
    asked: list[str] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(302, headers={"Location": there})

    with Client(transport=mock(serve)) as client, pytest.raises(RefusedError):
        client.get_json(f"{HUB}/x")
    assert asked == [f"{HUB}/x"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx2.ConnectError("no\x1broute"), "no\\\\x1broute"),
        (httpx2.ReadTimeout("slow"), "went silent"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
    ],
)
def test_another_transports_errors_are_ours(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are told in words, and tried again where that may help."""
    monkeypatch.setattr("modelsync.net.retry.FIRST_WAIT", 0.01)
    asked = 0

    def serve(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        raise error

    with Client(transport=mock(serve)) as client, pytest.raises(NetworkError, match=words):
        client.get_json(f"{HUB}/x")
    assert asked == 5


def test_another_transport_breaks_off_like_ours() -> None:
    """A body that is shorter than it promises is an error, an error in its middle too, and a refusal a status."""

    def torn(_: httpx2.Request) -> Iterator[bytes]:
        yield b"abc"
        raise httpx2.ReadError("torn")

    def serve(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/no":
            return httpx2.Response(404, headers={"X-Error-Message": "gone"})
        content = torn(request) if request.url.path == "/torn" else iter([b"abc"])
        return httpx2.Response(200, content=content, headers={"Content-Length": "10"})

    with Client(transport=mock(serve)) as client:
        for path in ("/torn", "/short"):
            with client.open(f"{HUB}{path}") as body:
                chunks = body.chunks()
                assert next(chunks) == b"abc"
                with pytest.raises(NetworkError, match="broke"):
                    next(chunks)
        with pytest.raises(HttpStatusError, match="gone"):
            client.get_json(f"{HUB}/no")


def test_another_transports_body_can_be_cancelled() -> None:
    """Between two pieces."""
    cancel = threading.Event()

    def pieces() -> Iterator[bytes]:
        while True:
            yield bytes(1000)

    serve = mock(lambda _: httpx2.Response(200, content=pieces()))
    with Client(transport=serve, cancel=cancel) as client, client.open(f"{HUB}/x") as body:
        chunks = body.chunks()
        next(chunks)
        cancel.set()
        with pytest.raises(CancelledError):
            for _ in chunks:
                pass


def test_another_transport_is_not_closed() -> None:
    """It is the caller's, for the next call too."""

    class Kept(httpx2.MockTransport):
        closed = False

        def close(self) -> None:
            self.closed = True

    kept = Kept(files)
    with Client(transport=kept) as client:
        client.get_json(f"{HUB}/api")
    assert not kept.closed


def test_another_transport_needs_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which way it goes is its own business: a setting that is no proxy is not looked at."""
    monkeypatch.setenv("https_proxy", "ftp://nonsense")
    with Client(transport=mock(files)) as client:
        assert client.get_json(f"{HUB}/api").value == {"q": ""}
    with Client() as client, pytest.raises(ConfigError):
        client.get_json(f"{HUB}/api")


def test_httpx2s_own_transport_may_take_our_place(hub: Hub) -> None:
    """A real one, with connections of its own, brings the same documents and bytes."""
    url = hub.file("/x", DATA)
    document = hub.file("/x.json", json.dumps({"a": 1}).encode())
    with httpx2.HTTPTransport() as theirs, Client(transport=theirs) as client:
        assert client.get_json(document).value == {"a": 1}
        assert client.head(url).headers["content-length"] == str(len(DATA))
        with client.open(url, start=3) as body:
            assert b"".join(body.chunks()) == DATA[3:]


def test_a_rate_limit_holds_another_transport_too() -> None:
    """The pace is kept whoever sends: after a 429 nothing is asked before the time that it names."""
    answers = [httpx2.Response(429, headers={"Retry-After": "1"}), httpx2.Response(200, json={})]
    told: list[tuple[str, float]] = []
    with Client(
        transport=mock(lambda _: answers.pop(0)), tracer=Waits(lambda *said: told.append(said))
    ) as client:
        assert client.get_json(f"{HUB}/x").value == {}
    assert told == [("hub.example", 1.0)]


def test_no_cookie_of_a_mock_is_kept() -> None:
    """What one answer sets is not sent with the next request."""
    seen: list[httpx2.Request] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={}, headers={"Set-Cookie": "id=1; Path=/"})

    with Client(transport=mock(serve)) as client:
        for _ in range(2):
            client.get_json(f"{HUB}/x")
    assert not any("cookie" in request.headers for request in seen)


def test_what_a_mock_was_asked_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """No log and no repr of a client, its answers and their bodies has a token or a signature in it."""
    caplog.set_level(logging.DEBUG)
    rule = Rule("hub.example", 443, "https", {"Authorization": "Bearer hf_secret"}, "test")
    signer = httpx2.BasicAuth("me", "hunter2")
    with Client(
        transport=mock(files), credentials=Credentials([rule]), auth={"https://signed.example": signer}
    ) as client:
        head = client.head(f"{HUB}/x")
        reply = client.get_json(f"{HUB}/api", params={"blobs": "true"})
        with client.open(f"{HUB}/x") as body:
            shown = [repr(client), repr(head), repr(reply), repr(body)]
    shown += [f"{record.getMessage()} {record.args}" for record in caplog.records]
    assert any("blobs=true" in line for line in shown)  # httpx2 does log
    assert not [line for line in shown for word in ("hf_secret", "s3cret", "hunter2") if word in line]


def test_a_server_is_asked_over_no_more_connections_than_it_allows() -> None:
    """An answer holds its turn until it is closed, a refused one too."""
    with answering(lambda _: text(404, "no")) as server, Client(max_connections=1) as client:
        for _ in range(3):
            with pytest.raises(HttpStatusError), client.open(f"{server.url}/x"):
                pass
        assert len({seen.connection for seen in server.log}) == 1

"""The client as the rest of the house uses it: JSON, headers, retries, the rate limit, many threads, no secrets."""

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from modelsync.errors import HttpStatusError, ModelsyncError, NetworkError, UsageError
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.origin import of
from tests.hub import Delay, Drop, Fault, Gzipped, Headers, Hub, Stall, Status, TooMany
from tests.hub.wire import Reply, Request, text
from tests.support.servers import answering, saying
from tests.support.tracers import Waits

TOKEN = "hf_abcdefghijkl"


@pytest.fixture
def url(hub: Hub) -> str:
    """A JSON document on a plain server."""
    return hub.file("/doc.json", json.dumps({"sha": "é"}).encode())


def test_json_is_read(client: Client, hub: Hub, url: str) -> None:
    """The value, the headers in lower case, and the address; the client says who it is."""
    reply = client.get_json(url, headers={"X-Extra": "1"})
    assert reply.value == {"sha": "é"}
    assert reply.headers["content-length"] == "17"
    assert reply.url == url
    [seen] = hub.requests
    assert seen.headers["user-agent"].startswith("modelsync/")
    assert seen.headers["x-extra"] == "1"
    assert seen.headers["host"] == of(url).authority
    assert "cookie" not in seen.headers


def test_several_headers_of_one_name_are_joined(client: Client) -> None:
    """As the protocol has it: with a comma, in order."""
    with saying(b"HTTP/1.1 200 OK\r\nLink: <a>\r\nlink: <b>\r\nContent-Length: 2\r\n\r\n{}") as server:
        assert client.get_json(f"http://127.0.0.1:{server.port}/").headers["link"] == "<a>, <b>"


def test_no_cookie_is_kept(client: Client) -> None:
    """What a server sets is not sent back: nothing is remembered between requests."""
    with answering(lambda _: text(200, "{}", {"Set-Cookie": "id=1; Path=/"})) as server:
        client.get_json(server.url)
        client.get_json(server.url)
        assert not any("cookie" in seen.headers for seen in server.log)


@pytest.mark.parametrize("body", ["<html>login</html>", "", "{", "[" * 60, "1" * 5000 + "e", "\ud800"])
def test_what_is_no_json_is_an_error_with_words(client: Client, body: str) -> None:
    """A login page, a torn or an absurd document is not a value."""
    raw = body.encode("utf-8", "surrogatepass")
    with (
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw) as server,
        pytest.raises(NetworkError, match="no JSON") as error,
    ):
        client.get_json(f"http://127.0.0.1:{server.port}/api?sig=abc")
    assert "abc" not in str(error.value)
    assert len(server.connections) == 1


@pytest.mark.parametrize("length", [True, False])
def test_a_document_has_a_limit(client: Client, length: bool) -> None:
    """A document longer than the limit is not read to its end, whether it says its length or not."""
    head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 5000000\r\n" if length else b"") + b"\r\n"
    with (
        saying(head + b'"' + b"x" * 4_999_999) as server,
        pytest.raises(NetworkError, match="more than 1000000 bytes"),
    ):
        client.get_json(f"http://127.0.0.1:{server.port}/", limit=1_000_000)


@pytest.mark.parametrize(
    "fault",
    [
        Status(503),
        Status(408),
        Status(500),
        Drop(),
        Headers({"Content-Encoding": "br"}),
        TooMany(0, "seconds"),
    ],
)
def test_what_may_pass_is_asked_again(client: Client, hub: Hub, url: str, fault: Fault) -> None:
    """Errors of the moment, broken connections and garbled answers cost a retry, not the work."""
    hub.misbehave(fault, where="plain", times=1)
    assert client.get_json(url).value == {"sha": "é"}
    assert len(hub.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_what_stays_is_asked_once(client: Client, hub: Hub, url: str, status: int) -> None:
    """A server's no is final."""
    hub.misbehave(Status(status), where="plain", times=None)
    for ask in (client.get_json, client.head):
        with pytest.raises(HttpStatusError) as error:
            ask(url)
        assert error.value.status == status
        assert str(status) in str(error.value)
    assert len(hub.requests) == 2


def test_open_asks_once(client: Client, hub: Hub, url: str) -> None:
    """The reader of the bytes decides about the next try."""
    hub.misbehave(Status(503, {"Retry-After": "7"}), where="plain", times=None)
    with pytest.raises(HttpStatusError) as error, client.open(url):
        pass
    assert (error.value.status, error.value.retry_after, error.value.redirected) == (503, 7.0, False)
    assert len(hub.requests) == 1


def test_an_answer_that_stalls_is_asked_for_again(hub: Hub, url: str) -> None:
    """The timeout counts the seconds without a byte, and then there is another try."""
    hub.misbehave(Stall(3), where="plain", times=1)
    with Client(timeout=0.3) as client:
        assert client.get_json(url).value == {"sha": "é"}


def test_a_document_that_is_packed_unasked_is_read(hub: Hub, url: str, client: Client) -> None:
    """With the bounds of any document: what it unpacks to counts."""
    hub.misbehave(Gzipped(), where="plain", times=None)
    assert client.get_json(url).value == {"sha": "é"}
    bomb = hub.file("/bomb", b'"' + b" " * 100_000 + b'"')
    with pytest.raises(NetworkError, match="more than 5000 bytes"):
        client.get_json(bomb, limit=5000)


def test_a_packed_document_that_is_cut_is_asked_for_again(hub: Hub, url: str, client: Client) -> None:
    """As any that breaks off."""
    hub.misbehave(Headers({"Content-Encoding": "gzip"}), where="plain", times=1)
    assert client.get_json(url).value == {"sha": "é"}


def test_a_server_that_needs_longer_than_the_timeout_is_waited_for(
    hub: Hub, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for a first byte grows from try to try, as a proxy needs that fetches what it is asked for."""
    monkeypatch.setattr("modelsync.net.retry.FIRST_WAIT", 0.01)
    hub.misbehave(Delay(0.8), where="plain", times=None)
    with Client(timeout=0.3) as client:
        assert client.get_json(url).value == {"sha": "é"}


def test_files_and_metadata_have_timeouts_of_their_own(hub: Hub, url: str) -> None:
    """The first is for JSON and HEADs, the second for the bytes of files."""
    hub.misbehave(Delay(600), where="plain", times=None)
    silent = r"silent for 0\.5 s"
    with (
        Client(timeout=(600, 0.5)) as client,
        pytest.raises(NetworkError, match=silent),
        client.open(url),
    ):
        pytest.fail("it was waited for")
    with Client(timeout=(0.5, 600)) as client, pytest.raises(NetworkError, match=silent):
        client.leads(url)


@pytest.mark.parametrize("said", ["ratelimit", "seconds", "date", "nowhere"])
def test_a_rate_limit_holds_all_threads(
    hub: Hub, url: str, said: Literal["ratelimit", "seconds", "date", "nowhere"]
) -> None:
    """After a 429 nobody asks that origin before the time that it names; then all go on."""
    hub.misbehave(TooMany(1, said), where="plain", times=1)
    held = threading.Event()
    told: list[str] = []
    ends = 0.0

    def on_wait(host: str, seconds: float) -> None:
        nonlocal ends
        ends = time.monotonic() + seconds
        told.append(host)
        held.set()

    with Client(tracer=Waits(on_wait)) as client, ThreadPoolExecutor(4) as threads:
        first = threads.submit(client.get_json, url)
        assert held.wait(60)
        others = [threads.submit(client.head, url) for _ in range(3)]
        asked = len(hub.requests)
        assert asked == 1 or time.monotonic() >= ends - 0.1
        assert first.result().value == {"sha": "é"}
        assert [other.result().status for other in others] == [200] * 3
    assert told == ["127.0.0.1"]
    assert len(hub.requests) == 5


def test_nobody_waits_for_a_limit_of_hours(client: Client, hub: Hub, url: str) -> None:
    """A server that asks to wait longer than any window is reported, and holds up nobody."""
    hub.misbehave(TooMany(7200, "seconds"), where="plain", times=1)
    with pytest.raises(HttpStatusError, match="7200") as error:
        client.get_json(url)
    assert error.value.hint == "try again later"
    assert client.get_json(url).value == {"sha": "é"}


def test_a_hub_that_asks_to_wait_allows_more_with_a_token(client: Client, hub: Hub) -> None:
    """A hub's limits are told apart from those of other servers, which take no token of a hub."""
    hub.repo("user/model").commit({"x.gguf": b"GGUF"})
    hub.misbehave(TooMany(7200, "seconds"), where="hub", times=1)
    with pytest.raises(HttpStatusError) as error:
        client.head(f"{hub.endpoint}/user/model/resolve/main/x.gguf")
    assert "HF_TOKEN" in str(error.value.hint)


def test_304_is_an_answer(client: Client, url: str) -> None:
    """A file that has not changed is no error."""
    etag = client.head(url).headers["etag"]
    assert client.head(url, headers={"If-None-Match": etag}).status == 304
    assert client.head(url, headers={"If-None-Match": '"other"'}).status == 200


def test_the_hubs_own_words_are_told(client: Client, hub: Hub) -> None:
    """Its error code and message reach the source, which explains them."""
    hub.repo("user/gated", gated="manual").commit({"x.gguf": b"GGUF"})
    with pytest.raises(HttpStatusError) as error:
        client.head(f"{hub.endpoint}/user/gated/resolve/main/x.gguf")
    assert error.value.status == 401
    assert error.value.error_code == "GatedRepo"
    assert error.value.error_message
    assert error.value.error_message in str(error.value)


def test_words_of_a_server_are_harmless(hub: Hub, url: str) -> None:
    """Control characters are escaped, a secret that it repeats is blacked out, and its length is bounded."""
    origin = of(url)
    rule = Rule(origin.host, origin.port, origin.scheme, {"Authorization": f"Bearer {TOKEN}"}, "test")
    words = f"\x9b31mno {TOKEN}" + "x" * 5000
    hub.misbehave(Status(404, {"X-Error-Message": words, "X-Error-Code": "A\x9bB"}), where="plain")
    with Client(credentials=Credentials([rule])) as client, pytest.raises(HttpStatusError) as error:
        client.get_json(url)
    assert error.value.error_code == "A\\x9bB"
    assert str(error.value).isprintable()
    assert TOKEN not in str(error.value)
    assert "\\x9b31mno ***" in str(error.value)
    assert len(str(error.value)) < 400


def test_an_error_behind_a_redirect_says_so(client: Client, hub: Hub) -> None:
    """A CDN's no is told from the hub's, and its signed address is not shown."""
    sha = hub.repo("user/model").commit({"m.gguf": b"GGUF" + bytes(2**20)})
    hub.misbehave(Status(403), where="cdn")
    with (
        pytest.raises(HttpStatusError) as error,
        client.open(f"{hub.endpoint}/user/model/resolve/{sha}/m.gguf"),
    ):
        pass
    assert (error.value.status, error.value.redirected) == (403, True)
    assert hub.cdn in str(error.value)
    assert "Signature" not in str(error.value)


def test_no_secret_is_logged_or_shown(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level no log, repr or str has a token or a signature in it."""
    caplog.set_level(logging.DEBUG)
    sha = hub.repo("user/model", private=True).commit({"m.gguf": b"GGUF" + bytes(2**20)})
    hub.tokens.add(TOKEN)
    hub.repo("user/model").accept(TOKEN)
    origin = of(hub.endpoint)
    rule = Rule(origin.host, origin.port, origin.scheme, {"Authorization": f"Bearer {TOKEN}"}, "test")
    file = f"{hub.endpoint}/user/model/resolve/{sha}/m.gguf"
    shown = []
    with Client(credentials=Credentials([rule])) as client:
        shown += [
            repr(client),
            repr(client.head(file)),
            repr(client.get_json(f"{hub.endpoint}/api/models/user/model")),
        ]
        with client.open(file) as body:
            shown.append(repr(body))
            assert "Signature" in body.url
            assert len(b"".join(body.chunks())) == 2**20 + 4
    shown += [record.getMessage() for record in caplog.records]
    assert not [line for line in shown if TOKEN in line or "Signature" in line]


def test_a_header_that_cannot_be_sent_is_the_callers_mistake(client: Client, hub: Hub, url: str) -> None:
    """A line break in a header, from a lock perhaps, sends nothing and is not blamed on the server."""
    for value in ('"a"\r\nX-Evil: 1', '"\u20ac"'):
        with pytest.raises(UsageError) as error:
            client.head(url, headers={"If-None-Match": value})
        assert "Evil" not in str(error.value)
    assert hub.requests == []


def test_many_threads_share_one_client(hub: Hub) -> None:
    """Each gets its own answer, over no more connections than there may be requests at a time."""
    urls = [hub.file(f"/{number}.json", json.dumps(number).encode()) for number in range(40)]
    most, inside, lock = 0, 0, threading.Lock()

    def answer(request: Request) -> Reply:
        nonlocal most, inside
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            return text(200, request.path[1:])
        finally:
            with lock:
                inside -= 1

    with Client(max_connections=4) as client, ThreadPoolExecutor(16) as threads:
        assert [reply.value for reply in threads.map(client.get_json, urls)] == list(range(40))
        assert len({seen.connection for seen in hub.requests}) <= 4
        with answering(answer) as server:
            list(threads.map(client.get_json, [f"{server.url}/{number}" for number in range(40)]))
    assert most <= 4


@pytest.mark.parametrize("address", ["ftp://host/x", "x", "https://"])
def test_what_cannot_be_asked_is_an_error_of_ours(client: Client, address: str) -> None:
    """Nothing but our own errors ever comes out of a client."""
    for ask in (client.get_json, client.head):
        with pytest.raises(ModelsyncError):
            ask(address)


@pytest.mark.parametrize(
    "raw",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b""],
)
def test_a_server_that_speaks_no_http_is_an_error_with_words(client: Client, raw: bytes) -> None:
    """What is no HTTP is said to be none; nothing of it reaches a terminal raw."""
    with (
        saying(raw) as server,
        pytest.raises(NetworkError) as error,
        client.open(f"http://127.0.0.1:{server.port}/"),
    ):
        pass
    assert f"127.0.0.1:{server.port}" in str(error.value)
    assert str(error.value).isprintable()

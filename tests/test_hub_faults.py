"""Every fault of the tests' hub, as it looks on the wire to a client of the standard library."""

import gzip
import http.client
import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.hub import (
    Chunked,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Fault,
    Gzipped,
    Headers,
    Hub,
    IgnoreRange,
    Longer,
    OtherRange,
    Redirect,
    Replaced,
    Shorter,
    Slow,
    Stall,
    Status,
    Tagged,
    TooMany,
    WrongRange,
)

DATA = random.Random(2).randbytes(100_000)


@pytest.fixture
def url(hub: Hub) -> str:
    """A file on the plain origin."""
    return hub.file("/x.gguf", DATA)


@contextmanager
def answer(url: str, asked: str | None = None, *, timeout: float = 10) -> Iterator[http.client.HTTPResponse]:
    """GET a URL, no redirect followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    with closing(connection):
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": asked} if asked else {})
        with connection.getresponse() as response:
            yield response


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_ends_the_body_early(hub: Hub, url: str, reset: bool) -> None:
    """Cut sends so many bytes and ends the connection, in order or by a reset; the next request is served."""
    hub.misbehave(Cut(1000, reset=reset), where="plain")
    broken = ConnectionResetError if reset else http.client.IncompleteRead
    with pytest.raises(broken), answer(url) as response:
        response.read()
    assert hub.requests[-1].sent == 1000
    with answer(url) as response:
        assert response.read() == DATA


def test_a_stall_is_silent_after_some_bytes(hub: Hub, url: str) -> None:
    """Stall sends so many bytes and then nothing, and keeps the connection."""
    hub.misbehave(Stall(1000), where="plain")
    with answer(url, timeout=0.3) as response:
        assert response.read(1000) == DATA[:1000]
        with pytest.raises(TimeoutError):
            response.read(1)


def test_a_drop_answers_nothing(hub: Hub, url: str) -> None:
    """Drop takes the request and resets the connection."""
    hub.misbehave(Drop(), where="plain")
    with pytest.raises(ConnectionError), answer(url):
        pass


def test_a_delay_comes_before_the_answer(hub: Hub, url: str) -> None:
    """Delay lets a client with less patience go; one with more gets all."""
    hub.misbehave(Delay(30), where="plain")
    with pytest.raises(TimeoutError), answer(url, timeout=0.2):
        pass
    hub.misbehave(Delay(0.05), where="plain")
    with answer(url) as response:
        assert response.read() == DATA


def test_slow_is_whole_in_the_end(hub: Hub, url: str) -> None:
    """Slow sends everything, in small pieces with pauses."""
    hub.misbehave(Slow(1_000_000), where="plain")
    with answer(url) as response:
        assert len(response.read1()) < len(DATA)
        response.read()
    assert hub.requests[-1].sent == len(DATA)


@pytest.mark.parametrize(
    ("fault", "asked", "status", "content_range", "body"),
    [
        (None, "bytes=10-19", 206, "bytes 10-19/100000", DATA[10:20]),
        (IgnoreRange(), "bytes=10-19", 200, None, DATA),
        (WrongRange(5), "bytes=10-19", 206, "bytes 15-24/100000", DATA[10:20]),
        (WrongRange(0, total=7), "bytes=10-19", 206, "bytes 10-19/7", DATA[10:20]),
        (WrongRange(0, total="*"), "bytes=10-19", 206, "bytes 10-19/*", DATA[10:20]),
        (OtherRange(5), "bytes=10-19", 206, "bytes 15-24/100000", DATA[15:25]),
        (OtherRange(5), "bytes=10-", 206, "bytes 15-99999/100000", DATA[15:]),
        (Longer(3), "bytes=99999-", 206, "bytes 99999-100002/100003", DATA[-1:] + bytes(3)),
        (Longer(3), None, 200, None, DATA + bytes(3)),
        (Shorter(3), None, 200, None, DATA[:-3]),
        (Shorter(3), "bytes=99990-", 206, "bytes 99990-99996/99997", DATA[99990:99997]),
        (
            Corrupt(at=12),
            "bytes=10-13",
            206,
            "bytes 10-13/100000",
            DATA[10:12] + bytes([DATA[12] ^ 255, DATA[13]]),
        ),
        (Corrupt(at=12), "bytes=13-13", 206, "bytes 13-13/100000", DATA[13:14]),
        (Replaced(b"GGUF new"), None, 200, None, b"GGUF new"),
        (Chunked(), None, 200, None, DATA),
        (Chunked(), "bytes=10-19", 206, "bytes 10-19/100000", DATA[10:20]),
    ],
)
def test_a_fault_changes_just_what_it_says(
    hub: Hub,
    url: str,
    fault: Fault | None,
    asked: str | None,
    status: int,
    content_range: str | None,
    body: bytes,
) -> None:
    """The status, the range and the bytes are those of the fault, and the framing is sound."""
    if fault is not None:
        hub.misbehave(fault, where="plain")
    with answer(url, asked) as response:
        assert (response.status, response.headers["Content-Range"]) == (status, content_range)
        assert response.read() == body
        length = None if isinstance(fault, Chunked) else str(len(body))
        assert response.headers["Content-Length"] == length


def test_etags_change_as_told(hub: Hub, url: str) -> None:
    """Replaced brings another ETag or keeps the old one; Tagged changes only the ETag."""
    with answer(url) as response:
        old = response.headers["ETag"]
    for fault, etag, body in (
        (Replaced(b"new"), '"another"', b"new"),
        (Replaced(b"new", etag=None), old, b"new"),
        (Tagged('"t"'), '"t"', DATA),
        (Tagged(None), None, DATA),
    ):
        hub.misbehave(fault, where="plain")
        with answer(url) as response:
            assert (response.headers["ETag"], response.read()) == (etag, body)


def test_gzipped_says_so(hub: Hub, url: str) -> None:
    """Gzipped packs the body though nobody asked."""
    hub.misbehave(Gzipped(), where="plain")
    with answer(url) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(response.read()) == DATA


def test_statuses_and_their_headers(hub: Hub, url: str) -> None:
    """Status, TooMany and Redirect answer in the file's stead."""
    for fault, status, header, value in (
        (Status(503), 503, "Retry-After", None),
        (Status(503, {"Retry-After": "1"}), 503, "Retry-After", "1"),
        (TooMany(7), 429, "RateLimit", '"api";r=0;t=7'),
        (TooMany(7, said="seconds"), 429, "Retry-After", "7"),
        (TooMany(7, said="nowhere"), 429, "Retry-After", None),
        (Redirect("https://example.com/x"), 302, "Location", "https://example.com/x"),
        (Redirect(), 302, "Location", "/x.gguf?"),
        (Redirect("/y", status=308), 308, "Location", "/y"),
    ):
        hub.misbehave(fault, where="plain")
        with answer(url) as response:
            assert (response.status, response.headers[header]) == (status, value)
    hub.misbehave(TooMany(7, said="date"), where="plain")
    with answer(url) as response:
        assert response.headers["Retry-After"].endswith("GMT")


def test_headers_are_changed_or_left_out(hub: Hub) -> None:
    """Headers strikes an answer of the hub as any other."""
    repo = hub.repo("user/model")
    repo.commit({"m.gguf": DATA})
    hub.misbehave(Headers({"X-Linked-Etag": None, "x-repo-commit": "not a commit"}), where="hub")
    with answer(repo.url("m.gguf")) as response:
        assert response.headers["X-Linked-Etag"] is None
        assert response.headers["X-Repo-Commit"] == "not a commit"


def test_a_trigger_knows_where_when_and_how_often(hub: Hub, url: str) -> None:
    """`skip`, `times`, `match`, `method` and `when` choose the requests that a fault strikes."""
    other = hub.file("/y.gguf", DATA)
    trigger = hub.misbehave(Status(500), where="plain", match="/x*", skip=1, times=2)
    never = hub.misbehave(Status(501), where="hub")
    statuses = []
    for where in (url, other, url, other, url, url):
        with answer(where) as response:
            statuses.append(response.status)
    assert statuses == [200, 200, 500, 200, 500, 200]
    assert (trigger.fired, never.fired) == (2, 0)
    hub.misbehave(Status(502), where="plain", when=lambda request: "range" in request.headers, method="GET")
    for asked, status in ((None, 200), ("bytes=0-0", 502), ("bytes=0-0", 206)):
        with answer(url, asked) as response:
            assert response.status == status
    hub.misbehave(Status(500), where="plain", times=None)
    hub.behave()
    with answer(url) as response:
        assert response.status == 200


def test_a_fault_of_the_cdn_is_matched_by_the_file_it_serves(hub: Hub) -> None:
    """A signed URL tells no path; the file that it is for does."""
    repo = hub.repo("user/model")
    repo.commit({"a.gguf": DATA, "b.gguf": DATA})
    hub.misbehave(Status(500), match="user/model/b.gguf")
    for path, status in (("a.gguf", 200), ("b.gguf", 500)):
        with answer(repo.url(path)) as response, answer(response.headers["Location"]) as there:
            assert there.status == status
            assert hub.requests[-1].file == f"user/model/{path}"


def test_connections_are_kept_and_closing_ends_them_all() -> None:
    """Requests share a connection, and closing the hub leaves no thread, not even of a stalled answer."""
    before = set(threading.enumerate())
    with Hub() as hub:
        url = urlsplit(hub.file("/x.gguf", DATA))
        with closing(http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)) as connection:
            for _ in range(3):
                connection.request("GET", url.path)
                assert connection.getresponse().read() == DATA
        assert len({seen.connection for seen in hub.requests}) == 1
        hub.misbehave(Stall(10), where="plain")
        with answer(url.geturl()) as response:
            assert response.read(10) == DATA[:10]
            hub.close()
            with pytest.raises(http.client.IncompleteRead):
                response.read()
    assert set(threading.enumerate()) <= before


def test_what_fails_inside_the_hub_is_told_to_the_test() -> None:
    """A mistake in a fault is not swallowed: closing the hub raises it."""

    class Broken(Fault):
        def instead(self, request: object) -> None:
            raise LookupError("a mistake")

    hub = Hub()
    hub.misbehave(Broken(), where="plain")
    with answer(f"{hub.plain}/x") as response:
        assert response.status == 500
    with pytest.raises(ExceptionGroup) as caught:
        hub.close()
    assert isinstance(caught.value.exceptions[0], LookupError)

"""What an answer says of its bytes, and that it is held to it."""

import collections
import gzip

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelsync.errors import HttpStatusError, NetworkError
from modelsync.net.body import Span, span_of
from modelsync.net.client import Client
from tests.hub import Chunked, Cut, Fault, Gzipped, Hub, IgnoreRange, OtherRange, Stall, WrongRange
from tests.support.servers import saying
from tests.support.waiting import wait_until

DATA = bytes(range(256)) * 8192  # 2 MiB
SIZES = st.integers(1, 10**12)


@given(SIZES, st.data())
def test_an_honest_part_is_taken_for_what_it_is(total: int, data: st.DataObject) -> None:
    """For every range of every file, the answer that serves it, or its beginning, is understood."""
    start = data.draw(st.integers(0, total - 1))
    end = data.draw(st.none() if start else st.nothing() | st.integers(1, total + 10))
    if end is not None:
        assume(end > start)
    after = data.draw(st.integers(start + 1, min(total, end or total)))
    known = data.draw(st.booleans())
    headers = {"content-range": f"bytes {start}-{after - 1}/{total if known else '*'}"}
    if data.draw(st.booleans()):
        headers["content-length"] = str(after - start)
    span = span_of(206, headers, start, end, "it")
    assert span == Span(start, after, total if known else None)
    assert span.length == after - start


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(-(10**6), 10**6))
def test_a_part_that_begins_elsewhere_is_refused(start: int, size: int, shift: int) -> None:
    """Bytes are never taken for those of another place in the file."""
    assume(shift != 0 and start + shift >= 0)
    said = f"bytes {start + shift}-{start + shift + size - 1}/{10**13}"
    with pytest.raises(NetworkError):
        span_of(206, {"content-range": said}, start, start + size, "it")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-range": "bytes */100"},
        {"content-range": "bytes 10-9/100"},
        {"content-range": "bytes 10-20/15"},
        {"content-range": "bytes 10-30/100"},
        {"content-range": "items 10-19/100"},
        {"content-range": "bytes 10-19/100, bytes 30-39/100"},
        {"content-range": f"bytes 10-{'9' * 40}/*"},
        {"content-range": "bytes 10-19/100", "content-length": "11"},
        {"content-range": "bytes 10-19/100", "content-encoding": "gzip"},
    ],
)
def test_a_part_that_contradicts_itself_or_the_question_is_refused(headers: dict[str, str]) -> None:
    """What was asked for is bytes 10-19, and nothing else will do."""
    with pytest.raises(NetworkError):
        span_of(206, headers, 10, 20, "it")


@pytest.mark.parametrize(
    ("headers", "span"),
    [
        ({"content-length": "10"}, Span(10, 20, None)),
        ({"content-length": "9"}, None),
        ({"content-length": "10", "transfer-encoding": "chunked"}, None),
        ({}, None),
    ],
)
def test_a_part_that_does_not_say_which_is_taken_where_a_digest_decides(
    headers: dict[str, str], span: Span | None
) -> None:
    """And only if it has the length that was asked for."""
    if span is not None:
        assert span_of(206, headers, 10, 20, "it", unlabelled=True) == span
    else:
        with pytest.raises(NetworkError, match="does not say which"):
            span_of(206, headers, 10, 20, "it", unlabelled=True)


def test_a_part_that_nobody_asked_for_is_refused() -> None:
    """A 206 to a question for the whole file is no answer to it."""
    with pytest.raises(NetworkError):
        span_of(206, {"content-range": "bytes 0-9/10"}, 0, None, "it")


@pytest.fixture
def url(hub: Hub) -> str:
    """A file of 2 MiB on a plain server."""
    return hub.file("/files/x.gguf", DATA)


def read(client: Client, url: str, start: int = 0, end: int | None = None) -> bytes:
    with client.open(url, start=start, end=end) as body:
        return b"".join(body.chunks())


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 1), (5, None), (100_000, 1_500_000), (len(DATA) - 1, None)]
)
def test_the_bytes_that_were_asked_for_come(client: Client, url: str, start: int, end: int | None) -> None:
    """A whole file or any part of it arrives as it is, with its place and the file's size."""
    with client.open(url, start=start, end=end) as body:
        assert (body.start, body.end, body.total) == (start, end or len(DATA), len(DATA))
        assert body.status == (200 if (start, end) == (0, None) else 206)
        assert b"".join(body.chunks()) == DATA[start:end]


def test_only_a_part_is_asked_for_with_a_range(client: Client, hub: Hub, url: str) -> None:
    """The whole is asked for plainly, so that servers and caches without ranges serve it too."""
    read(client, url)
    read(client, url, 7)
    read(client, url, 7, 9)
    assert [seen.range for seen in hub.requests] == [None, "bytes=7-", "bytes=7-8"]
    assert {seen.headers["accept-encoding"] for seen in hub.requests} == {"identity"}


def test_a_server_that_ignores_the_range_is_seen_to(client: Client, hub: Hub, url: str) -> None:
    """A 200 is the whole file from its first byte on, whatever was asked for."""
    hub.misbehave(IgnoreRange(), where="plain")
    with client.open(url, start=1000, end=2000) as body:
        assert (body.status, body.start, body.end, body.total) == (200, 0, len(DATA), len(DATA))
        assert b"".join(body.chunks()) == DATA


def test_if_range_makes_a_changed_file_come_whole(client: Client, url: str) -> None:
    """With a validator that no longer holds, the server sends the new file from its start."""
    with client.open(url, start=5, if_range='"another"') as body:
        assert (body.status, body.start) == (200, 0)
        etag = body.headers["etag"]
    with client.open(url, start=5, if_range=etag) as body:
        assert (body.status, body.start) == (206, 5)


@pytest.mark.parametrize("fault", [WrongRange(), WrongRange(-1), OtherRange(), Gzipped()])
def test_other_bytes_than_asked_for_are_refused(client: Client, hub: Hub, url: str, fault: Fault) -> None:
    """An answer for another range, or in another encoding, gives not one byte."""
    hub.misbehave(fault, where="plain")
    with pytest.raises(NetworkError), client.open(url, start=1000, end=2000):
        pass


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("at", [0, 1, 70_000])
def test_a_body_that_breaks_off_is_an_error(client: Client, hub: Hub, url: str, at: int, reset: bool) -> None:
    """What came before the break was given; the break itself is never taken for the end."""
    hub.misbehave(Cut(at, reset=reset), where="plain")
    got = bytearray()
    with client.open(url) as body, pytest.raises(NetworkError) as error:
        collections.deque(map(got.extend, body.chunks()))
    assert DATA.startswith(got)
    assert len(got) == at or (reset and len(got) < at)
    assert "127.0.0.1" in str(error.value)


def test_a_body_that_stalls_is_given_up(hub: Hub, url: str) -> None:
    """After the timeout without a byte the connection is given up, with the setting that waits longer."""
    hub.misbehave(Stall(70_000), where="plain")
    with Client(timeout=0.3) as client, client.open(url) as body, pytest.raises(NetworkError) as error:
        list(body.chunks())
    assert "0.3 s" in str(error.value)
    assert "MODELSYNC_HTTP_TIMEOUT" in str(error.value.hint)


def test_a_body_in_chunks_comes_whole(client: Client, hub: Hub, url: str) -> None:
    """A body without a length comes to its end all the same; its size is then not known before."""
    hub.misbehave(Chunked(), where="plain", times=None)
    with client.open(url) as body:
        assert (body.end, body.total) == (None, None)
        assert b"".join(body.chunks()) == DATA
    assert read(client, url, 5, 100_000) == DATA[5:100_000]
    assert len({seen.connection for seen in hub.requests}) == 1


CHUNKED = b"HTTP/1.1 206 Part\r\nContent-Range: bytes 5-9/10\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (CHUNKED + b"6\r\n123456\r\n0\r\n\r\n", "more than the bytes 5-9"),
        (CHUNKED + b"4\r\n1234\r\n0\r\n\r\n", "1 bytes before the end"),
        (CHUNKED + b"5\r\n12345\r\n", "broke off"),
        (b"HTTP/1.1 206 Part\r\nContent-Range: bytes 5-9/10\r\n\r\n1234", "1 bytes before the end"),
    ],
)
def test_without_a_length_the_promised_range_counts(client: Client, raw: bytes, words: str) -> None:
    """A body that ends by itself is held to the range that the server promised."""
    with saying(raw) as server:
        with (
            client.open(f"http://127.0.0.1:{server.port}/x", start=5) as body,
            pytest.raises(NetworkError) as error,
        ):
            list(body.chunks())
        assert words in str(error.value)


def test_a_body_may_end_with_its_connection(client: Client) -> None:
    """An old server's answer without any length ends where the connection does."""
    with saying(b"HTTP/1.0 200 OK\r\n\r\n" + DATA) as server:
        assert read(client, f"http://127.0.0.1:{server.port}/x") == DATA


def test_a_range_behind_the_end_is_an_error_with_its_status(client: Client, url: str) -> None:
    """416 reaches the caller as what it is."""
    with pytest.raises(HttpStatusError) as error, client.open(url, start=len(DATA) + 1):
        pass
    assert error.value.status == 416


def test_what_was_read_to_its_end_leaves_the_connection_usable(client: Client, hub: Hub, url: str) -> None:
    """Ranges one after another go over one connection; one that is left early takes its connection with it."""
    for start in range(0, 1_000_000, 250_000):
        read(client, url, start, start + 250_000)
    assert len({seen.connection for seen in hub.requests}) == 1
    with client.open(url) as body:
        next(body.chunks())
    read(client, url, 0, 10)
    assert len({seen.connection for seen in hub.requests}) == 2


def test_a_connection_that_the_server_has_left_is_not_used_again(client: Client, hub: Hub, url: str) -> None:
    """A server may hang up after an answer without a word: the next question goes over a connection of its own."""
    hub.misbehave(Cut(len(DATA)), where="plain")
    assert read(client, url) == DATA
    wait_until(lambda: not hub.connections)
    assert read(client, url) == DATA
    first, second = hub.requests
    assert first.connection != second.connection


def test_compressed_files_are_files(client: Client, hub: Hub) -> None:
    """A file that is itself compressed comes as it is: it is its bytes that are asked for."""
    packed = gzip.compress(DATA)
    assert read(client, hub.file("/x.gz", packed)) == packed

"""Uploads: every try sends all bytes."""

import io
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from modelsync.errors import CancelledError, HttpStatusError, StoreError
from modelsync.net.client import Client
from tests.hub.wire import Reply, Request, text
from tests.support.servers import Listener, answering
from tests.support.token_server import PATH, OneLogin, registry

DATA = os.urandom(3 * 2**20 + 17)


def keeping(got: list[bytes], *first: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """Keeps every body, and answers the first requests as is said, then with 201."""
    left = list(first)

    def serve(request: Request) -> Reply:
        got.append(request.body)
        return left.pop(0)(request) if left else text(201, "made")

    return serve


@pytest.mark.parametrize("whole", [True, False], ids=["from its start", "from the middle"])
def test_after_a_401_the_second_try_has_all_bytes(tmp_path: Path, whole: bool) -> None:
    """A file that was sent with a request that a server challenges is sent again from where it stood."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    got: list[bytes] = []

    def serve(request: Request) -> Reply:
        if request.method == "PUT":
            got.append(request.body)
        return registry(request)

    with answering(serve) as server, Client(logins=OneLogin()) as client, path.open("rb") as file:
        file.seek(0 if whole else 1000)
        assert client.put(server.url + PATH, file).status == 200
        assert [seen.method for seen in server.log] == ["PUT", "GET", "PUT"]
    assert got == [DATA if whole else DATA[1000:]] * 2


def test_after_a_digest_challenge_too(tmp_path: Path) -> None:
    """With an `auth=` of the caller, whose address goes past `httpx2.Client`, it is the same."""
    got: list[bytes] = []
    challenge = text(401, "no", {"WWW-Authenticate": 'Digest realm="r", nonce="n0nce"'})
    with (
        answering(keeping(got, lambda _: challenge)) as server,
        Client(auth={server.url: httpx2.DigestAuth("me", "pw")}) as client,
    ):
        assert client.put(f"{server.url}/blob", io.BytesIO(DATA)).status == 201
    assert got == [DATA, DATA]


@pytest.mark.parametrize("content", [DATA, b""])
@pytest.mark.parametrize("as_file", [True, False])
def test_what_may_pass_is_sent_again(content: bytes, as_file: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 503 costs another try with all the bytes, of a file and of bytes in memory."""
    monkeypatch.setattr("modelsync.net.retry.FIRST_WAIT", 0.01)
    got: list[bytes] = []
    with answering(keeping(got, lambda _: text(503, "later"))) as server, Client() as client:
        head = client.put(
            f"{server.url}/blob", io.BytesIO(content) if as_file else content, headers={"X-A": "1"}
        )
        assert head.status == 201
        assert [seen.headers["content-length"] for seen in server.log] == [str(len(content))] * 2
        assert [seen.headers["x-a"] for seen in server.log] == ["1"] * 2
        assert len({seen.connection for seen in server.log}) == 1
    assert got == [content, content]


@pytest.mark.parametrize("status", [301, 307, 403])
def test_a_no_and_a_redirect_are_final(status: int) -> None:
    """Nothing is sent to where a redirect leads."""
    with answering(lambda _: text(status, "no", {"Location": "/elsewhere"})) as server, Client() as client:
        with pytest.raises(HttpStatusError) as error:
            client.put(f"{server.url}/blob", io.BytesIO(DATA))
        assert (error.value.status, len(server.log)) == (status, 1)


def test_a_server_that_refuses_before_it_has_read_is_heard() -> None:
    """An answer that comes while bytes are still sent is the answer."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        while connection.recv(65536):
            pass

    with Listener(serve) as server, Client() as client, pytest.raises(HttpStatusError) as error:
        client.put(f"http://127.0.0.1:{server.port}/blob", io.BytesIO(DATA))
    assert error.value.status == 413


def test_an_upload_that_stalls_can_be_cancelled() -> None:
    """A server that reads nothing holds nobody."""
    cancel, never = threading.Event(), threading.Event()
    timer = threading.Timer(0.2, cancel.set)

    with (
        Listener(lambda _: (never.wait(10), None)[1]) as server,
        Client(timeout=600, cancel=cancel) as client,
    ):
        timer.start()
        with pytest.raises(CancelledError):
            client.put(f"http://127.0.0.1:{server.port}/blob", io.BytesIO(bytes(50_000_000)))
        never.set()
    timer.join()


class Short(io.BytesIO):
    """A file of which less can be read than it says."""

    def read(self, size: int | None = -1) -> bytes:
        return b""


def test_a_file_that_became_shorter_is_not_sent_as_if_it_were_whole() -> None:
    """The length was promised: an upload of fewer bytes is an error, and no server takes it for the file."""
    with answering(lambda _: text(201, "made")) as server, Client() as client:
        with pytest.raises(StoreError, match="bytes shorter while it was sent"):
            client.put(f"{server.url}/blob", Short(DATA))
        assert server.log == []

"""Small servers that do what no polite one does: a proxy that counts, and one that says given bytes."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self
from urllib.parse import urlsplit

import pytest

from tests.hub.server import Server
from tests.hub.wire import Reply, Request, text


class Listener:
    """Accepts on a loopback port and gives each connection to `serve` in a thread; use it in a `with`."""

    def __init__(self, serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> None:
        self._serve = serve
        self._listener = socket.create_server((host, 0))
        self._listener.settimeout(0.02)  # so that it sees when it is to stop, on every system
        self._stop = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._accepting.join()
        self._listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(None)
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection)


def saying(*answers: bytes) -> Listener:
    """A server that answers the n-th connection's request with the n-th bytes (then the last) and hangs up."""
    left = list(answers)

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return Listener(serve)


def pouring(first: bytes, more: bytes, *, times: int, pause: float = 0.0, then: bytes = b"") -> Listener:
    """A server that answers whatever is said to it first with `first`, then `more` so many times, then `then`.

    `times` is more than a good client takes, and has an end for the sake of one that takes all.
    """

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(first)
        for _ in range(times):
            connection.sendall(more)
            if pause:
                time.sleep(pause)
        connection.sendall(then)

    return Listener(serve)


def silent() -> Listener:
    """A server that takes every connection and says nothing."""
    return Listener(lambda connection: _swallow(connection))


@contextlib.contextmanager
def sending_on(to: str) -> Iterator[Server]:
    """A mirror that has nothing of its own: it redirects every request to the same path of another server."""
    server = Server(
        "plain", "127.0.0.1", lambda request: text(307, "", {"Location": to + request.target}), []
    )
    try:
        yield server
    finally:
        server.close()


class Proxy(Listener):
    """An http proxy: whatever host is asked for, it connects to loopback at the port that is asked for.

    So a test may ask for a host of the open Internet, and be answered by a server of its own.

    Attributes:
        asked: The first line of every request.
        authorizations: Each one's `Proxy-Authorization`.
        refuses: A status line to answer everything with, or None.

    Args:
        tls: Makes it an https proxy.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._encrypted if tls else self._converse)
        self._tls = tls
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.refuses: str | None = None

    @property
    def url(self) -> str:
        """What HTTP_PROXY is set to."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _encrypted(self, client: socket.socket) -> None:
        assert self._tls is not None
        with self._tls.wrap_socket(client, server_side=True) as wrapped:
            self._converse(wrapped)

    def _converse(self, client: socket.socket) -> None:
        head, rest = read_head(client)
        lines = head.decode("latin-1").split("\r\n")
        self.asked.append(lines[0])
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        self.authorizations.append(headers.get("proxy-authorization"))
        if self.refuses:
            client.sendall(f"HTTP/1.1 {self.refuses}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        method, target, _ = lines[0].split(" ")
        port = int(target.rpartition(":")[2]) if method == "CONNECT" else urlsplit(target).port or 80
        with socket.create_connection(("127.0.0.1", port)) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(head.replace(target.encode(), path.encode(), 1) + b"\r\n\r\n")
            server.sendall(rest)
            back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
            back.start()
            _pipe(client, server)
            back.join()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy on loopback that the environment names for http and https."""
    with Proxy() as running:
        monkeypatch.setenv("HTTP_PROXY", running.url)
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        monkeypatch.setenv("http_proxy", running.url)
        yield running


class SocksProxy(Listener):
    """A SOCKS5 proxy: whatever name it is asked for, it connects to loopback at the port that is asked for.

    Attributes:
        asked: Each host and port.
        login: The user and password that it wants, or None.
        reply: What it answers to a request to connect; 0: it has.
    """

    def __init__(self) -> None:
        super().__init__(self._converse)
        self.asked: list[tuple[str, int]] = []
        self.login: tuple[str, str] | None = None
        self.reply = 0

    def _converse(self, client: socket.socket) -> None:
        with client.makefile("rb") as reader:
            version, count = reader.read(2)
            wanted = 2 if self.login else 0
            if version != 5 or wanted not in reader.read(count):
                client.sendall(b"\x05\xff")
                return
            client.sendall(bytes([5, wanted]))
            if self.login:
                words = [reader.read(reader.read(each)[-1]).decode() for each in (2, 1)]
                client.sendall(bytes([1, tuple(words) != self.login]))
                if tuple(words) != self.login:
                    return
            kind = reader.read(4)[3]
            size = {1: 4, 4: 16}.get(kind) or reader.read(1)[0]
            host, port = reader.read(size), int.from_bytes(reader.read(2), "big")
        self.asked.append((host.decode("latin-1"), port))
        client.sendall(bytes([5, self.reply, 0, 3, 4]) + b"name" + bytes(2))
        if self.reply:
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
            back.start()
            _pipe(client, server)
            back.join()


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port whose backlog is full: connecting to it neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def answering(handler: Callable[[Request], Reply], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A well-behaved server with answers of the test's own."""
    server = Server("plain", "127.0.0.1", handler, [], tls=tls)
    try:
        yield server
    finally:
        server.close()
    assert not server.errors


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """A request's head, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise OSError("gone")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _swallow(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass

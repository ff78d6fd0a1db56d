"""A small HTTP/1.1 server that says exactly what it is told to, also when that is wrong.

One thread a connection, keep-alive, `sendfile` for files. It is written here rather than taken from
`http.server` because a test must be able to decide about every byte, length, pause and reset on the wire,
and to stop it at once.
"""

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from .wire import BytesBody, FileBody, Reply, Request, Seen, Where, text

SLICE = 1 << 20
_MAX_HEADER = 64 * 1024
_MAX_BODY = 16 * 1024 * 1024


class _Gone(Exception):
    """The connection is over."""


class Server:
    """One origin: listens at once, answers with `handler`, stops with `close()`.

    Args:
        where: Its name in the log.
        host: `127.0.0.1`, or `localhost`, which listens on the IPv6 loopback too where there is one.
        handler: From a request to its answer. What it raises is kept in `errors` and answered with 500.
        log: Gets a `Seen` for every request before the first byte of its answer leaves.
        tls: Makes it an https server.
        port: 0: any free one.
    """

    def __init__(
        self,
        where: Where,
        host: str,
        handler: Callable[[Request], Reply],
        log: list[Seen],
        *,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.where, self.handler, self.log, self.tls = where, handler, log, tls
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._woken, self._wake = socket.socketpair()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._count = 0
        self._listeners = [_listen(socket.AF_INET, "127.0.0.1", port)]
        self.port: int = self._listeners[0].getsockname()[1]
        if host == "localhost":
            with contextlib.suppress(OSError):  # no IPv6 here, or the port is taken there
                self._listeners.append(_listen(socket.AF_INET6, "::1", self.port))
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._accepting = threading.Thread(target=self._accept, name=f"{where} accept", daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Stop listening, break every connection, wait for the threads."""
        self._stop.set()
        self._wake.close()
        self._accepting.join()
        for each in (*self._listeners, self._woken):
            each.close()
        while True:
            with self._lock:
                left = dict(self._open)
            if not left:
                return
            for connection, thread in left.items():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                # not for ever: a connection that just became TLS is another socket the next time round
                thread.join(0.1)

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([*self._listeners, self._woken], [], [])
            for listener in ready:
                if listener is self._woken:
                    return
                try:
                    connection, _ = listener.accept()
                except OSError:
                    continue
                with self._lock:
                    self._count += 1
                    name = f"{self.where} {self._count}"
                    thread = threading.Thread(
                        target=self._serve, args=(connection, self._count), name=name, daemon=True
                    )
                    self._open[connection] = thread
                thread.start()

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._open)

    def _serve(self, plain: socket.socket, number: int) -> None:
        connection = plain
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                connection = self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open[connection] = self._open.pop(plain)
                connection.do_handshake()
            self._converse(connection, number)
        except (OSError, ValueError, _Gone):
            pass  # the client went, or spoke no HTTP: both are its own business
        finally:
            connection.close()
            plain.close()
            with self._lock:
                self._open.pop(plain, None)
                self._open.pop(connection, None)

    def _converse(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as reader:
            while (request := _read_request(reader.readline, reader.read)) is not None:
                try:
                    reply = self.handler(request)
                except Exception as error:  # noqa: BLE001 -- told when the hub is closed
                    self.errors.append(error)
                    reply = text(500, f"the test's hub failed: {error!r}")
                self._answer(connection, number, request, reply)
                if request.headers.get("connection", "").lower() == "close":
                    return

    def _answer(self, connection: socket.socket, number: int, request: Request, reply: Reply) -> None:
        delivery = reply.delivery
        bodiless = request.method == "HEAD" or reply.status in (204, 304)
        length = 0 if bodiless else reply.body.size
        seen = Seen(
            self.where,
            request.method,
            request.path,
            request.query,
            request.headers,
            reply.status,
            request.headers.get("range"),
            length,
            0,
            number,
            reply.file or request.path,
        )
        self.log.append(seen)
        if delivery.delay:
            self._pause(connection, delivery.delay)
        if delivery.drop:
            _reset(connection)
            raise _Gone
        connection.sendall(_head(reply))
        if bodiless:
            return
        limit = length if delivery.stop is None else min(length, delivery.stop)
        self._send(connection, reply, limit, seen)
        if limit < length or delivery.stop is not None:
            if delivery.then == "silent":
                self._pause(connection, delivery.silence)
            if delivery.then == "reset":
                _reset(connection)
            raise _Gone

    def _send(self, connection: socket.socket, reply: Reply, limit: int, seen: Seen) -> None:
        delivery, body = reply.delivery, reply.body
        step = SLICE if delivery.rate is None else max(1, min(SLICE, int(delivery.rate / 20)))
        with body.path.open("rb") if isinstance(body, FileBody) else contextlib.nullcontext() as file:
            begun = time.monotonic()
            for at in range(0, limit, step):
                count = min(step, limit - at)
                # counted before it is sent: a client that has the last byte may look at once
                seen.sent += count
                if delivery.chunked:
                    connection.sendall(b"%x\r\n" % count)
                if isinstance(body, BytesBody):
                    connection.sendall(body.data[at : at + count])
                elif file is not None and connection.sendfile(file, body.start + at, count) < count:
                    raise _Gone  # the file is shorter than it was
                if delivery.chunked:
                    connection.sendall(b"\r\n")
                if delivery.rate is not None:
                    ahead = (at + count) / delivery.rate - (time.monotonic() - begun)
                    if ahead > 0:
                        self._pause(connection, ahead)
        if delivery.chunked and limit == body.size and delivery.stop is None:
            connection.sendall(b"0\r\n\r\n")

    def _pause(self, connection: socket.socket, seconds: float) -> None:
        """Wait, but no longer than the client and this server are there."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            readable, _, _ = select.select([connection], [], [], min(left, 0.05))
            if self._stop.is_set() or (readable and _closed(connection)):
                raise _Gone
            if readable:  # the next request is here already
                self._stop.wait(min(left, 0.05))


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _closed(connection: socket.socket) -> bool:
    if isinstance(connection, ssl.SSLSocket):
        return True  # a TLS client that speaks while it is being answered says goodbye
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def _reset(connection: socket.socket) -> None:
    """Make the close that follows a TCP reset, as when a machine in between gives up."""
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
    )


def _head(reply: Reply) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    headers = {"Server": "modelsync-tests", **reply.headers}
    if reply.delivery.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif reply.status not in (204, 304) and not any(name.lower() == "content-length" for name in headers):
        headers["Content-Length"] = str(reply.body.size)
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _read_request(readline: Callable[[int], bytes], read: Callable[[int], bytes]) -> Request | None:
    """Read one request; None at the end of the connection. ValueError: that was no HTTP/1.1."""
    lines = list(_lines(readline))
    if not lines:
        return None
    method, target, version = lines[0].split(" ")
    if version != "HTTP/1.1":
        raise ValueError(version)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        headers[name.strip().lower()] = value.strip()
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= _MAX_BODY:
        raise ValueError(size)
    body = read(size) if size else b""
    return Request(method.upper(), target, headers, body)


def _lines(readline: Callable[[int], bytes]) -> Iterator[str]:
    total = 0
    while line := readline(_MAX_HEADER):
        total += len(line)
        if total > _MAX_HEADER:
            raise ValueError("too long a header")
        bare = line.rstrip(b"\r\n")
        if not bare:
            return
        yield bare.decode("latin-1")

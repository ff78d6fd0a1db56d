"""HTTP/1.1 on one connection, whose bodies go from the socket straight into the reader's own memory.

httpcore2's pool takes it in place of its own connection, which copies every byte three times on its way through h11.
Here h11 reads the head of an answer, and the body where its end has to be found (chunked, or up to the end of the
connection); a body of a known length is only counted.
"""

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Literal, Protocol

import h11
import httpcore2

from modelsync.net.streams import Stream

_HEAD = 16 * 1024  # bytes read at once while the head of an answer comes
_LONGEST_HEAD = 100 * 1024
_PIECE = 64 * 1024  # bytes; what who iterates over a body gets at once

BODY = "modelsync.body"  # the extension of a response under which its `BodyReader` is


class BodyReader(Protocol):
    """A body on its way."""

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with what is there; gives how many, 0 at the end of the body."""


class Pool(httpcore2.ConnectionPool):
    """A pool of such connections, to hosts that are asked without a proxy.

    Args:
        backend: Connects.
        context: For TLS; None if only plain http is spoken.
        max_idle: Unused connections that are kept.
        idle_seconds: How long.
    """

    def __init__(
        self,
        backend: httpcore2.NetworkBackend,
        context: ssl.SSLContext | None,
        *,
        max_idle: int,
        idle_seconds: float,
    ) -> None:
        super().__init__(max_connections=None, max_keepalive_connections=max_idle)
        self._backend = backend
        self._context = context
        self._idle_seconds = idle_seconds

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.ConnectionInterface:
        """A connection that is made when it is first asked something."""
        return Connection(origin, self._backend, self._context, idle_seconds=self._idle_seconds)


class Connection(httpcore2.ConnectionInterface):
    """One connection, for one request at a time. The arguments are as of `Pool`."""

    def __init__(
        self,
        origin: httpcore2.Origin,
        backend: httpcore2.NetworkBackend,
        context: ssl.SSLContext | None,
        *,
        idle_seconds: float,
    ) -> None:
        self._origin = origin
        self._backend = backend
        self._context = context
        self._idle_seconds = idle_seconds
        self._expires = 0.0
        self._stream: Stream | None = None
        self._state: Literal["new", "busy", "idle", "closed"] = "new"
        self._turn = threading.Lock()

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Asks, and reads the head of the answer.

        Raises:
            httpcore2.ConnectionNotAvailable: another thread was faster, or the other side has hung up.
            OSError, httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError: no answer.
        """
        with self._turn:
            if self._state not in ("new", "idle"):
                raise httpcore2.ConnectionNotAvailable
            self._state = "busy"
        if self._stream is not None and self._stream.get_extra_info(
            "is_readable"
        ):  # the other side has hung up
            self.close()
            raise httpcore2.ConnectionNotAvailable
        timeouts = request.extensions.get("timeout", {})
        try:
            if self._stream is None:
                self._stream = self._connect(timeouts.get("connect"))
            return self._converse(self._stream, request, timeouts)
        except BaseException:
            self.close()
            raise

    def _connect(self, timeout: float | None) -> Stream:
        host = self._origin.host.decode()
        stream = self._backend.connect_tcp(host, self._origin.port, timeout)
        if self._origin.scheme == b"https":
            assert self._context is not None
            stream = stream.start_tls(self._context, host, timeout)
        assert isinstance(stream, Stream)
        return stream

    def _converse(
        self, stream: Stream, request: httpcore2.Request, timeouts: dict[str, float | None]
    ) -> httpcore2.Response:
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        try:
            question = protocol.send(
                h11.Request(method=request.method, target=request.url.target, headers=request.headers)
            )
            end = protocol.send(h11.EndOfMessage())
            with contextlib.suppress(httpcore2.WriteError):  # it may have answered before it hung up
                stream.write((question or b"") + (end or b""), timeouts.get("write"))
            framed = _Framed(protocol, stream, timeouts.get("read"))
            head = framed.head()
        except h11.LocalProtocolError as error:
            raise httpcore2.LocalProtocolError(error) from error
        length = _length(request.method, head)
        body: _Body = framed
        if length is not None:
            body = _Counted(stream, timeouts.get("read"), length, protocol.trailing_data[0])
        return httpcore2.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            content=_Content(self, body, _keeps_alive(head)),
            extensions={"network_stream": stream, BODY: body},
        )

    def finished(self, *, reusable: bool) -> None:
        """An answer has been read, or is not wanted any more."""
        with self._turn:
            if reusable and self._state == "busy":
                self._expires = time.monotonic() + self._idle_seconds
                self._state = "idle"
                return
        self.close()

    def close(self) -> None:
        """Closes it, whoever uses it."""
        self._state = "closed"
        if self._stream is not None:
            self._stream.close()

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        """Whether it leads there."""
        return origin == self._origin

    def is_connected(self) -> bool:
        """Whether it is open."""
        return self._stream is not None and self._state != "closed"

    def is_available(self) -> bool:
        """Whether it can be asked something."""
        return self._state == "idle"

    def is_idle(self) -> bool:
        """Whether nothing is being asked."""
        return self._state == "idle"

    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._state == "closed"

    def has_expired(self) -> bool:
        """Whether it was unused for too long.

        Nothing more, for the pool asks all of them before and after each request, while all others wait.
        """
        return self._state == "idle" and time.monotonic() > self._expires

    def info(self) -> str:
        """What it is and does."""
        return f"{self._origin}, HTTP/1.1, {self._state}"


class _Body(BodyReader, Protocol):
    """A body that knows whether it has been read to its end, and nothing behind it."""

    @property
    def complete(self) -> bool: ...


class _Counted:
    """A body of a known length; `early` came together with the head."""

    def __init__(self, stream: Stream, timeout: float | None, length: int, early: bytes) -> None:
        self._stream = stream
        self._timeout = timeout
        self._left = length
        self._early = memoryview(early)

    @property
    def complete(self) -> bool:
        return not self._left and not self._early

    def read_into(self, buffer: memoryview) -> int:
        room = min(len(buffer), self._left)
        if not room:
            return 0
        count = min(room, len(self._early))
        if count:
            buffer[:count] = self._early[:count]
            self._early = self._early[count:]
        else:
            count = self._stream.read_into(buffer[:room], self._timeout)
            if not count:
                raise httpcore2.RemoteProtocolError(
                    f"the connection ended {self._left} bytes before its answer"
                )
        self._left -= count
        return count


class _Framed:
    """An answer as h11 reads it: its head, and its body if that says itself where it ends."""

    def __init__(self, protocol: h11.Connection, stream: Stream, timeout: float | None) -> None:
        self._protocol = protocol
        self._stream = stream
        self._timeout = timeout
        self._buffer = memoryview(bytearray(_HEAD))
        self._rest = memoryview(b"")
        self._over = False

    @property
    def complete(self) -> bool:
        return self._protocol.their_state is h11.DONE and not self._protocol.trailing_data[0]

    def head(self) -> h11.Response:
        """The head of the final answer."""
        while not isinstance(event := self._next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise httpcore2.RemoteProtocolError("it answered with something other than a response")
        return event

    def read_into(self, buffer: memoryview) -> int:
        while not self._rest:
            if self._over:
                return 0
            event = self._next()
            if isinstance(event, h11.Data):
                self._rest = memoryview(bytes(event.data))
            else:
                self._over = True
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> object:
        try:
            while (event := self._protocol.next_event()) is h11.NEED_DATA:
                count = self._stream.read_into(self._buffer, self._timeout)
                if not count and self._protocol.their_state is h11.SEND_RESPONSE:
                    raise httpcore2.RemoteProtocolError("it hung up without an answer")
                self._protocol.receive_data(bytes(self._buffer[:count]))
        except h11.RemoteProtocolError as error:
            raise httpcore2.RemoteProtocolError(error) from error
        return event


class _Content:
    """What httpcore2 takes for a body: pieces, and a way to end it."""

    def __init__(self, connection: Connection, body: _Body, keeps_alive: bool) -> None:
        self._connection = connection
        self._body = body
        self._keeps_alive = keeps_alive
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        buffer = memoryview(bytearray(_PIECE))
        while count := self._body.read_into(buffer):
            yield bytes(buffer[:count])

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.finished(reusable=self._keeps_alive and self._body.complete)


def _length(method: bytes, head: h11.Response) -> int | None:
    """How many bytes the body has; None where it says so itself. h11 has made sure that the headers agree."""
    if method == b"HEAD" or head.status_code in (204, 304):
        return 0
    headers = dict(head.headers)
    if b"transfer-encoding" in headers or b"content-length" not in headers:
        return None
    return int(headers[b"content-length"])


def _keeps_alive(head: h11.Response) -> bool:
    tokens = [
        token.strip().lower()
        for name, value in head.headers
        if name == b"connection"
        for token in value.split(b",")
    ]
    return head.http_version == b"1.1" and b"close" not in tokens

"""The transport of every request: which servers may be asked, over which connection, how many at a time."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import httpx2

from modelsync.errors import CancelledError
from modelsync.net.channels import ByteChannel
from modelsync.net.deadline import Floor
from modelsync.net.dial import Route
from modelsync.net.failures import TRANSPORT_ERRORS
from modelsync.net.host_limits import Pacing, retry_after
from modelsync.net.origin import Origin, is_local, is_public
from modelsync.net.patience import Patience, Wait
from modelsync.net.pool import ConnectionPool
from modelsync.net.redirects import check_scheme
from modelsync.net.retry import LONGEST_ASKED_WAIT, UNSAID_WAIT
from modelsync.net.trace import TracedRequest, Tracer

_PIECE = 64 * 1024  # bytes

# Extensions. Of a request: whether its host must be one of the open Internet; the `Floor` that its answer's head shares
# with others. Of an answer: whether it came from one, as far as can be told; and its `ResponseBody`.
PUBLIC_ONLY = "modelsync.public_only"
FLOOR = "modelsync.floor"
PUBLIC = "modelsync.public"
BODY = "modelsync.body"


class Reader(Protocol):
    """Gives the bytes of a body."""

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with those that are there; gives how many, 0 at the end."""


class ResponseBody(httpx2.SyncByteStream):
    """The stream of an answer: httpx2 iterates over it, a caller with a buffer has it filled.

    Args:
        reader: The bytes.
        channel: What they come over, where that is a connection of ours; else None.
        wait: The wait for the answer.
        traced: Is told how many bytes came, and when the answer is not needed any more; or None.
        held: What is let go when the answer is not needed any more: its connection, its turn.
    """

    def __init__(
        self,
        reader: Reader,
        channel: ByteChannel | None,
        wait: Wait,
        held: contextlib.ExitStack,
        traced: TracedRequest | None = None,
    ) -> None:
        self._reader = reader
        self._channel = channel
        self._wait = wait
        self._traced = traced
        self._held = held
        self._floor: Floor | None = None

    @property
    def waited(self) -> float:
        """Seconds that its connection has waited for bytes so far; 0.0 where that is not known."""
        return self._channel.waited if self._channel is not None else 0.0

    def hold_to(self, floor: Floor) -> None:
        """Sets the least speed of the reads from now on."""
        self._floor = floor
        if self._channel is not None:
            self._channel.hold_to(floor)

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with those that are there.

        Returns:
            How many; 0 at the end.

        Raises:
            NetworkError: the connection broke, or nothing came for the timeout.
            CancelledError: the cancel event was set.
        """
        try:
            count = self._reader.read_into(buffer)
            self._wait.begin(self._reader)
            if self._traced is not None:
                self._traced.bytes += count
            if self._floor is not None:
                self._floor.count(count)
                if self._channel is None:
                    self._floor.check()
            return count
        except TRANSPORT_ERRORS as error:
            raise self._wait.fault(error) from None

    def __iter__(self) -> Iterator[bytes]:
        buffer = memoryview(bytearray(_PIECE))
        while count := self.read_into(buffer):
            yield bytes(buffer[:count])

    def close(self) -> None:
        """Lets the connection go."""
        traced, self._traced = self._traced, None
        if traced is not None:
            traced.ended()
        self._held.close()


class Pieces:
    """A body that comes in pieces: one from another transport than ours."""

    def __init__(self, pieces: Iterator[bytes], cancel: threading.Event | None = None) -> None:
        self._pieces = pieces
        self._cancel = cancel
        self._rest = memoryview(b"")

    def read_into(self, buffer: memoryview) -> int:
        """Fills `buffer` from the piece in hand, or the next one; gives how many bytes, 0 at the end."""
        while not self._rest:
            if self._cancel is not None and self._cancel.is_set():
                raise CancelledError("interrupted")
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Sent(NamedTuple):
    """An answer before it is wrapped; `channel` is what its bytes come over, if that is ours."""

    status: int
    headers: httpx2.Headers
    reader: Reader
    channel: ByteChannel | None
    public: bool


class Transport(httpx2.BaseTransport):
    """Sends requests; thread-safe.

    Its errors are those of `modelsync.errors`. An answer holds a connection until its stream is closed.

    Args:
        insecure_hosts: Hosts that may be asked over plain http besides loopback.
        timeout: Seconds without a byte after which a connection is given up, where a request does not say.
        cancel: Once set, every wait ends with CancelledError within about a second.
        max_connections: Requests at one time to one origin.
        on_wait: Told of the host and the seconds when a server's rate limit makes all requests to it wait.
        tracer: Is told of each request; None: nothing is.
        instead: A transport that is used in place of connections of ours. Names, addresses, proxies and certificates
            are its own business then; which URLs are asked, and how many at a time, is not. It is not closed here.

    Attributes:
        patience: How long the first byte of an answer is waited for.
    """

    def __init__(
        self,
        *,
        insecure_hosts: frozenset[str],
        timeout: float,
        cancel: threading.Event,
        max_connections: int,
        on_wait: Callable[[str, float], None] | None = None,
        tracer: Tracer | None = None,
        instead: httpx2.BaseTransport | None = None,
    ) -> None:
        self._tracer = tracer
        self._insecure_hosts = insecure_hosts
        self._timeout = timeout
        self._cancel = cancel
        self._instead = instead
        self._pool = ConnectionPool(cancel, per_host=max_connections)
        self.patience = Patience()
        self._pacing = Pacing(max_connections, cancel, on_wait)
        self._from_public: set[Origin] = set()  # where public hosts redirected to: these must stay public

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request and waits for the head of its answer.

        Raises:
            NetworkError: no answer.
            RefusedError: the address is not safe to ask.
            ConfigError: a proxy or the certificates of the environment cannot be used.
            UriError: it is no http(s) address.
            CancelledError: the cancel event was set.
        """
        origin = check_scheme(str(request.url), self._insecure_hosts)
        wanted_public = bool(request.extensions.get(PUBLIC_ONLY))
        route = None
        if self._instead is None:
            route = self._pool.route(origin, public_only=wanted_public or origin in self._from_public)
        proxy = route.proxy if route else None

        # An Auth's own requests name no timeout.
        timeouts = request.extensions.get("timeout", httpx2.Timeout(self._timeout).as_dict())
        wait = Wait(origin, proxy, timeouts, self.patience)
        request.extensions = {**request.extensions, "timeout": wait.timeouts}
        with contextlib.ExitStack() as held:
            held.enter_context(self._pacing.slot(origin))
            traced = None
            if self._tracer is not None:
                traced = self._tracer.begin(request.method, str(request.url), request.headers.items())
            try:
                sent = (
                    self._send(request, route, held) if route else self._send_instead(request, origin, held)
                )
                if sent.status == 407 and proxy and origin.scheme == "http":
                    raise httpx2.ProxyError("407 Proxy Authentication Required")
            except TRANSPORT_ERRORS as error:
                fault = wait.fault(error)
                if traced is not None:
                    traced.failed(fault)
                raise fault from None
            if traced is not None:
                traced.answered(sent.status, sent.headers)
            if wanted_public:
                self._from_public.add(origin)
            kept = contextlib.ExitStack()
            body = ResponseBody(sent.reader, sent.channel, wait, kept, traced)
            extensions = {PUBLIC: sent.public, BODY: body}
            response = httpx2.Response(sent.status, headers=sent.headers, stream=body, extensions=extensions)
            response.headers.encoding = "latin-1"
            self._learn(origin, response)
            kept.callback(held.pop_all().close)
        return response

    def _send(self, request: httpx2.Request, route: Route, held: contextlib.ExitStack) -> _Sent:
        timeouts = request.extensions["timeout"]
        connection = held.enter_context(self._pool.connection(route, timeouts))
        head, body = connection.ask(request, timeouts, request.extensions.get(FLOOR) or Floor())
        # Behind a proxy only the host's name can tell.
        public = not is_local(route.origin.host) if route.proxy else is_public(connection.channel.peer)
        headers = httpx2.Headers(head.headers.raw_items())
        return _Sent(head.status_code, headers, body, connection.channel, public)

    def _send_instead(self, request: httpx2.Request, origin: Origin, held: contextlib.ExitStack) -> _Sent:
        assert self._instead is not None
        response = self._instead.handle_request(request)
        held.callback(response.close)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        pieces = Pieces(iter(response.stream), self._cancel)
        return _Sent(response.status_code, response.headers, pieces, None, not is_local(origin.host))

    def _learn(self, origin: Origin, response: httpx2.Response) -> None:
        """Keeps the pace that the server asks for."""
        if response.status_code in {200, 206}:
            self._pacing.served(origin)
        if response.status_code in {429, 503}:
            self._pacing.crowded(origin)
        if response.status_code == 429:
            seconds = retry_after(response.headers) or UNSAID_WAIT
            if seconds <= LONGEST_ASKED_WAIT:
                self._pacing.hold(origin, seconds)

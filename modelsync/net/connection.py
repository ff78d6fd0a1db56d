"""One connection, for one request at a time."""

import contextlib
import time
from typing import NamedTuple

import h11
import httpx2

from modelsync.net.channels import ByteChannel
from modelsync.net.deadline import Floor
from modelsync.net.dial import Route, Timeouts, proxy_authorization
from modelsync.net.http1 import (
    LONGEST_HEAD,
    BodyReader,
    CountedBody,
    FramedBody,
    body_length,
    keeps_alive,
)


class RawAnswer(NamedTuple):
    """The head of an answer, and its body on the wire."""

    head: h11.Response
    body: BodyReader


class Connection:
    """A channel that leads to a server, directly or through a proxy.

    Attributes:
        route: The way it goes.
        channel: Its bytes.
        idle_since: When it was last used, by `time.monotonic`.
    """

    def __init__(self, route: Route, channel: ByteChannel) -> None:
        self.route = route
        self.channel = channel
        self.idle_since = time.monotonic()
        self._reusable = False
        self._body: BodyReader | None = None

    @property
    def reusable(self) -> bool:
        """Whether the answer was read to its end, and both sides can go on."""
        return self._reusable and self._body is not None and self._body.complete

    def ask(self, request: httpx2.Request, timeouts: Timeouts, floor: Floor) -> RawAnswer:
        """Sends a request and reads the head of the answer, at the least speed of `floor`.

        Raises:
            OSError, httpx2.TransportError: no answer.
            CancelledError: the cancel event was set.
        """
        self._reusable, self._body = False, None
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * LONGEST_HEAD)
        # The server may have answered before it hung up.
        with contextlib.suppress(httpx2.WriteError):
            self._send(protocol, request, timeouts.get("write"))
        framed = FramedBody(protocol, self.channel, timeouts.get("read"))
        head = framed.head(floor)
        length = body_length(request.method, head)
        body: BodyReader = framed
        if length is not None:
            body = CountedBody(self.channel, timeouts.get("read"), length, protocol.trailing_data[0])
        self._reusable = keeps_alive(head) and protocol.our_state is h11.DONE
        self._body = body
        return RawAnswer(head, body)

    def _send(self, protocol: h11.Connection, request: httpx2.Request, timeout: float | None) -> None:
        target, headers = request.url.raw_path, request.headers.raw
        if self.route.forwarded and self.route.proxy is not None:
            target = f"{self.route.origin}".encode() + target
            headers = [*proxy_authorization(self.route.proxy), *headers]
        assert isinstance(request.stream, httpx2.SyncByteStream)
        try:
            ready = protocol.send(h11.Request(method=request.method, target=target, headers=headers)) or b""
            for piece in request.stream:
                if piece:
                    self.channel.write(ready, timeout)
                    ready = protocol.send(h11.Data(data=piece)) or b""
            end = protocol.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError:  # its words may hold a header's value
            raise httpx2.LocalProtocolError("a header is malformed, or the body has another length") from None
        self.channel.write(ready + end, timeout)

    def close(self) -> None:
        """Closes it, even while it is used."""
        self._reusable = False
        self.channel.close()

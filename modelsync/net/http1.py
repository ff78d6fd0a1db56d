"""HTTP/1.1 as it stands on a channel: what a request is written as, and bodies that are read into a caller's buffer.

h11 reads the head of an answer, and a body whose end has to be found (chunked, or up to the end of the connection). A
body of a known length is only counted: h11 would copy every byte of it three times.
"""

from typing import Protocol

import h11
import httpx2

from modelsync.net.channels import ByteChannel
from modelsync.net.deadline import Floor

LONGEST_HEAD = 100 * 1024  # bytes, the heads of interim answers (1xx) included
MOST_INTERIM = 16  # answers (1xx) before the final one
MOST_FIELDS = 256  # headers of one head
_HEAD = 16 * 1024  # bytes read at once while the head of an answer comes


class ExcessError(httpx2.RemoteProtocolError):
    """An answer has more heads, headers or bytes of them than any good server sends."""


class BodyReader(Protocol):
    """A body on its way."""

    timeout: float | None  # seconds that a read waits

    @property
    def complete(self) -> bool:
        """Whether it has been read to its end, and nothing behind it."""

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with what is there; gives how many, 0 at the end of the body."""


class CountedBody:
    """A body of a known length; `early` came together with the head."""

    def __init__(self, channel: ByteChannel, timeout: float | None, length: int, early: bytes) -> None:
        self._channel = channel
        self.timeout = timeout
        self._left = length
        self._early = memoryview(early)

    @property
    def complete(self) -> bool:
        """Whether it has been read to its end, and nothing behind it."""
        return not self._left and not self._early

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with what is there; gives how many, 0 at the end of the body."""
        room = min(len(buffer), self._left)
        if not room:
            return 0
        count = min(room, len(self._early))
        if count:
            buffer[:count] = self._early[:count]
            self._early = self._early[count:]
        else:
            count = self._channel.read_into(buffer[:room], self.timeout)
            if not count:
                raise httpx2.RemoteProtocolError(f"the connection ended {self._left} bytes before its answer")
        self._left -= count
        return count


class FramedBody:
    """An answer as h11 reads it: its head, and its body if that says itself where it ends."""

    def __init__(self, protocol: h11.Connection, channel: ByteChannel, timeout: float | None) -> None:
        self._protocol = protocol
        self._channel = channel
        self.timeout = timeout
        self._buffer = memoryview(bytearray(_HEAD))
        self._rest = memoryview(b"")
        self._over = False
        self._floor: Floor | None = None  # while the head is read
        self._came = 0

    @property
    def complete(self) -> bool:
        """Whether it has been read to its end, and nothing behind it."""
        return self._protocol.their_state is h11.DONE and not self._protocol.trailing_data[0]

    def head(self, floor: Floor) -> h11.Response:
        """Reads the head of the final answer, at the least speed of `floor`.

        Raises:
            ExcessError: it does not come to an end.
            httpx2.RemoteProtocolError: it is none.
            httpx2.ReadTimeout, httpx2.ReadError: it did not come, or too slowly.
            CancelledError: the cancel event was set.
        """
        self._channel.hold_to(floor)
        self._floor = floor
        interim = 0
        while not isinstance(event := self._next(), h11.Response):
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                raise httpx2.RemoteProtocolError("it answered with something other than a response")
            interim += 1
            if interim > MOST_INTERIM:
                raise ExcessError(f"it sent {interim} interim answers, and no other")
        if len(event.headers) > MOST_FIELDS:
            raise ExcessError(f"its answer has more than {MOST_FIELDS} headers")
        floor.pause()
        self._channel.hold_to(None)
        self._floor = None
        return event

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with what is there; gives how many, 0 at the end of the body."""
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
                if self._floor is not None and self._came > LONGEST_HEAD:
                    raise ExcessError(f"the head of its answer is longer than {LONGEST_HEAD} bytes")
                count = self._channel.read_into(self._buffer, self.timeout)
                if not count and self._protocol.their_state is h11.SEND_RESPONSE:
                    raise httpx2.RemoteProtocolError("it hung up without an answer")
                if self._floor is not None:
                    self._floor.count(count)
                    self._came += count
                self._protocol.receive_data(bytes(self._buffer[:count]))
        except h11.RemoteProtocolError as error:
            raise httpx2.RemoteProtocolError(str(error)) from error
        return event


def body_length(method: str, head: h11.Response) -> int | None:
    """How many bytes the body has; None where it says so itself. h11 has made sure that the headers agree."""
    if method == "HEAD" or head.status_code in (204, 304):
        return 0
    headers = dict(head.headers)
    if b"transfer-encoding" in headers or b"content-length" not in headers:
        return None
    return int(headers[b"content-length"])


def keeps_alive(head: h11.Response) -> bool:
    """Whether the connection may be used again after this answer."""
    tokens = [
        token.strip().lower()
        for name, value in head.headers
        if name == b"connection"
        for token in value.split(b",")
    ]
    return head.http_version == b"1.1" and b"close" not in tokens

"""The bytes of one answer, with what the server said of them."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import NetworkError
from modelsync.net.origin import Origin
from modelsync.net.server_text import server_text

if TYPE_CHECKING:
    from modelsync.net.deadline import Floor
    from modelsync.net.exchange import FinalAnswer

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_PIECE = 64 * 1024  # bytes
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)


class Span(NamedTuple):
    """Which bytes of a file an answer holds: from `start` up to `end`, of `total`; None where it does not say."""

    start: int
    end: int | None
    total: int | None

    @property
    def length(self) -> int | None:
        """Their number."""
        return None if self.end is None else self.end - self.start


def content_length(headers: Mapping[str, str]) -> int | None:
    """The length of the body in bytes, where the headers say it and no `Transfer-Encoding` overrides it."""
    text = headers.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) and "transfer-encoding" not in headers else None


def span_of(
    status: int,
    headers: Mapping[str, str],
    start: int,
    end: int | None,
    server: str,
    *,
    unlabelled: bool = False,
) -> Span:
    """Which bytes came in answer to a request for those from `start` up to `end` (None: to the last).

    A server may answer with the whole file (200), or with fewer bytes than requested, if it says so.

    Args:
        status: 200 or 206.
        headers: The answer's, case of names does not count.
        start: Of the request.
        end: Of the request.
        server: Its name, for messages.
        unlabelled: Whether a part is taken that does not say which bytes it is, if its length is right.

    Raises:
        NetworkError: the answer contradicts the request, or itself.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise NetworkError(
            f"{server} sent the file encoded ({server_text(encoding)}), which was not asked for"
        )
    length = content_length(headers)
    if status == 200:
        return Span(0, length, length)
    said = headers.get("content-range", "")
    if unlabelled and not said and end is not None and length == end - start:
        return Span(start, end, None)
    parsed = _CONTENT_RANGE.fullmatch(said.strip())
    if parsed is None or (start == 0 and end is None):
        what = f"a part of the file that was not asked for ({server_text(said)})"
        raise NetworkError(
            f"{server} answered with {what if said else 'a part of the file, and does not say which'}"
        )
    first, after = int(parsed[1]), int(parsed[2]) + 1
    total = None if parsed[3] == "*" else int(parsed[3])
    asked = f"{start}-{'' if end is None else end - 1}"
    if first != start or after <= first or (end is not None and after > end):
        raise NetworkError(f"{server} was asked for the bytes {asked} and answered with {server_text(said)}")
    if (total is not None and after > total) or (length is not None and length != after - first):
        raise NetworkError(f"{server} contradicts itself: {length} bytes as {server_text(said)}")
    return Span(first, after, total)


class Body:
    """A response whose bytes are still on the wire.

    Attributes:
        status: 200, or 206 when the server honoured the range.
        headers: The answer's headers, case of names does not count.
        start: The offset in the file of the first byte of the body; 0 for a 200.
        end: The offset after the last one, or None when the server did not say.
        total: The size of the whole file, or None when the server did not say.
        url: The address that gave the answer, after redirects. It may be signed: never print it.
        redirected: Whether another origin than the one asked first gave it.
        origin: The origin that gave it.
        asked: Each address on the way to it. They may be signed.
    """

    __slots__ = (
        "_answer",
        "_at",
        "_reader",
        "asked",
        "end",
        "headers",
        "origin",
        "redirected",
        "start",
        "status",
        "total",
        "url",
    )

    def __init__(self, answer: "FinalAnswer", span: Span) -> None:
        self._answer = answer
        self._reader = answer.body
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self.start, self.end, self.total = span
        self._at = self.start
        self.url: str = answer.url
        self.asked: tuple[str, ...] = answer.asked
        self.redirected: bool = answer.redirected
        self.origin: Origin = answer.origin

    def __repr__(self) -> str:
        return f"<Body {self.status} of {self.origin}, bytes {self.start}-{self.end} of {self.total}>"

    @property
    def waited(self) -> float:
        """Seconds that its connection has waited for bytes, in this answer and earlier ones."""
        return float(getattr(self._reader, "waited", 0.0))

    def hold_to(self, floor: "Floor") -> None:
        """Sets the least speed of the reads from now on."""
        self._answer.hold_to(floor)

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with those that are there.

        Returns:
            How many; 0 once the body has come to its end, and that is where it was promised.

        Raises:
            NetworkError: the connection broke, nothing came for the client's timeout, or the body is shorter
                or longer than promised.
            CancelledError: the client's cancel event was set.
        """
        count = self._reader.read_into(buffer)
        self._at += count
        if self.end is not None and self._at > self.end:
            raise NetworkError(
                f"{self.origin} sent more than the bytes {self.start}-{self.end - 1} that it promised"
            )
        if not count and self.end is not None and self._at < self.end:
            raise NetworkError(
                f"{self.origin} broke off {self.end - self._at} bytes before the end that it promised"
            )
        return count

    def chunks(self) -> Iterator[bytes]:
        """Gives the bytes in order, as they come, in pieces of up to 64 KiB; once. Errors as with `read_into`."""
        buffer = memoryview(bytearray(_PIECE))
        while count := self.read_into(buffer):
            yield bytes(buffer[:count])

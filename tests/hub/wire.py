"""The values that pass between the hub's parts: a request, an answer, how it goes out, what was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote

Where = Literal["hub", "cdn", "plain"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came.

    Attributes:
        method: Upper case.
        target: The request target as sent: path and query, still percent-encoded.
        headers: Names in lower case; the last of several wins.
        body: Of a POST.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def raw_path(self) -> str:
        """The path, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        """The query's keys and values, decoded; the last of several wins."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def token(self) -> str | None:
        """The bearer token, if one came."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class BytesBody:
    """A body in memory."""

    data: memoryview

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def read(self) -> bytes:
        """The bytes."""
        return bytes(self.data)


@dataclass(frozen=True, slots=True)
class FileBody:
    """`size` bytes of a file from `start` on; sent with `sendfile` where the system has it."""

    path: Path
    start: int
    size: int

    def read(self) -> bytes:
        """The bytes."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.size)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer goes out; the defaults are: at once, whole, and the connection stays.

    Attributes:
        delay: Seconds before the first byte of the answer.
        stop: Send only so many bytes of the body, then do `then`.
        then: `close` the connection, `reset` it (RST), or stay `silent` for `silence` seconds and close.
        silence: Seconds.
        rate: Bytes of the body a second; None: as fast as it goes.
        chunked: Send the body in chunks and without a length.
        drop: Close without any answer.
    """

    delay: float = 0.0
    stop: int | None = None
    then: Literal["close", "reset", "silent"] = "close"
    silence: float = 0.0
    rate: float | None = None
    chunked: bool = False
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        status: The code.
        headers: Names as they are to be sent. `Content-Length` is added when it is not here.
        body: What is sent (nothing of it for a HEAD).
        span: Which bytes of the file the body holds, for those who alter it on the way.
        delivery: How it is sent.
        file: The file that this is about, for `Seen.file`.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: BytesBody | FileBody = BytesBody(memoryview(b""))
    span: tuple[int, int] | None = None
    delivery: Delivery = Delivery()
    file: str = ""

    def with_headers(self, **more: str) -> "Reply":
        """The same with some headers (`X_Name="value"`) more, or other."""
        return replace(self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in more.items()}})


def text(status: int, words: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer with a short text."""
    return Reply(
        status,
        {"Content-Type": "text/plain; charset=utf-8", **(headers or {})},
        BytesBody(memoryview(words.encode())),
    )


@dataclass(slots=True)
class Seen:
    """One request that a server got, and what became of it.

    Attributes:
        server: Which of the three.
        method: Upper case.
        path: Decoded.
        query: Decoded.
        headers: Names in lower case.
        status: Of the answer.
        range: The `Range` header.
        length: How long the answer's body was meant to be, bytes.
        sent: Bytes of the body handed to the socket; less than `length` if the client or a fault cut it.
        connection: A number that requests on one connection share.
        file: `user/model/path` where a file of a repo was meant, else the path.
    """

    server: Where
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int
    range: str | None
    length: int
    sent: int
    connection: int
    file: str

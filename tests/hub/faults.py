"""Ways in which a server goes wrong. Each is a small value; `Hub.misbehave` says where and how often.

A fault may answer *instead* of the server, change the request *before* it is answered, *edit* the file that
is served, or change the answer *after* it was made: its headers, its body, how it goes out.
"""

import gzip
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from .content import Content, File, content, http_date
from .wire import BytesBody, Reply, Request, text


class Fault:
    """The base of all faults: changes nothing."""

    def instead(self, request: Request) -> Reply | None:
        """An answer of its own, or None."""
        return None

    def before(self, request: Request) -> Request:
        """The request as the server is to understand it."""
        return request

    def edit(self, file: File) -> File:
        """The file as it is to be served."""
        return file

    def after(self, request: Request, reply: Reply) -> Reply:
        """The answer as it is to be sent."""
        return reply


# --- the connection ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut(Fault):
    """The connection ends after `at` bytes of this answer's body, in order or with a TCP reset."""

    at: int
    reset: bool = False

    def after(self, request: Request, reply: Reply) -> Reply:
        then: Literal["reset", "close"] = "reset" if self.reset else "close"
        return replace(reply, delivery=replace(reply.delivery, stop=self.at, then=then))


@dataclass(frozen=True)
class Stall(Fault):
    """Nothing more comes after `at` bytes of this answer's body, for `seconds`; then the connection ends."""

    at: int
    seconds: float = 3600.0

    def after(self, request: Request, reply: Reply) -> Reply:
        delivery = replace(reply.delivery, stop=self.at, then="silent", silence=self.seconds)
        return replace(reply, delivery=delivery)


@dataclass(frozen=True)
class Drop(Fault):
    """The connection is reset before a byte of the answer."""

    def after(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, delivery=replace(reply.delivery, drop=True))


@dataclass(frozen=True)
class Delay(Fault):
    """The answer begins only after some seconds."""

    seconds: float

    def after(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, delivery=replace(reply.delivery, delay=self.seconds))


@dataclass(frozen=True)
class Slow(Fault):
    """This answer's body comes at so many bytes a second."""

    rate: float

    def after(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, delivery=replace(reply.delivery, rate=self.rate))


# --- the status --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Status(Fault):
    """Some status instead of the answer: `Status(503)`, `Status(503, {"Retry-After": "1"})`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    words: str = "something is wrong here"

    def instead(self, request: Request) -> Reply | None:
        return text(self.status, self.words, self.headers)


@dataclass(frozen=True)
class TooMany(Fault):
    """429: come again in `seconds`; said by `RateLimit`, or by `Retry-After` in seconds or as a date."""

    seconds: int = 1
    said: Literal["ratelimit", "seconds", "date", "nowhere"] = "ratelimit"

    def instead(self, request: Request) -> Reply | None:
        headers = {
            "ratelimit": {"RateLimit": f'"api";r=0;t={self.seconds}'},
            "seconds": {"Retry-After": str(self.seconds)},
            "date": {"Retry-After": http_date(time.time() + self.seconds)},
            "nowhere": {},
        }[self.said]
        return text(429, "We had to rate limit you.", headers)


@dataclass(frozen=True)
class Redirect(Fault):
    """A redirect to anywhere; `to` None: to the same URL again, for ever when the fault is."""

    to: str | None = None
    status: int = 302

    def instead(self, request: Request) -> Reply | None:
        there = self.to if self.to is not None else request.target
        return text(self.status, f"Found. Redirecting to {there}", {"Location": there})


# --- what is served ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replaced(Fault):
    """Other bytes than those that were committed. `etag` None: the ETag of the old ones is kept."""

    data: bytes | Path
    etag: str | None = '"another"'

    @cached_property
    def _what(self) -> Content:
        return content(self.data)

    def edit(self, file: File) -> File:
        return replace(file, what=self._what, etag=file.etag if self.etag is None else self.etag)


@dataclass(frozen=True)
class Tagged(Fault):
    """The same bytes under another ETag (with its quotes), or under none."""

    etag: str | None

    def edit(self, file: File) -> File:
        return replace(file, etag=self.etag)


@dataclass(frozen=True)
class Longer(Fault):
    """A file that has `by` bytes more than was promised, and says so in its lengths."""

    by: int = 1

    def edit(self, file: File) -> File:
        return replace(file, what=_resized(file.what, file.what.size + self.by))


@dataclass(frozen=True)
class Shorter(Fault):
    """A file that has `by` bytes fewer than was promised, and says so in its lengths."""

    by: int = 1

    def edit(self, file: File) -> File:
        return replace(file, what=_resized(file.what, max(0, file.what.size - self.by)))


@dataclass(frozen=True)
class Corrupt(Fault):
    """Bytes `at` to `at + count` of the file are other ones, wherever a range begins."""

    at: int = 0
    count: int = 1

    def edit(self, file: File) -> File:
        data = bytearray(_bytes(file.what))
        for index in range(self.at, min(self.at + self.count, len(data))):
            data[index] ^= 0xFF
        return replace(file, what=replace(file.what, data=bytes(data)))


# --- how it is said ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """200 and the whole file where a range was asked."""

    def before(self, request: Request) -> Request:
        return replace(request, headers={k: v for k, v in request.headers.items() if k != "range"})


@dataclass(frozen=True)
class WrongRange(Fault):
    """A 206 whose `Content-Range` names a start shifted by `shift` and, if given, another total."""

    shift: int = 1
    total: int | Literal["*"] | None = None

    def after(self, request: Request, reply: Reply) -> Reply:
        if reply.status != 206 or reply.span is None:
            return reply
        start, end = reply.span
        real = reply.headers["Content-Range"].rpartition("/")[2]
        total = real if self.total is None else self.total
        return reply.with_headers(Content_Range=f"bytes {start + self.shift}-{end - 1 + self.shift}/{total}")


@dataclass(frozen=True)
class OtherRange(Fault):
    """A 206 with other bytes than were asked for, shifted by `shift`, and a `Content-Range` that says so."""

    shift: int = 1

    def before(self, request: Request) -> Request:
        unit, _, spec = request.headers.get("range", "").partition("=")
        first, _, last = spec.partition("-")
        if not first.isdecimal():
            return request
        moved = f"{unit}={int(first) + self.shift}-{int(last) + self.shift if last else ''}"
        return replace(request, headers={**request.headers, "range": moved})


@dataclass(frozen=True)
class Gzipped(Fault):
    """A `Content-Encoding: gzip` that nobody asked for."""

    def after(self, request: Request, reply: Reply) -> Reply:
        packed = BytesBody(memoryview(gzip.compress(reply.body.read())))
        return replace(reply.with_headers(Content_Encoding="gzip"), body=packed)


@dataclass(frozen=True)
class Chunked(Fault):
    """No `Content-Length`: the body comes in chunks, and only its end tells its size."""

    def after(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, delivery=replace(reply.delivery, chunked=True))


@dataclass(frozen=True)
class Headers(Fault):
    """Headers changed, or left out (None): `Headers({"X-Linked-Etag": None})`."""

    changes: Mapping[str, str | None]

    def after(self, request: Request, reply: Reply) -> Reply:
        changed = {name.lower(): value for name, value in self.changes.items()}
        kept = {name: value for name, value in reply.headers.items() if name.lower() not in changed}
        new = {name: value for name, value in self.changes.items() if value is not None}
        return replace(reply, headers={**kept, **new})


def _bytes(what: Content) -> bytes:
    return what.data.read_bytes() if isinstance(what.data, Path) else what.data


def _resized(what: Content, size: int) -> Content:
    data = _bytes(what)[:size]
    return replace(what, data=data + bytes(size - len(data)), size=size)

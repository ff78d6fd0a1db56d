"""What is served: bytes with their digests, whole or by ranges.

Range rules are those of RFC 9110, 14: one range of `bytes=`, a suffix, an open end; several ranges at
once are answered with the whole (which a server may do); a range past the end is 416.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from .wire import BytesBody, FileBody, Reply, Request

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one file, in memory or on disk, and what a hub says of them.

    Attributes:
        data: The bytes, or a file that must not change while it is served.
        size: Bytes.
        sha256: Of the bytes; 64 hex digits.
        git: The git blob id of the bytes themselves (sha1, as git makes it).
    """

    data: bytes | Path
    size: int
    sha256: str
    git: str

    @property
    def pointer(self) -> bytes:
        """The Git LFS pointer file that stands for these bytes in a repo."""
        version = "https://git-lfs.github.com/spec/v1"
        return f"version {version}\noid sha256:{self.sha256}\nsize {self.size}\n".encode()

    def slice(self, start: int, end: int) -> "BytesBody | FileBody":
        """The bytes from `start` up to, not including, `end`."""
        if isinstance(self.data, Path):
            return FileBody(self.data, start, end - start)
        return BytesBody(memoryview(self.data)[start:end])


def content(data: bytes | Path) -> Content:
    """Read and digest `data` once."""
    if isinstance(data, bytes):
        return _digested(data)
    size = data.stat().st_size
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with data.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            sha1.update(chunk)
    return Content(data, size, sha256.hexdigest(), sha1.hexdigest())


@lru_cache(maxsize=8)
def _digested(data: bytes) -> Content:
    """Digests bytes once, however many hubs and answers have them."""
    return Content(data, len(data), hashlib.sha256(data).hexdigest(), git_blob(data))


def git_blob(data: bytes) -> str:
    """The git object id of a blob with these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class File:
    """A file as one server offers it.

    Attributes:
        what: The bytes.
        etag: With its quotes and `W/`, or None for a server that sends none.
        modified: Last modification, seconds since the epoch; None for no `Last-Modified`.
        ranges: Whether this server knows ranges at all.
    """

    what: Content
    etag: str | None
    modified: float | None = None
    ranges: bool = True


def serve(request: Request, file: File, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer a GET or HEAD for a file as a file server does, with some headers more."""
    what, etag = file.what, file.etag
    said = dict(headers or {})
    said.setdefault("Content-Type", "application/octet-stream")
    date = http_date(file.modified) if file.modified is not None else None
    if etag is not None:
        said["ETag"] = etag
    if date is not None:
        said["Last-Modified"] = date
    said["Accept-Ranges"] = "bytes" if file.ranges else "none"
    if etag is not None and matches(request.headers.get("if-none-match"), etag):
        return Reply(304, said)
    wanted = (
        asked_range(request.headers.get("range"), what.size)
        if file.ranges and request.method == "GET"
        else "whole"
    )
    condition = request.headers.get("if-range")
    # RFC 9110, 13.1.5: If-Range compares strongly, a weak tag never matches
    if condition is not None and condition != date and (condition != etag or condition.startswith("W/")):
        wanted = "whole"
    if wanted == "whole":
        return Reply(200, said, what.slice(0, what.size), span=(0, what.size))
    if wanted == "nowhere":
        said["Content-Range"] = f"bytes */{what.size}"
        return Reply(416, said)
    start, end = wanted
    said["Content-Range"] = f"bytes {start}-{end - 1}/{what.size}"
    return Reply(206, said, what.slice(start, end), span=wanted)


def asked_range(header: str | None, size: int) -> tuple[int, int] | Literal["whole", "nowhere"]:
    """Read a `Range` header: a half-open range, the whole file, or a range that has no byte in it."""
    if header is None:
        return "whole"
    unit, _, spec = header.partition("=")
    first, dash, last = (part.strip() for part in spec.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or "," in spec or not (first + last).isdecimal():
        return "whole"
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return "whole"  # RFC 9110, 14.1.1: an invalid range is ignored
    return (start, end) if start < end else "nowhere"


def matches(header: str | None, etag: str) -> bool:
    """Whether an `If-None-Match` header names this ETag (weak comparison)."""
    if header is None:
        return False
    known = etag.removeprefix("W/")
    return any(tag.strip() == "*" or tag.strip().removeprefix("W/") == known for tag in header.split(","))


def http_date(seconds: float) -> str:
    """A time as HTTP writes it."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)

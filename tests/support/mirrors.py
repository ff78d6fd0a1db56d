"""Mirrors, well and ill behaved: static servers, and registries, that have files by their digests."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from modelsync.install.report import SyncReport
from tests.hub.wire import BytesBody, Delivery, Reply, Request, text
from tests.support.content import sha256
from tests.support.servers import answering

Odd = Callable[[Request, bytes], Reply]  # answers in place of the blob that was asked for


class WebMirror:
    """A running mirror.

    Attributes:
        url: What `--mirror` takes.
        asked: Method, digest and Range header of each request, in order.
        headers: Those of each request.
        paths: Of each request.
        blobs: By digest.
        odd: Answers in place of it, where that is set.
    """

    def __init__(self, blobs: Iterable[bytes], odd: Odd | None = None) -> None:
        self.blobs = {sha256(data): data for data in blobs}
        self.odd = odd
        self.asked: list[tuple[str, str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.url = ""
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Answers one request."""
        if request.path == "/v2/":
            return text(200, "{}")
        digest = request.path.rpartition("/")[2].removeprefix("sha256:")
        with self._lock:
            self.asked.append((request.method, digest, request.headers.get("range")))
            self.headers.append(dict(request.headers))
            self.paths.append(request.path)
        data = self.blobs.get(digest)
        if self.odd is not None:
            return self.odd(request, data or b"")
        if data is None:
            return text(404, "not found")
        return ranged(request, data)


def ranged(request: Request, data: bytes) -> Reply:
    """A blob, or the range of it that was asked for."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range") or "")
    if match is None:
        return Reply(200, body=body(data))
    start, end = int(match[1]), min(int(match[2] or len(data) - 1) + 1, len(data))
    if start >= len(data):
        return Reply(416, {"Content-Range": f"bytes */{len(data)}"})
    return Reply(206, {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}, body(data[start:end]))


def body(data: bytes) -> BytesBody:
    """Bytes as a server sends them."""
    return BytesBody(memoryview(data))


@contextlib.contextmanager
def web_mirror(blobs: Iterable[bytes] = (), odd: Odd | None = None) -> Iterator[WebMirror]:
    """A mirror on loopback."""
    mirror = WebMirror(blobs, odd)
    with answering(mirror.answer) as server:
        mirror.url = f"{server.url}/blobs/{{sha256}}"
        yield mirror


@contextlib.contextmanager
def registry_mirror(blobs: Iterable[bytes] = (), odd: Odd | None = None) -> Iterator[WebMirror]:
    """A registry on loopback that knows nothing but blobs; no answer names their digests."""
    mirror = WebMirror(blobs, odd)
    with answering(mirror.answer) as server:
        mirror.url = f"oci://{server.url.partition('://')[2]}/team/models"
        yield mirror


# What a place may answer that is not the file, whatever kind of place it is.
BAD_ANSWERS: dict[str, Odd] = {
    "wrong bytes": lambda request, data: ranged(request, data[:-1] + b"?"),
    "a truncated body": lambda request, data: replace(ranged(request, data), delivery=Delivery(stop=100)),
    "a login page": lambda _, __: Reply(
        200, {"Content-Type": "text/html"}, body(b"<!DOCTYPE html><p>Log in")
    ),
    "a drip": lambda request, data: replace(ranged(request, data), delivery=Delivery(rate=20.0)),
    "no answer": lambda _, __: replace(text(200, ""), delivery=Delivery(drop=True)),
}


def places_of(report: SyncReport) -> list[str | None]:
    """Where each file came from; None: its origin."""
    return [one.place for one in report.brought]

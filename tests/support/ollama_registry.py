"""A server that answers as registry.ollama.ai: no `/v2/`, manifests as plain text and by tag alone, blobs elsewhere."""

import contextlib
from collections.abc import Iterator

from tests.hub.wire import BytesBody, Reply, Request, text
from tests.support.artifacts import Stored
from tests.support.servers import answering

_SIGNED = "X-Amz-Signature"


class OllamaRegistry:
    """Models by name and tag.

    Attributes:
        host: `127.0.0.1:port`.
        asked: Method and target of each request to it.
        bytes_asked: The same of each request to where the blobs are.
    """

    def __init__(self) -> None:
        self.host = ""
        self.asked: list[tuple[str, str]] = []
        self.bytes_asked: list[tuple[str, str]] = []
        self._models: dict[tuple[str, str], Stored] = {}
        self._elsewhere = ""

    def put(self, name: str, tag: str, stored: Stored) -> str:
        """Puts a model there; returns its URI."""
        self._models[name, tag] = stored
        return f"oci://{self.host}/{name}:{tag}"

    @contextlib.contextmanager
    def running(self) -> Iterator["OllamaRegistry"]:
        """Runs both servers."""
        with answering(self._bytes) as there, answering(self._answer) as server:
            self._elsewhere = there.url
            self.host = server.url.partition("//")[2]
            yield self

    def _answer(self, request: Request) -> Reply:
        self.asked.append((request.method, request.target))
        name, _, rest = request.path.removeprefix("/v2/").partition("/manifests/")
        stored = self._models.get((name, rest))
        if stored is not None:
            return _reply(request, stored.data, "text/plain; charset=utf-8")
        _, _, digest = request.path.partition("/blobs/")
        if self._blob(digest) is not None:
            return text(307, "", {"Location": f"{self._elsewhere}/{digest}?{_SIGNED}=abc"})
        return text(404, "404 page not found")

    def _bytes(self, request: Request) -> Reply:
        self.bytes_asked.append((request.method, request.raw_path))
        assert "authorization" not in request.headers
        if request.method == "HEAD" or _SIGNED not in request.query:
            return text(403, "SignatureDoesNotMatch")
        data = self._blob(request.path[1:])
        assert data is not None
        return _reply(request, data, "application/octet-stream")

    def _blob(self, digest: str) -> bytes | None:
        found = (stored.blobs.get(digest) for stored in self._models.values())
        return next((data for data in found if data is not None), None)


def _reply(request: Request, data: bytes, media_type: str) -> Reply:
    headers = {"Content-Type": media_type}
    status, part = 200, data
    wanted = request.headers.get("range", "")
    if wanted.startswith("bytes="):
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
        status, part = 206, data[start : end + 1]
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Reply(status, headers, BytesBody(memoryview(part)))

"""Reads the short bodies of answers that are not wanted, or that an `httpx2.Auth` looks at."""

import time

import httpx2

from modelsync.errors import NetworkError
from modelsync.net.transport import BODY, ResponseBody

DRAINED = 64 * 1024  # bytes of a body that is not wanted, read so that the connection can be used again
DRAIN_SECONDS = 10.0


def finish(response: httpx2.Response, limit: int = DRAINED, seconds: float = DRAIN_SECONDS) -> bytes:
    """Reads a body of at most `limit` bytes for at most about `seconds`, and releases its connection.

    A flow does so with every answer before it yields another request: httpx2 would read it whole, however long it is.
    """
    data = bytearray()
    if not response.is_stream_consumed:
        buffer, until = memoryview(bytearray(DRAINED // 4)), time.monotonic() + seconds
        body: ResponseBody = response.extensions[BODY]
        try:
            while len(data) <= limit and time.monotonic() < until and (count := body.read_into(buffer)):
                data += buffer[:count]
        except NetworkError:  # what can be read of it is enough
            pass
        finally:
            body.close()
        response.headers.pop("content-encoding", None)
        response.stream = httpx2.ByteStream(b"")
    return bytes(data[:limit])

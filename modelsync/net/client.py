"""The one HTTP client: origins and credentials, redirects, retries, rate limits."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Literal, Self

from modelsync.net.answers import Head, JsonReply
from modelsync.net.body import Body
from modelsync.net.credentials import Credentials

JSON_LIMIT = 64 * 2**20


class Client:
    """Asks servers, from any number of threads.

    Args:
        credentials: What may be sent to whom; None: nothing to nobody.
        insecure_hosts: Hosts that may be asked over plain http besides loopback; they get no credentials.
        timeout: Seconds without a byte after which a connection is given up.
        cancel: Once set, every call and every read ends with CancelledError within about a second.
        max_connections: Requests at one time to one origin.
        user_agent: What the program calls itself; None: `modelsync/<version>`.
        on_wait: Told of the host and the seconds when a server's rate limit makes all requests to it wait.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        insecure_hosts: frozenset[str] = frozenset(),
        timeout: float = 10.0,
        cancel: threading.Event | None = None,
        max_connections: int = 16,
        user_agent: str | None = None,
        on_wait: Callable[[str, float], None] | None = None,
    ) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        raise NotImplementedError

    def get_json(
        self, url: str, *, limit: int = JSON_LIMIT, headers: Mapping[str, str] | None = None
    ) -> JsonReply:
        """Reads a JSON document of at most `limit` bytes; tries again where that may help.

        Raises:
            HttpStatusError: the last answer was an error.
            NetworkError: no answer, one that is too long, or one that is not JSON.
            RefusedError: the address, or one that it redirects to, is not safe to ask.
            CancelledError: the cancel event was set.
        """
        raise NotImplementedError

    def head(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        redirects: Literal["relative", "all"] = "relative",
    ) -> Head:
        """Asks for the headers alone; tries again where that may help.

        With `redirects="relative"` only redirects within the origin are followed, and one elsewhere is the
        answer, with `redirect_to` set: what a hub says of a file stands in its own answer, not in its CDN's.

        Raises:
            HttpStatusError: the last answer was an error (304 is none).
            NetworkError: no answer.
            RefusedError: the address, or one that it redirects to, is not safe to ask.
            CancelledError: the cancel event was set.
        """
        raise NotImplementedError

    def open(
        self,
        url: str,
        *,
        start: int = 0,
        end: int | None = None,
        if_range: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Body]:
        """Asks for the bytes from `start` up to `end` (not included), once: who reads them also retries.

        No range is asked for when `start` is 0 and `end` is None. All redirects are followed; `url` may be
        one that an earlier answer led to (`Body.url`). `if_range` is a strong validator, as the server wrote
        it, quotes included.

        Raises:
            HttpStatusError: the answer was an error, 416 included.
            NetworkError: no answer, or one that contradicts itself or the question.
            RefusedError: the address, or one that it redirects to, is not safe to ask.
            CancelledError: the cancel event was set.
        """
        raise NotImplementedError

"""Reads an HTTP URL as a source, remembering the signed URL that it redirects to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, HttpStatusError, ModelsyncError
from modelsync.transfer.rate_limit import RateLimit

if TYPE_CHECKING:
    from modelsync.net.body import Body
    from modelsync.net.client import Client


class RemoteSource:
    """A URL, and the signed URL on another host that it redirects to.

    One thread at a time requests the canonical URL; the others wait for its redirect, so that a signature that
    expires under many streams costs one request.

    Args:
        client: Returns the client when it is needed.
        url: The canonical URL.
        stopped: Whether the run was stopped; waits end then.
        limit: Limits the reading, or None.
        redirecting: For each known host, whether it redirects, so that a HEAD can find the target before the bytes
            are wanted. Shared by all sources of a run.
        unlabelled: As of `Client.open`; `responses.judge` then joins such bytes only where a digest decides.
    """

    max_streams = 2**16  # no limit of its own

    def __init__(
        self,
        client: Callable[[], "Client"],
        url: str,
        stopped: Callable[[], bool],
        limit: RateLimit | None = None,
        redirecting: dict[str, bool] | None = None,
        *,
        unlabelled: bool = False,
    ) -> None:
        self._client = client
        self._url = url
        self._stopped = stopped
        self.limit = limit
        self._changed = threading.Condition()
        self._asking = False
        self._located: str | None = None
        self._delivered = False  # whether bytes came from the located URL
        self._host = url.split("/", 3)[2]
        self._unlabelled = unlabelled
        self._redirecting = {} if redirecting is None else redirecting
        self._from_head = False  # whether a HEAD found the located URL, and no bytes have come from it yet

    def locate(self, *, likely: bool = False) -> None:
        """Finds the redirect's target with a HEAD before bytes are wanted, if the host is known to redirect.

        That halves the wait for a small file, and no stream waits meanwhile. Errors are ignored: the request for the
        bytes meets them again.

        Args:
            likely: Whether to do so for a host of which nothing is known yet.
        """
        if not self._redirecting.get(self._host, likely) or not self._take_turn():
            return
        found: str | None = None
        try:
            found = self._client().leads(self._url)
            self._redirecting.setdefault(self._host, found is not None)
        except ModelsyncError:
            self._redirecting.setdefault(self._host, False)  # it may not support HEAD
        finally:
            self._set_located(found)
            self._from_head = found is not None

    @contextmanager
    def open(self, start: int, end: int | None, if_range: str | None) -> Iterator["Body"]:
        """Requests bytes, from the signed URL while that works.

        Raises:
            HttpStatusError: an error status; `redirected` if it is not the canonical URL's own. When a signed URL that
                has worked expires, a new one is requested instead.
            NetworkError: no response, or an invalid one.
            CancelledError: the run was stopped.
        """
        with ExitStack() as stack:
            yield self._opened(stack, start, end, if_range)

    @property
    def is_origin(self) -> bool:
        """Whether the canonical URL itself answers."""
        return self._located == self._url

    def delivered(self) -> None:
        """Notes that bytes came from the located URL."""
        self._delivered, self._from_head = True, False

    def _opened(self, stack: ExitStack, start: int, end: int | None, if_range: str | None) -> "Body":
        while True:
            located = self._wait_for_location()
            try:
                if located is None:
                    return self._request_canonical(stack, start, end, if_range)
                return self._request(stack, located, start, end, if_range)
            except HttpStatusError as error:
                if located in (None, self._url):
                    raise
                error.redirected = True
                if not error.stale or not self._forget(located):
                    raise

    def _wait_for_location(self) -> str | None:
        """The located URL; None: this thread has to request the canonical URL."""
        with self._changed:
            while self._located is None and self._asking:
                if self._stopped():
                    raise CancelledError("interrupted")
                self._changed.wait(0.2)
            self._asking = self._located is None
            return self._located

    def _take_turn(self) -> bool:
        """Whether this thread has to request the canonical URL; the others wait then."""
        with self._changed:
            if self._asking or self._located is not None:
                return False
            self._asking = True
            return True

    def _set_located(self, found: str | None) -> None:
        with self._changed:
            self._located, self._delivered, self._asking = found, False, False
            self._changed.notify_all()

    def _request_canonical(
        self, stack: ExitStack, start: int, end: int | None, if_range: str | None
    ) -> "Body":
        found: str | None = None
        try:
            body = self._request(stack, self._url, start, end, if_range)
            found = body.url if body.redirected else self._url
            if body.redirected:
                self._redirecting.setdefault(self._host, True)
            return body
        finally:
            self._set_located(found)

    def _request(
        self, stack: ExitStack, url: str, start: int, end: int | None, if_range: str | None
    ) -> "Body":
        opened = self._client().open(
            url, start=start, end=end, if_range=if_range, unlabelled=self._unlabelled
        )
        return stack.enter_context(opened)

    def _forget(self, located: str) -> bool:
        """Forgets a located URL; returns whether to try again at once, because it had worked or was replaced."""
        with self._changed:
            if self._located != located:
                return True
            self._located = None
            if self._from_head:  # a URL that was signed for a HEAD may be valid for HEAD alone
                self._from_head = self._redirecting[self._host] = False
                return True
            return self._delivered

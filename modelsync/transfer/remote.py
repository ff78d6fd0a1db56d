"""An `https:` segment: where its canonical URL led is remembered, and asked for again when that runs out."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, HttpStatusError, ModelsyncError
from modelsync.transfer.rate_limit import Limit

if TYPE_CHECKING:
    from modelsync.net.body import Body
    from modelsync.net.client import Client

STALE = frozenset({401, 403, 404, 410})  # what a signed URL answers when its hour is over


class RemoteSource:
    """A URL, and the signed URL on another host that it redirects to for a while.

    One thread at a time asks the canonical URL; the others wait for where it leads, so that a signature that
    runs out under many streams costs one request.

    Args:
        client: Gives the client when it is needed.
        url: The canonical URL.
        stopped: Whether the work is over; waits end then.
        limit: Holds back the reading, or None.
        leading: Of each host of which that is known, whether it leads elsewhere and may be asked beforehand; shared by
            all sources of a run.
    """

    widest = 2**16  # as many as there are

    def __init__(
        self,
        client: Callable[[], "Client"],
        url: str,
        stopped: Callable[[], bool],
        limit: Limit | None = None,
        leading: dict[str, bool] | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._stopped = stopped
        self.limit = limit
        self._turn = threading.Condition()
        self._asking = False
        self._located: str | None = None
        self._fruitful = False  # whether bytes came from where it is located now
        self._host = url.split("/", 3)[2]
        self._leading = {} if leading is None else leading
        self._beforehand = False  # whether it was located so, and nothing has come from there yet

    def locate(self, *, likely: bool = False) -> None:
        """Asks where it leads before any bytes are wanted, if its host's URLs lead elsewhere.

        That is half of the waiting for a small file, and no stream waits meanwhile. What goes wrong will be found
        out again.

        Args:
            likely: Whether it is asked where nothing is known of its host yet.
        """
        if not self._leading.get(self._host, likely) or not self._begin_to_ask():
            return
        found: str | None = None
        try:
            found = self._client().leads(self._url)
            self._leading.setdefault(self._host, found is not None)
        except ModelsyncError:
            self._leading.setdefault(self._host, False)  # it may not know the question
        finally:
            self._settle(found)
            self._beforehand = found is not None

    @contextmanager
    def open(self, start: int, end: int | None, if_range: str | None) -> Iterator["Body"]:
        """Asks for bytes, at the signed URL while that works.

        Raises:
            HttpStatusError: an error status; `redirected` if it is not the canonical URL's own. One of a signed
                URL that has worked never comes out: the canonical URL is asked for another instead.
            NetworkError: no answer, or one that makes no sense.
            CancelledError: the work is over.
        """
        with ExitStack() as stack:
            yield self._entered(stack, start, end, if_range)

    @property
    def is_origin(self) -> bool:
        """Whether the canonical URL itself answers."""
        return self._located == self._url

    def worked(self) -> None:
        """Bytes came from where it is located now."""
        self._fruitful, self._beforehand = True, False

    def _entered(self, stack: ExitStack, start: int, end: int | None, if_range: str | None) -> "Body":
        while True:
            located = self._where()
            try:
                if located is None:
                    return self._ask(stack, start, end, if_range)
                client = self._client()
                return stack.enter_context(client.open(located, start=start, end=end, if_range=if_range))
            except HttpStatusError as error:
                if located in (None, self._url) or error.status not in STALE:
                    raise
                if not self._leave(located):
                    error.redirected = True
                    raise

    def _where(self) -> str | None:
        """The located URL; None: this thread is to ask for it."""
        with self._turn:
            while self._located is None and self._asking:
                if self._stopped():
                    raise CancelledError("interrupted")
                self._turn.wait(0.2)
            self._asking = self._located is None
            return self._located

    def _begin_to_ask(self) -> bool:
        """Whether this thread is to ask; then nobody else does."""
        with self._turn:
            if self._asking or self._located is not None:
                return False
            self._asking = True
            return True

    def _settle(self, found: str | None) -> None:
        with self._turn:
            self._located, self._fruitful, self._asking = found, False, False
            self._turn.notify_all()

    def _ask(self, stack: ExitStack, start: int, end: int | None, if_range: str | None) -> "Body":
        found: str | None = None
        try:
            client = self._client()
            body = stack.enter_context(client.open(self._url, start=start, end=end, if_range=if_range))
            found = body.url if body.redirected else self._url
            if body.redirected:
                self._leading.setdefault(self._host, True)
            return body
        finally:
            self._settle(found)

    def _leave(self, located: str) -> bool:
        """Forgets a located URL; says whether asking anew at once is right, because it had worked or is gone."""
        with self._turn:
            if self._located != located:
                return True
            self._located = None
            if self._beforehand:  # an address that was given to a HEAD may be good for that alone
                self._beforehand = self._leading[self._host] = False
                return True
            return self._fruitful

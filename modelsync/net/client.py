"""The one HTTP client: origins and credentials, redirects, retries, rate limits."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import BinaryIO, Literal, Self, TypeVar

import httpx2

from modelsync.errors import CancelledError, NetworkError
from modelsync.net.answers import Document, Head, JsonReply
from modelsync.net.body import Body, span_of
from modelsync.net.credentials import Credentials
from modelsync.net.documents import JSON_LIMIT, read_document, read_json
from modelsync.net.exchange import Exchange, FinalAnswer
from modelsync.net.origin import of
from modelsync.net.refusals import refusal
from modelsync.net.registries import Registries
from modelsync.net.retry import Backoff, retryable
from modelsync.net.server_text import repeats_query
from modelsync.net.tokens import LoginFinder
from modelsync.net.trace import Tracer
from modelsync.net.transport import Transport
from modelsync.net.upload import UploadBody
from modelsync.version import __version__

T = TypeVar("T")


class Client:
    """Sends requests, from any number of threads.

    Args:
        credentials: Headers by origin; None: none are sent.
        insecure_hosts: Hosts that may be asked over plain http besides loopback; they get no credentials.
        timeout: Seconds without a byte after which a connection is given up; a pair: for metadata, and for the bytes of
            files. A server that says nothing at all in that time is waited for longer by the next try.
        cancel: Once set, every call and every read ends with CancelledError within about a second.
        max_connections: Requests at one time to one origin.
        transport: Sends the requests in place of connections of ours; as of `net.transport.Transport`, `instead`.
        auth: An `httpx2.Auth` by origin, for hosts that sign requests.
        tracer: Is told of each request, why one is made again, and of waits for a rate limit; None: nothing is.
        logins: Where the logins of container registries come from; None: they are asked without.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        insecure_hosts: frozenset[str] = frozenset(),
        timeout: float | tuple[float, float] = 10.0,
        cancel: threading.Event | None = None,
        max_connections: int = 16,
        transport: httpx2.BaseTransport | None = None,
        auth: Mapping[str, httpx2.Auth] | None = None,
        logins: LoginFinder | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self._cancel = cancel or threading.Event()
        self._insecure_hosts = insecure_hosts
        self._credentials = credentials or Credentials()
        self._registries = Registries(self.leads, insecure_hosts)
        timeout, body_timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        sends = Transport(
            insecure_hosts=insecure_hosts,
            timeout=timeout,
            cancel=self._cancel,
            max_connections=max_connections,
            on_wait=tracer.waits if tracer is not None else None,
            tracer=tracer,
            instead=transport,
        )
        self._patience = sends.patience
        self._exchange = Exchange(
            sends,
            credentials=self._credentials,
            insecure_hosts=insecure_hosts,
            timeout=timeout,
            body_timeout=body_timeout,
            user_agent=f"modelsync/{__version__}",
            signers=auth,
            logins=logins,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def credentials(self) -> Credentials:
        """Headers by origin."""
        return self._credentials

    @property
    def insecure_hosts(self) -> frozenset[str]:
        """Hosts, or `host:port`, that may be asked over plain http besides loopback."""
        return self._insecure_hosts

    def repeats_secret(self, text: str, answer: Head | Body) -> bool:
        """Whether a server's word repeats a known secret, or part of the query of an address that was asked for it.

        Such a word is not to be kept: a query may hold a signature.
        """
        return self._credentials.redact(text) != text or repeats_query(text, answer.asked)

    def repository_url(self, registry: str, name: str) -> str:
        """The address that those of a registry's blobs and manifests begin with.

        Raises:
            NetworkError: the registry of this machine, or of an insecure host, does not answer.
            UriError: it cannot be a registry.
        """
        return self._registries.repository_url(registry, name)

    def wait_longer(self, url: str) -> None:
        """Waits longer for the first byte of each answer of this address's origin: many machines may ask it at once."""
        self._patience.shared(of(url))

    def close(self) -> None:
        """Closes every connection."""
        self._exchange.close()

    def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        limit: int = JSON_LIMIT,
        headers: Mapping[str, str] | None = None,
    ) -> JsonReply:
        """Reads a JSON document of at most `limit` bytes; tries again where that may help.

        `params` are a query without a secret, which logs may show; one that `url` has is kept out of them.

        Raises:
            HttpStatusError: the last answer was an error.
            NetworkError: no answer, one that is too long or too slow, or one that is not JSON.
            RefusedError: the address, or one that it redirects to, is not safe to ask.
            CancelledError: the cancel event was set.
        """

        def ask() -> JsonReply:
            with self._exchange.ask("GET", url, params=params, headers=headers) as answer:
                self._check(answer)
                return JsonReply(read_json(answer, limit), answer.headers, answer.url)

        return self.tried(ask)

    def get(self, url: str, *, limit: int, headers: Mapping[str, str] | None = None) -> Document:
        """Reads a document of at most `limit` bytes; tries again where that may help. Errors as of `get_json`."""

        def ask() -> Document:
            with self._exchange.ask("GET", url, headers=headers) as answer:
                self._check(answer)
                span = span_of(answer.status, answer.headers, 0, None, str(answer.origin))
                return Document(bytes(read_document(Body(answer, span), limit)), answer.headers)

        return self.tried(ask)

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

        def ask() -> Head:
            elsewhere = redirects == "all"
            with self._exchange.ask("HEAD", url, headers=headers, elsewhere=elsewhere) as answer:
                if answer.status != 304 and answer.redirect_to is None:
                    self._check(answer)
                return answer.head()

        return self.tried(ask)

    def head_once(self, url: str) -> Head:
        """Asks for the headers of a file alone, in one attempt, no retry; a redirect elsewhere is the answer.

        The address may be that of a registry's blob in a lock.

        Raises:
            HttpStatusError: the answer was an error.
            NetworkError: no answer.
            RefusedError: the address, or one that it redirects to, is not safe to ask.
            CancelledError: the cancel event was set.
        """
        with self._exchange.ask("HEAD", self._http(url), elsewhere=False, bulk=True) as answer:
            if answer.redirect_to is None:
                self._check(answer)
            return answer.head()

    def leads(self, url: str) -> str | None:
        """The address on another origin that a file's address redirects to, or None; as `head_once`."""
        return self.head_once(url).redirect_to

    @contextlib.contextmanager
    def open(
        self,
        url: str,
        *,
        start: int = 0,
        end: int | None = None,
        if_range: str | None = None,
        headers: Mapping[str, str] | None = None,
        unlabelled: bool = False,
    ) -> Iterator[Body]:
        """Asks for the bytes from `start` up to `end` (not included), in one attempt, no retry.

        No range is asked for when `start` is 0 and `end` is None. All redirects are followed; `url` may be
        one that an earlier answer led to (`Body.url`), or that of a registry's blob in a lock. `if_range` is a strong
        validator, as the server wrote it, quotes included. `unlabelled` takes a part of the right length that does not
        say which bytes it is: only where a digest decides about them.

        Raises:
            HttpStatusError: the answer was an error, 416 included.
            NetworkError: no answer, or one that contradicts itself or the question.
            RefusedError: the address, or one that it redirects to, is not safe to ask.
            CancelledError: the cancel event was set.
        """
        range_headers: dict[str, str] = {}
        if start or end is not None:
            range_headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
            if if_range is not None:
                range_headers["If-Range"] = if_range
        with self._exchange.ask(
            "GET", self._http(url), headers=headers, range_headers=range_headers, bulk=True
        ) as answer:
            self._check(answer)
            server = str(answer.origin)
            yield Body(
                answer, span_of(answer.status, answer.headers, start, end, server, unlabelled=unlabelled)
            )

    def put(self, url: str, content: bytes | BinaryIO, *, headers: Mapping[str, str] | None = None) -> Head:
        """Stores bytes at an address; tries again where that may help.

        Args:
            url: Where. A redirect is not followed.
            content: The bytes, or a file that can be rewound: every try sends it from where it stands now.
            headers: More headers.

        Raises:
            HttpStatusError: the last answer was an error.
            NetworkError: no answer.
            RefusedError: the address is not safe to ask.
            CancelledError: the cancel event was set.
        """
        body = content if isinstance(content, bytes) else UploadBody(content)
        return self.tried(lambda: self.send("PUT", url, body, headers=headers))

    def send(
        self,
        method: str,
        url: str,
        content: bytes | UploadBody = b"",
        *,
        headers: Mapping[str, str] | None = None,
        after: Head | None = None,
    ) -> Head:
        """Sends bytes to an address, in one attempt but for a 401 that a login answers.

        Args:
            method: POST, PUT, …
            url: Where. A redirect is not followed.
            content: The bytes.
            headers: More headers.
            after: The answer that named this address, if one did: the address is held to the rules of redirects.

        Raises:
            HttpStatusError: the answer was an error.
            NetworkError: no answer.
            RefusedError: the address is not safe to ask.
            CancelledError: the cancel event was set.
        """
        with self._exchange.send(method, url, content, headers=headers, after=after) as answer:
            if not 200 <= answer.status < 300:
                self._check(answer)
            answer.drain()
            return answer.head()

    def _http(self, url: str) -> str:
        return self._registries.http_url(url)

    def _check(self, answer: FinalAnswer) -> None:
        """Raises HttpStatusError for an answer that is not 200 or 206."""
        if answer.status not in {200, 206}:
            raise refusal(answer, self._credentials, answer.drain())

    def tried(self, ask: Callable[[], T]) -> T:
        """Calls a function, again where that may help after the network error that it raised."""
        backoff = Backoff()
        while True:
            try:
                return ask()
            except NetworkError as error:
                wait = backoff.failed(getattr(error, "retry_after", None)) if retryable(error) else None
                if wait is None:
                    raise
                if self._tracer is not None:
                    self._tracer.retry(error, wait)
            self.wait(wait)

    def wait(self, seconds: float) -> None:
        """Waits, unless the cancel event is set.

        Raises:
            CancelledError: it was.
        """
        if self._cancel.wait(seconds):
            raise CancelledError("interrupted")

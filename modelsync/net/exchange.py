"""One question and its answer, over as many redirects as are allowed."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

import httpcore2

from modelsync.errors import UsageError
from modelsync.net.connection import BODY, BodyReader
from modelsync.net.credentials import Credentials
from modelsync.net.failures import TRANSPORT_ERRORS, explain
from modelsync.net.headers import header_fault, joined
from modelsync.net.host_limits import Pacing
from modelsync.net.origin import Origin, is_local, is_public, of, public_url, target
from modelsync.net.pools import Route, Routes
from modelsync.net.redirects import MAX_REDIRECTS, STATUSES, check_redirect, check_scheme, location
from modelsync.net.retry import FinalNetworkError
from modelsync.spec.names import printable

_DRAINED = 64 * 1024  # bytes of a body that nobody wants, read so that the connection can be used again


class Answer:
    """What a server answered; its body is still on the wire.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case; the values of several of one name are joined with commas.
        url: The address that gave it. It may be signed: never print it.
        origin: The origin that gave it.
        redirected: Whether that is another one than was asked first.
        redirect_to: The absolute address elsewhere that it points at, where that was not to be followed.
        public: Whether it came from the open Internet, as far as can be told.
    """

    def __init__(
        self, response: httpcore2.Response, url: str, first: Origin, route: Route, timeout: float
    ) -> None:
        self._stream = response.extensions.get("network_stream")
        self._body: BodyReader = response.extensions.get(BODY) or _Pieces(response)
        self._route = route
        self._timeout = timeout
        self.status = response.status
        self.headers = joined(response.headers)
        self.url = url
        self.origin = of(url)
        self.redirected = self.origin != first
        self.redirect_to: str | None = None
        self.public = _is_from_public(response, self.origin, route)

    @property
    def waited(self) -> float:
        """Seconds that its connection has waited for bytes so far; 0.0 where nobody knows."""
        return float(getattr(self._stream, "waited", 0.0))

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes of the body and fills `buffer` with those that are there; gives how many, 0 at its end.

        Raises:
            NetworkError: the connection broke, or nothing came for the timeout.
            CancelledError: the cancel event was set.
        """
        try:
            return self._body.read_into(buffer)
        except TRANSPORT_ERRORS as error:
            raise explain(error, self.origin, self._route.proxy, self._timeout) from None

    def drain(self) -> None:
        """Reads a short body to its end, and of a long one the beginning."""
        size, until = 0, time.monotonic() + self._timeout
        buffer = memoryview(bytearray(_DRAINED // 4))
        with contextlib.suppress(*TRANSPORT_ERRORS):
            while count := self._body.read_into(buffer):
                size += count
                if size > _DRAINED or time.monotonic() > until:
                    break


class _Pieces:
    """The body of an answer that came through a proxy: httpcore2 gives it in pieces."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._pieces = response.iter_stream()
        self._rest = memoryview(b"")

    def read_into(self, buffer: memoryview) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Exchange:
    """Asks and follows; thread-safe. What a `Client` is made of."""

    def __init__(
        self,
        *,
        credentials: Credentials,
        insecure_hosts: frozenset[str],
        timeout: float,
        cancel: threading.Event,
        max_connections: int,
        user_agent: str,
        on_wait: Callable[[str, float], None] | None,
    ) -> None:
        self._credentials = credentials
        self._insecure_hosts = insecure_hosts
        self._timeout = timeout
        self._user_agent = user_agent
        self._routes = Routes(cancel, max_idle=max_connections)
        self._from_public: set[Origin] = set()  # where public hosts redirected to: these must stay public
        self.pacing = Pacing(max_connections, cancel, on_wait)

    def close(self) -> None:
        """Closes every connection."""
        self._routes.close()

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        range_headers: Mapping[str, str] | None = None,
        elsewhere: bool = True,
    ) -> Iterator[Answer]:
        """Asks once, follows redirects, and gives the answer for the time of the `with`.

        Args:
            method: GET or HEAD.
            url: The first address.
            headers: Go to the first address's origin alone: there may be a secret in them.
            range_headers: Go along with every redirect.
            elsewhere: Whether redirects to another origin are followed; if not, they are answers.

        Raises:
            NetworkError, RefusedError, CancelledError, ConfigError, UriError: there is no answer.
        """
        first = check_scheme(url, self._insecure_hosts)
        here, from_public = url, False
        for _ in range(MAX_REDIRECTS + 1):
            own = headers if of(here) == first else None
            with self._once(
                method, here, first, {**(range_headers or {}), **(own or {})}, from_public
            ) as answer:
                if answer.status not in STATUSES or "location" not in answer.headers:
                    yield answer
                    return
                there = location(here, answer.headers["location"])
                from_public = from_public or answer.public
                origin = check_redirect(
                    here, there, from_public=from_public, insecure_hosts=self._insecure_hosts
                )
                if not elsewhere and origin != answer.origin:
                    answer.redirect_to = there
                    yield answer
                    return
                answer.drain()
            here = there
        raise FinalNetworkError(f"{public_url(url)} redirects more than {MAX_REDIRECTS} times")

    @contextlib.contextmanager
    def _once(
        self, method: str, url: str, first: Origin, headers: Mapping[str, str], from_public: bool
    ) -> Iterator[Answer]:
        origin = of(url)
        route = self._routes.route(origin, public_only=from_public or origin in self._from_public)
        request = httpcore2.Request(
            method,
            httpcore2.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target(url)),
            headers=self._headers(url, origin, headers),
            extensions={"timeout": dict.fromkeys(("connect", "read", "write"), self._timeout)},
        )
        with self.pacing.slot(origin):
            try:
                response = route.pool.handle_request(request)
            except TRANSPORT_ERRORS as error:
                raise explain(error, origin, route.proxy, self._timeout) from None
            try:
                if response.status == 407 and route.proxy and origin.scheme == "http":
                    refused = httpcore2.ProxyError("407 Proxy Authentication Required")
                    raise explain(refused, origin, route.proxy, self._timeout)
                if from_public:
                    self._from_public.add(origin)
                yield Answer(response, url, first, route, self._timeout)
            finally:
                response.close()

    def _headers(self, url: str, origin: Origin, more: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        ours = {
            "Host": origin.authority,
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        merged: dict[str, tuple[bytes, bytes]] = {}
        for name, value in chain(ours.items(), self._credentials.headers_for(url).items(), more.items()):
            fault = header_fault(name, value)
            if fault:
                raise UsageError(f"the header `{printable(name)}` for {origin} cannot be sent: {fault}")
            merged[name.lower()] = (name.encode("latin-1"), value.encode("latin-1"))
        return list(merged.values())


def _is_from_public(response: httpcore2.Response, origin: Origin, route: Route) -> bool:
    """Whether an answer came from the open Internet: by its peer's address, and through a proxy by the host's name."""
    if route.proxy:
        return not is_local(origin.host)
    peer = response.extensions["network_stream"].get_extra_info("server_addr")
    return is_public(str(peer[0]))

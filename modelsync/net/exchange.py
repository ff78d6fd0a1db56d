"""One request and its answer, over as many redirects as are allowed."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar

import httpx2

from modelsync.errors import UriError
from modelsync.net.answers import Head
from modelsync.net.auth import OriginAuth
from modelsync.net.credentials import Credentials
from modelsync.net.deadline import Floor
from modelsync.net.drain import finish
from modelsync.net.headers import check_header
from modelsync.net.origin import Origin, of, public_url
from modelsync.net.redirects import MAX_REDIRECTS, STATUSES, check_redirect, check_scheme, location
from modelsync.net.retry import FinalNetworkError
from modelsync.net.tokens import LIKE, LoginFinder, Tokens
from modelsync.net.transport import BODY, FLOOR, PUBLIC, PUBLIC_ONLY, Pieces, Reader, ResponseBody, Transport
from modelsync.net.upload import UploadBody

_TAIL = re.compile(r"[/?][^#]*")  # path and query
ANSWER_SECONDS = 300.0  # that a server may take for what it got: it may copy it to where it stays
STALL_SECONDS = 60.0  # that it may stop reading meanwhile


class _NoCookies(CookieJar):
    """Reads no cookie, so there is none to send."""

    def extract_cookies(self, *_: object) -> None:
        """Takes none."""


class FinalAnswer:
    """What a server answered in the end; its body is still on the wire.

    Attributes:
        status: The HTTP status.
        headers: Case of names does not count; the values of several of one name are joined with commas.
        url: The address that gave it. It may be signed: never print it.
        origin: The origin that gave it.
        redirected: Whether that is another one than was asked first.
        redirect_to: The absolute address elsewhere that it points at, where that was not to be followed.
        asked: Each address on the way to it, the last one too.
        public: Whether it came from the open Internet, as far as can be told.
    """

    def __init__(self, response: httpx2.Response, url: str, first: Origin) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        self.origin = of(url)
        self.redirected = self.origin != first
        self.redirect_to: str | None = None
        self.asked: tuple[str, ...] = (url,)
        self.public = bool(response.extensions[PUBLIC])

    @property
    def body(self) -> Reader:
        """The bytes; they can be read once."""
        if self._response.is_stream_consumed:  # an Auth wanted to see them
            return Pieces(iter([self._response.content]))
        body: Reader = self._response.extensions[BODY]
        return body

    def hold_to(self, floor: Floor) -> None:
        """Sets the least speed at which the body has to come."""
        body: ResponseBody = self._response.extensions[BODY]
        body.hold_to(floor)

    def drain(self) -> bytes:
        """Reads a short body to its end, and of a long one the beginning, and lets the connection go."""
        return finish(self._response)

    def head(self) -> Head:
        """All but the body."""
        return Head(self.status, self.headers, self.url, self.redirect_to, self.asked, self.public)


class Exchange:
    """Sends requests and follows redirects; thread-safe.

    Args:
        transport: Sends the requests. It is closed here.
        credentials: Headers by origin.
        insecure_hosts: Hosts that may be asked over plain http besides loopback.
        timeout: Seconds without a byte.
        body_timeout: The same for the bytes of files.
        user_agent: The `User-Agent` header.
        signers: As of `OriginAuth`.
        logins: As of `Tokens`.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        credentials: Credentials,
        insecure_hosts: frozenset[str],
        timeout: float,
        body_timeout: float,
        user_agent: str,
        signers: Mapping[str, httpx2.Auth] | None = None,
        logins: LoginFinder | None = None,
    ) -> None:
        defaults = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._insecure_hosts = insecure_hosts
        self._timeout = timeout
        self._body_timeout = body_timeout
        self._transport = transport
        self._auth = OriginAuth(
            credentials,
            signers,
            defaults={name.lower(): value for name, value in defaults.items()},
            tokens=Tokens(logins, credentials, user_agent),
        )
        self._http = httpx2.Client(
            transport=transport,
            auth=self._auth,
            headers=defaults,
            timeout=timeout,
            cookies=_NoCookies(),
            trust_env=False,
        )

    def close(self) -> None:
        """Closes every connection."""
        self._http.close()

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        range_headers: Mapping[str, str] | None = None,
        elsewhere: bool = True,
        bulk: bool = False,
    ) -> Iterator[FinalAnswer]:
        """Sends one request, follows redirects, and gives the final answer for the time of the `with`.

        Args:
            method: GET or HEAD.
            url: The first address.
            params: A query for it without a secret, which logs may show.
            headers: Go to the first address's origin alone: there may be a secret in them.
            range_headers: Go along with every redirect.
            elsewhere: Whether redirects to another origin are followed; if not, they are answers.
            bulk: Whether it is one of many for the bytes of files: these do not pass through `httpx2.Client`.

        Raises:
            NetworkError, RefusedError, CancelledError, ConfigError, UriError: there is no answer.
        """
        first = check_scheme(url, self._insecure_hosts)
        here, from_public, asked = url, False, [url]
        floor = Floor()
        for _ in range(MAX_REDIRECTS + 1):
            own = headers if of(here) == first else None
            request = self._request(
                method, here, {**(range_headers or {}), **(own or {})}, params=params if here == url else None
            )
            if bulk and method == "GET":
                request.extensions["timeout"] = httpx2.Timeout(self._body_timeout).as_dict()
            request.extensions[PUBLIC_ONLY] = from_public
            request.extensions[FLOOR] = floor
            request.extensions[LIKE] = url
            # httpx2.Client logs addresses: it gets none that may carry a signature.
            direct = bulk or here != url or "?" in url or self._auth.signs(first)
            with contextlib.closing(self._send(request, direct=direct)) as response:
                answer = FinalAnswer(response, here, first)
                answer.asked = tuple(asked)
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
            asked.append(there)
        raise FinalNetworkError(f"{public_url(url)} redirects more than {MAX_REDIRECTS} times")

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        url: str,
        content: bytes | UploadBody,
        *,
        headers: Mapping[str, str] | None = None,
        after: Head | None = None,
    ) -> Iterator[FinalAnswer]:
        """Sends bytes, once, and gives the answer for the time of the `with`; a redirect is an answer.

        Args:
            method: PUT, POST, …
            url: Where.
            content: What. Of a file the server's answer is waited for longer: it may have to move what it got.
            headers: More headers.
            after: The answer that named this address: that is held to the rules of redirects, and shares its token
                if it is of the same origin.

        Raises:
            NetworkError, RefusedError, CancelledError, ConfigError, UriError: there is no answer.
        """
        own = dict(headers or {})
        if isinstance(content, UploadBody):
            own["Content-Length"] = str(content.length)
        elif not content:
            own["Content-Length"] = "0"
        request = self._request(method, url, own, content=content)
        if isinstance(content, UploadBody):
            request.extensions["timeout"] = httpx2.Timeout(
                self._timeout,
                read=max(ANSWER_SECONDS, self._timeout),
                write=max(STALL_SECONDS, self._timeout),
            ).as_dict()
        if after is not None:
            check_redirect(after.url, url, from_public=after.public, insecure_hosts=self._insecure_hosts)
            request.extensions[PUBLIC_ONLY] = after.public and of(after.url) != of(url)
            request.extensions[LIKE] = after.url
        direct = "?" in url or self._auth.signs(of(url))
        with contextlib.closing(self._send(request, direct=direct)) as response:
            yield FinalAnswer(response, url, of(url))

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        params: Mapping[str, str] | None = None,
        content: UploadBody | bytes | None = None,
    ) -> httpx2.Request:
        origin = of(url)
        for name, value in headers.items():
            check_header(name, value, origin)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return self._http.build_request(method, request_url(url), params=params, headers=raw, content=content)

    def _send(self, request: httpx2.Request, *, direct: bool) -> httpx2.Response:
        """Sends a request with its credentials; the answer is to be closed."""
        if not direct:
            return self._http.send(request, stream=True)
        with contextlib.closing(self._auth.sync_auth_flow(request)) as flow:
            request = next(flow)
            while True:
                response = self._transport.handle_request(request)
                try:
                    request = flow.send(response)
                except StopIteration:
                    return response
                except BaseException:
                    response.close()
                    raise
                response.close()


def request_url(url: str) -> httpx2.URL:
    """The address as it is asked: the host as `origin.of` reads it, path and query quoted, no user, no fragment.

    Only one reading of the host may decide where a credential goes and where a connection leads.

    Raises:
        UriError: it is no http(s) address.
    """
    rest = _TAIL.search(url.partition("//")[2])
    try:
        return httpx2.URL(f"{of(url)}{rest[0] if rest else ''}")
    except httpx2.InvalidURL:
        raise UriError(f"`{public_url(url)}` is no address that can be asked") from None

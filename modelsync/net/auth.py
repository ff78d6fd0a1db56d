"""Credentials as httpx2 has them sent: each to its own origin, and a token where a server challenges for one."""

import re
import time
from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

import httpx2

from modelsync.errors import NetworkError, RefusedError, UriError, UsageError
from modelsync.net.credentials import Credentials
from modelsync.net.headers import check_header
from modelsync.net.origin import Origin, is_loopback, of
from modelsync.net.transport import BODY, ResponseBody
from modelsync.spec.names import printable

DRAINED = 64 * 1024  # bytes of a body that is not wanted, read so that the connection can be used again
DRAIN_SECONDS = 10.0

_SCHEME = re.compile(r"(?:^|,)\s*Bearer\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')
_Flow = Generator[httpx2.Request, httpx2.Response, None]


class BearerChallenge(NamedTuple):
    """What a server wants to see before it answers: `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`.

    Attributes:
        realm: The address that gives tokens; https, or on loopback.
        service: The server that the token is for, or None.
        scope: What it is for, or None.
    """

    realm: str
    service: str | None
    scope: str | None


# Asks the realm of a challenge from an origin for a token: yields requests, is sent their answers, returns the token.
TokenExchange = Callable[[Origin, BearerChallenge], Generator[httpx2.Request, httpx2.Response, str]]


def bearer_challenge(header: str) -> BearerChallenge | None:
    """Reads a `WWW-Authenticate` header; None where it has no challenge for a bearer token that can be answered."""
    begin = _SCHEME.search(header)
    if begin is None:
        return None
    values: dict[str, str] = {}
    at = begin.end()
    while match := _PARAMETER.match(header, at):
        value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        values.setdefault(match[1].lower(), value)
        at = match.end()
    realm = values.get("realm", "")
    try:
        safe = _is_safe(of(realm))
    except UriError:
        return None
    return BearerChallenge(realm, values.get("service"), values.get("scope")) if safe else None


class OriginAuth(httpx2.Auth):
    """Adds to each request the credentials of its own origin, and of no other.

    Args:
        credentials: Headers by origin.
        signers: An `httpx2.Auth` by origin, for hosts that sign requests. What it yields to another origin is refused.
        defaults: Headers that every request has, names in lower case: a credential may replace these. What a request
            says besides, its caller has set.
        tokens: Gets a token where a server answers 401 with a Bearer challenge; None: the 401 is the answer.
    """

    def __init__(
        self,
        credentials: Credentials,
        signers: Mapping[str, httpx2.Auth] | None = None,
        *,
        defaults: Mapping[str, str],
        tokens: TokenExchange | None = None,
    ) -> None:
        self._credentials = credentials
        self._signers = dict(_signer(url, signer) for url, signer in (signers or {}).items())
        self._defaults = defaults
        self._tokens = tokens

    def signs(self, origin: Origin) -> bool:
        """Whether an `httpx2.Auth` signs the requests to this origin; it may put the signature into the address."""
        return origin in self._signers

    def sync_auth_flow(self, request: httpx2.Request) -> _Flow:
        """Yields the request with its credentials, and again with a token or a signature as the server asks."""
        url = str(request.url)
        origin = of(url)
        request.headers.encoding = "latin-1"
        for name, value in self._credentials.headers_for(url).items():
            check_header(name, value, origin)
            if request.headers.get(name) in (None, self._defaults.get(name.lower())):
                request.headers[name] = value
        signer = self._signers.get(origin)
        if signer is not None:
            yield from _signed(signer.sync_auth_flow(request), origin)
            return
        response = yield request
        header = response.headers.get("www-authenticate", "") if response.status_code == 401 else ""
        challenge = bearer_challenge(header) if self._tokens else None
        if self._tokens is not None and challenge is not None:
            finish(response)
            token = yield from self._tokens(origin, challenge)
            check_header("Authorization", token, origin)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request


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


def _signed(flow: _Flow, origin: Origin) -> _Flow:
    """The flow of a signer, held to its origin."""
    try:
        request = next(flow)
        while True:
            if of(str(request.url)) != origin:
                raise RefusedError(
                    f"the auth= that was given for {origin} asks {of(str(request.url))}",
                    hint="what it needs from elsewhere it has to ask for by itself",
                )
            response = yield request
            try:
                request = flow.send(response)
            except StopIteration:
                return
            finish(response)
    finally:
        flow.close()


def _signer(url: str, signer: httpx2.Auth) -> tuple[Origin, httpx2.Auth]:
    origin = of(url)
    if url.rstrip("/").partition("://")[2].lower() not in {
        origin.authority,
        f"{origin.bare_host}:{origin.port}",
    }:
        raise UsageError(
            f"auth= has the key `{printable(url.rpartition('@')[2])}`, which is more than an origin",
            hint=f'"{origin}"',
        )
    if not _is_safe(origin):
        raise UsageError(f"auth= is for {origin}, and no credential goes over plain http", hint="use https")
    if not isinstance(signer, httpx2.Auth):
        raise UsageError(
            f"auth= has no httpx2.Auth for {origin}", hint="for example httpx2.BasicAuth(user, password)"
        )
    return origin, signer


def _is_safe(origin: Origin) -> bool:
    """Whether a credential may be sent there: over TLS, or to this machine."""
    return origin.scheme == "https" or is_loopback(origin.host)

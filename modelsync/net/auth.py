"""Credentials as httpx2 has them sent: each to its own origin, and a token where a registry challenges for one."""

from collections.abc import Generator, Mapping

import httpx2

from modelsync.errors import RefusedError, UsageError
from modelsync.net.credentials import Credentials
from modelsync.net.drain import finish
from modelsync.net.headers import check_header
from modelsync.net.origin import Origin, is_safe, of
from modelsync.net.tokens import Tokens
from modelsync.spec.names import printable

_Flow = Generator[httpx2.Request, httpx2.Response, None]


class OriginAuth(httpx2.Auth):
    """Adds to each request the credentials of its own origin, and of no other.

    Args:
        credentials: Headers by origin.
        signers: An `httpx2.Auth` by origin, for hosts that sign requests. What it yields to another origin is refused.
        defaults: Headers that every request has, names in lower case: a credential may replace these. What a request
            says besides, its caller has set.
        tokens: Answers the challenges of container registries.
    """

    def __init__(
        self,
        credentials: Credentials,
        signers: Mapping[str, httpx2.Auth] | None = None,
        *,
        defaults: Mapping[str, str],
        tokens: Tokens,
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
        yield from self._tokens.before(request)
        response = yield request
        if (yield from self._tokens.after(request, response)):
            check_header("Authorization", request.headers["Authorization"], origin)
            yield request


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
    if not is_safe(origin):
        raise UsageError(f"auth= is for {origin}, and no credential goes over plain http", hint="use https")
    if not isinstance(signer, httpx2.Auth):
        raise UsageError(
            f"auth= has no httpx2.Auth for {origin}", hint="for example httpx2.BasicAuth(user, password)"
        )
    return origin, signer

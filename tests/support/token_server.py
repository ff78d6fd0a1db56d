"""A registry that asks for a token, and the exchange that gets it one."""

from collections.abc import Generator

import httpx2

from modelsync.net.auth import BearerChallenge, TokenExchange, finish
from modelsync.net.origin import Origin
from tests.hub.wire import Reply, Request, text

REALM = "https://auth.example/token"


def registry(request: Request) -> Reply:
    """Gives a document for a token, and the token for a password."""
    if request.path == "/token":
        right = request.headers.get("authorization") == "Basic bWU6cHc="
        return text(200, "t0ken") if right else text(403, "no")
    if request.token == "t0ken":
        return text(200, '{"a": 1}')
    realm = f"http://{request.headers['host']}/token"
    return text(401, "x" * 100, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="pull"'})


def exchange(asked: list[tuple[Origin, BearerChallenge]]) -> TokenExchange:
    def tokens(origin: Origin, challenge: BearerChallenge) -> Generator[httpx2.Request, httpx2.Response, str]:
        asked.append((origin, challenge))
        response = yield httpx2.Request("GET", challenge.realm, headers={"Authorization": "Basic bWU6cHc="})
        return finish(response).decode()

    return tokens

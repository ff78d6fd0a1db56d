"""A registry that asks for a token, and the login that gets one."""

import json

from modelsync.net.logins import Login
from tests.hub.wire import Reply, Request, text

PATH = "/v2/a/b/blobs/x"
LOGIN = Login("the test", "me", "pw-of-the-test")
BASIC = "Basic bWU6cHctb2YtdGhlLXRlc3Q="


class OneLogin:
    """Has one login for whatever registry.

    Attributes:
        asked: The registries and repositories that it was asked for.
    """

    def __init__(self, login: Login | None = LOGIN) -> None:
        self._login = login
        self.asked: list[tuple[str, str]] = []

    def find(self, registry: str, repository: str = "") -> Login | None:
        self.asked.append((registry, repository))
        return self._login


def registry(request: Request) -> Reply:
    """Gives a document for a token, and the token for a password."""
    if request.path == "/token":
        right = request.headers.get("authorization") == BASIC
        return text(200, json.dumps({"token": "t0ken"})) if right else text(403, "no")
    if request.token == "t0ken":
        return text(200, '{"a": 1}')
    realm = f"http://{request.headers['host']}/token"
    scope = "repository:a/b:pull"
    return text(401, "x" * 100, {"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="{scope}"'})

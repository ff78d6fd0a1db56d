"""The realms of registries, which give tokens: which may be asked, and the requests that ask them."""

import base64
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlencode

import httpx2

from modelsync.errors import RefusedError, UriError
from modelsync.net.challenges import BearerChallenge
from modelsync.net.logins import Login
from modelsync.net.origin import Origin, is_local, is_safe, of, public_url

CLIENT_ID = "modelsync"


def checked(origin: Origin, realm: str, *, public: bool) -> Origin:
    """The origin of a realm that may be asked.

    Raises:
        RefusedError: it is no address, plain http elsewhere than on loopback or at the registry itself, or an address
            of this network while the registry is a public one.
    """
    try:
        there = of(realm)
    except UriError:
        raise RefusedError(
            f"{origin} asks for a token of `{public_url(realm)}`, which is no address"
        ) from None
    if public and there != origin and is_local(there.host):
        raise RefusedError(f"{origin} asks for a token of {public_url(realm)}, an address of this network")
    if is_safe(there) or there == origin:
        return there
    raise RefusedError(
        f"{origin} asks for a token of {public_url(realm)}, which is plain http: a login could be read on the way",
        hint="its administrator has to give it a realm that begins with https://",
    )


def requests(
    challenge: BearerChallenge, login: Login | None, user_agent: str, extensions: Mapping[str, object]
) -> list[httpx2.Request]:
    """The ways to ask a realm, the likeliest first: a GET with the login, or an OAuth2 POST."""
    request = partial(_request, challenge.realm, user_agent, extensions)
    said = [("service", challenge.service)] if challenge.service else []
    scopes = challenge.scope.split() if challenge.scope else []
    get = [*said, *(("scope", scope) for scope in scopes)]
    form = [*said, ("client_id", CLIENT_ID), ("scope", " ".join(scopes))]
    if login is None:
        return [request("GET", get)]
    if login.identity:
        refresh = [("grant_type", "refresh_token"), ("refresh_token", login.identity), *form]
        return [request("POST", refresh), request("GET", get)]
    password = [("grant_type", "password"), ("username", login.user), ("password", login.password), *form]
    with_login = request("GET", [*get, ("account", login.user)])
    with_login.headers["Authorization"] = basic(login)
    return [with_login, request("POST", password)]


def _request(
    realm: str, user_agent: str, extensions: Mapping[str, object], method: str, said: list[tuple[str, str]]
) -> httpx2.Request:
    headers = {
        "User-Agent": user_agent,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    if method == "GET":
        joint = "&" if "?" in realm else "?"
        url = f"{realm}{joint}{urlencode(said)}" if said else realm
        return httpx2.Request("GET", url, headers=headers, extensions=dict(extensions))
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    content = urlencode(said).encode()
    return httpx2.Request("POST", realm, headers=headers, content=content, extensions=dict(extensions))


def basic(login: Login) -> str:
    """The `Authorization` of a user and a password."""
    return "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()

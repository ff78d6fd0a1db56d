"""Answers the challenges of container registries: a token of the realm, or a login; renewed before it expires.

The protocol is that of distribution (docs/content/spec/auth/token.md and oauth.md).
"""

import base64
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx2

from modelsync.errors import GatedError, HttpStatusError
from modelsync.net import realms
from modelsync.net.challenges import BearerChallenge, bearer_challenge, covers, wants_basic
from modelsync.net.credentials import Credentials
from modelsync.net.drain import finish
from modelsync.net.headers import header_fault
from modelsync.net.host_limits import retry_after
from modelsync.net.logins import Login
from modelsync.net.origin import Origin, is_safe, of, public_url
from modelsync.net.retry import FinalNetworkError
from modelsync.net.transport import PUBLIC, PUBLIC_ONLY
from modelsync.spec.uri_forms import DOCKER_HUB, DOCKER_HUB_NAMES

# Extension of a request: an address of the same origin, whose token this request needs too.
LIKE = "modelsync.like"

_NAME = re.compile(r"/v2/(.+?)/(?:blobs|manifests|tags|referrers)(?:/|$)")
_LIFE = 60.0  # seconds that a token lives of which the realm does not say it
_MARGIN = 10.0  # seconds before its end from which a token is renewed
_LONGEST_LIFE = 86_400.0
_NO_SUCH_WAY = frozenset({404, 405})  # the realm has no GET, or no POST

_Flow = Generator[httpx2.Request, httpx2.Response, "_Grant | None"]


class LoginFinder(Protocol):
    """Finds the login of a registry, as `net.logins.Logins` does."""

    def find(self, registry: str, repository: str = "") -> Login | None:
        """The login for a repository, or None."""


class _Area(NamedTuple):
    """What one token is for."""

    origin: Origin
    repository: str


class _Grant(NamedTuple):
    """What a registry was last satisfied with, or may be. Its repr shows no secret.

    `renew_at` is by `time.monotonic`; None: it does not expire. `public`: the registry is one of the open Internet.
    """

    authorization: str
    challenge: BearerChallenge | None = None
    renew_at: float | None = None
    public: bool = False

    def __repr__(self) -> str:
        return f"<grant for {self.challenge}>"


class Tokens:
    """The tokens of one client, by registry and repository; thread-safe.

    Args:
        logins: Where logins come from; None: there are none.
        credentials: The user's headers: a `Basic` one for a registry's origin is a login too. Learns each secret, so
            that it can be blacked out.
        user_agent: The `User-Agent` of requests to realms.
    """

    def __init__(self, logins: LoginFinder | None, credentials: Credentials, user_agent: str) -> None:
        self._logins = logins
        self._credentials = credentials
        self._user_agent = user_agent
        self._grants: dict[_Area, _Grant] = {}
        self._locks: defaultdict[_Area, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def before(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Adds what the registry was last satisfied with, renewed if it is about to expire."""
        area = _area(request)
        grant = self._grants.get(area) if area is not None else None
        if area is None or grant is None:
            return
        if _stale(grant):
            with self._lock(area):
                grant = self._grants.get(area) or grant
                if _stale(grant) and grant.challenge is not None:
                    grant = (yield from self._ask(area, grant.challenge, public=grant.public)) or grant
                    self._grants[area] = grant
        request.headers["Authorization"] = grant.authorization

    def after(
        self, request: httpx2.Request, response: httpx2.Response
    ) -> Generator[httpx2.Request, httpx2.Response, bool]:
        """Answers a 401; returns whether the request is to be sent again, with another `Authorization`.

        Raises:
            RefusedError: the realm is one that no login may be told.
            GatedError: the realm gives no token.
            HttpStatusError, NetworkError: it gives no answer.
        """
        area = _area(request)
        if area is None or response.status_code != 401:
            return False
        sent = request.headers.get("Authorization")
        header = response.headers.get("www-authenticate", "")
        challenge = bearer_challenge(header)
        if challenge is None and not wants_basic(header):
            return False
        finish(response)
        with self._lock(area):
            grant = self._grants.get(area)
            renewed = grant is not None and grant.authorization != sent and not _stale(grant)
            if not (renewed and _covers(grant, challenge)):
                if challenge is None:
                    grant = self._login_itself(area)
                else:
                    public = bool(response.extensions.get(PUBLIC))
                    grant = yield from self._ask(area, challenge, public=public)
                if grant is not None:
                    self._grants[area] = grant
        if grant is None or grant.authorization == sent:
            return False
        request.headers["Authorization"] = grant.authorization
        return True

    def _lock(self, area: _Area) -> threading.Lock:
        with self._guard:
            return self._locks[area]

    def _login(self, area: _Area) -> Login | None:
        """The login of a registry; none for one over plain http, but on loopback."""
        if not is_safe(area.origin):
            return None
        found = self._logins.find(area.origin.authority, area.repository) if self._logins else None
        if found is None:
            header = self._credentials.headers_for(f"{area.origin}/").get("Authorization", "")
            scheme, _, coded = header.partition(" ")
            if scheme.lower() == "basic":
                try:
                    user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
                    found = Login("the headers for this host", user, password)
                except ValueError:
                    pass
        if found is not None:
            self._credentials.keep_secret(*found.secrets)
        return found

    def _login_itself(self, area: _Area) -> _Grant | None:
        """What answers a `Basic` challenge."""
        login = self._login(area)
        if login is None:
            return None
        if login.bearer:
            return _Grant(f"Bearer {login.bearer}")
        return _Grant(realms.basic(login)) if login.password else None

    def _ask(self, area: _Area, challenge: BearerChallenge, *, public: bool) -> _Flow:
        """Asks the realm for a token.

        Args:
            area: What it is for.
            challenge: Where to ask.
            public: Whether the registry is one of the open Internet: then its realm has to be.
        """
        login = self._login(area)
        if login is not None and login.bearer:
            return _Grant(f"Bearer {login.bearer}", challenge, public=public)
        realm = realms.checked(area.origin, challenge.realm, public=public)
        if not is_safe(realm):
            login = None
        extensions = {PUBLIC_ONLY: public and realm != area.origin}
        status, headers, data = 0, {}, b""
        for request in realms.requests(challenge, login, self._user_agent, extensions):
            response = yield request
            status, headers, data = response.status_code, dict(response.headers), finish(response)
            if status not in _NO_SUCH_WAY:
                break
        if status != 200:
            raise self._refused(area, challenge, login, status, headers)
        return self._granted(challenge, data)._replace(public=public)

    def _granted(self, challenge: BearerChallenge, data: bytes) -> _Grant:
        shown = public_url(challenge.realm)
        try:
            answer = json.loads(data)
            token = answer.get("token") or answer.get("access_token")
            life = answer.get("expires_in")
        except (ValueError, AttributeError, RecursionError):
            token = life = None
        if not isinstance(token, str) or not token or header_fault("Authorization", token) or " " in token:
            raise FinalNetworkError(
                f"{shown} answered with something other than a token",
                hint="a login page of the network gives such answers",
            )
        known = isinstance(life, int | float) and life > 0
        seconds = float(min(life, _LONGEST_LIFE)) if known else _LIFE
        self._credentials.keep_secret(token)
        return _Grant(f"Bearer {token}", challenge, time.monotonic() + seconds - min(_MARGIN, seconds / 2))

    def _refused(
        self,
        area: _Area,
        challenge: BearerChallenge,
        login: Login | None,
        status: int,
        headers: dict[str, str],
    ) -> Exception:
        shown, registry = public_url(challenge.realm), area.origin.authority
        if status in {400, 401, 403}:
            if login is None:
                return GatedError(
                    f"{registry} wants a login for {area.repository}, and there is none for it here",
                    hint=login_hint(registry),
                )
            return GatedError(
                f"{shown} does not accept the login for {registry} from {login.source} ({status})",
                hint=login_hint(registry),
            )
        return HttpStatusError(
            f"{shown} answered {status} in place of a token", status=status, retry_after=retry_after(headers)
        )


def login_hint(registry: str) -> str:
    """What mends a login that is missing or wrong."""
    registry = DOCKER_HUB if registry in DOCKER_HUB_NAMES else registry
    return f"`docker login {registry}` or `podman login {registry}`; `modelsync doctor` shows which logins it sees"


def repository_of(url: str) -> str | None:
    """The repository that an address of a registry is about; None for any other address."""
    match = _NAME.match(urlsplit(url).path)
    return match[1] if match else None


def _area(request: httpx2.Request) -> _Area | None:
    url = str(request.url)
    origin = of(url)
    like = request.extensions.get(LIKE)
    if isinstance(like, str) and of(like) == origin:
        url = like
    repository = repository_of(url)
    return None if repository is None else _Area(origin, repository)


def _stale(grant: _Grant) -> bool:
    return grant.renew_at is not None and time.monotonic() >= grant.renew_at


def _covers(grant: _Grant | None, challenge: BearerChallenge | None) -> bool:
    """Whether what was granted is for all that is asked now."""
    if grant is None or grant.challenge is None or challenge is None:
        return grant is not None
    return covers(grant.challenge.scope, challenge.scope)

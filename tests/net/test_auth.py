"""Credentials as they are sent: to their own origin, after a challenge, with a signature."""

import hashlib
import re
from collections.abc import Generator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import HttpStatusError, ModelsyncError, RefusedError, UsageError
from modelsync.net.challenges import bearer_challenge, covers
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.origin import Origin, of
from tests.hub import Hub, Redirect
from tests.hub.wire import Reply, Request, text
from tests.support.servers import Proxy, answering
from tests.support.strategies import ORIGINS
from tests.support.token_server import BASIC, PATH, OneLogin, registry

REALM = "https://auth.example/token"


class Signing(httpx2.Auth):
    """Signs every request, in a header and in the query; may ask elsewhere first."""

    def __init__(self, asks: str | None = None) -> None:
        self.asks = asks

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        if self.asks:
            yield httpx2.Request("GET", self.asks, headers={"X-Signature": "s3cret"})
        request.headers["X-Signature"] = "s3cret"
        request.url = request.url.copy_merge_params({"Signature": "s3cret"})
        yield request


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f'Bearer realm="{REALM}"', (REALM, None, None)),
        (
            f'Bearer realm="{REALM}",service="r.example",scope="a:b:pull,push"',
            (REALM, "r.example", "a:b:pull,push"),
        ),
        (f'bearer realm="{REALM}", scope="say \\"x\\"", error=invalid', (REALM, None, 'say "x"')),
        (f'Basic realm="x", Bearer realm="{REALM}"', (REALM, None, None)),
        ('Bearer realm="http://127.0.0.1:5000/t"', ("http://127.0.0.1:5000/t", None, None)),
        ('Bearer realm="http://auth.example/token"', ("http://auth.example/token", None, None)),
        ('Bearer service="x"', None),
        ('Basic realm="x"', None),
        ("", None),
    ],
)
def test_a_challenge_is_read(header: str, expected: tuple[str, str | None, str | None] | None) -> None:
    """Where a token is to be got, for whom and for what. Whether that address may be asked is decided later."""
    assert bearer_challenge(header) == expected


@given(st.text(max_size=80))
def test_any_challenge_is_read_or_is_none(words: str) -> None:
    """Whatever a server says, there is no crash."""
    challenge = bearer_challenge(f"Bearer {words}")
    assert challenge is None or challenge.realm


def test_scopes_are_compared_as_sets() -> None:
    """Servers write actions and scopes in any order."""
    assert covers("repository:a/b:pull,push", "repository:a/b:push,pull")
    assert covers("repository:a/b:pull repository:c:pull,push", "repository:c:push")
    assert not covers("repository:a/b:pull", "repository:a/b:pull,push")
    assert not covers("repository:a/b:pull,push", "repository:c:pull")
    assert not covers(None, "repository:a/b:pull")
    assert covers("repository:a/b:pull", None)


def test_a_challenge_is_answered_with_a_token() -> None:
    """A 401 with a challenge costs a token and a second try, once, for documents and for bytes, over one connection."""
    logins = OneLogin()
    with answering(registry) as server, Client(logins=logins, max_connections=1) as client:
        assert client.get_json(server.url + PATH).value == {"a": 1}
        with client.open(server.url + PATH) as body:
            assert b"".join(body.chunks()) == b'{"a": 1}'
        assert [seen.path for seen in server.log] == [PATH, "/token", PATH, PATH]
        asked = server.log[1].query
        assert asked == {"service": "s", "scope": "repository:a/b:pull", "account": "me"}
        assert len({seen.connection for seen in server.log}) == 1
        assert logins.asked == [(of(server.url).authority, "a/b")]


@pytest.mark.parametrize("life", ["9" * 400, "1e400", "NaN", "-5", '"300"', "null", "0.001"])
def test_any_life_of_a_token_is_bounded(life: str) -> None:
    """What a realm says of how long its token lives is data: the token is taken all the same."""

    def serve(request: Request) -> Reply:
        if request.path == "/token":
            return text(200, f'{{"access_token": "t0ken", "expires_in": {life}}}')
        return registry(request)

    with answering(serve) as server, Client() as client:
        assert client.get_json(server.url + PATH).value == {"a": 1}


def test_a_token_that_does_not_help_is_tried_once() -> None:
    """A second 401 is the answer."""

    def serve(request: Request) -> Reply:
        return text(200, '{"token": "wr0ng"}') if request.path == "/token" else registry(request)

    with answering(serve) as server, Client(logins=OneLogin()) as client:
        with pytest.raises(HttpStatusError) as error:
            client.get_json(server.url + PATH)
        assert error.value.status == 401
        assert [seen.path for seen in server.log] == [PATH, "/token", PATH]


def test_what_is_no_registry_gets_no_token() -> None:
    """No login of a registry is looked for where the address is none of a registry's."""
    logins = OneLogin()
    with answering(registry) as server, Client(logins=logins) as client:
        with pytest.raises(HttpStatusError) as error:
            client.get_json(f"{server.url}/x")
        assert (error.value.status, len(server.log), logins.asked) == (401, 1, [])


def test_a_challenge_without_an_end_is_not_read_to_it() -> None:
    """The body of a refusal that is answered with a token is read no further than it is short."""

    def serve(request: Request) -> Reply:
        reply = registry(request)
        return reply if reply.status != 401 else text(401, "x" * 10**7, reply.headers)

    with answering(serve) as server, Client(logins=OneLogin()) as client:
        assert client.get_json(server.url + PATH).value == {"a": 1}
        assert len({seen.connection for seen in server.log}) == 2  # the first was left in the middle


def test_a_signer_signs_for_its_own_origin(hub: Hub) -> None:
    """Requests to the origin of `auth=` are signed, documents and bytes; the CDN that it redirects to sees nothing."""
    sha = hub.repo("user/model").commit({"m.gguf": b"GGUF" + bytes(2**20)})
    with Client(auth={hub.endpoint: Signing()}) as client:
        client.get_json(f"{hub.endpoint}/api/models/user/model")
        with client.open(f"{hub.endpoint}/user/model/resolve/{sha}/m.gguf", start=4) as body:
            assert sum(map(len, body.chunks())) == 2**20
    assert [seen.headers.get("x-signature") for seen in hub.seen("hub")] == ["s3cret"] * 2
    assert [seen.query.get("Signature") for seen in hub.seen("hub")] == ["s3cret"] * 2
    [cdn] = hub.seen("cdn")
    assert "s3cret" not in f"{cdn.query} {dict(cdn.headers)}"


def test_a_signer_of_one_port_does_not_sign_for_another(hub: Hub) -> None:
    """Another port is another origin, whatever redirects there."""
    with answering(lambda _: text(200, "{}")) as other:
        hub.file("/y", b"")
        hub.misbehave(Redirect(f"{other.url}/x"), where="plain")
        with Client(auth={hub.plain: Signing()}) as client:
            client.get_json(f"{hub.plain}/y")
        assert hub.requests[0].headers["x-signature"] == "s3cret"
        assert "s3cret" not in f"{other.log[0].query} {dict(other.log[0].headers)}"


@given(ORIGINS, ORIGINS)
def test_no_signer_is_asked_for_another_origin(home: Origin, other: Origin) -> None:
    """For every two origins: what is asked of one is never signed with the other's."""
    if home.scheme == "http":
        home = home._replace(scheme="https")
    seen: list[httpx2.Request] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={})

    hosts = frozenset({other.bare_host})
    with Client(
        transport=httpx2.MockTransport(serve), auth={str(home): Signing()}, insecure_hosts=hosts
    ) as client:
        client.get_json(f"{other}/x")
    assert ("x-signature" in seen[0].headers) is (home == other)


def test_a_signer_cannot_lead_elsewhere(hub: Hub) -> None:
    """What it yields to another origin is refused and not sent; to its own it may ask for more."""
    url = hub.file("/x.json", b"{}")
    with answering(lambda _: text(200, "{}")) as other:
        with (
            Client(auth={hub.plain: Signing(f"{other.url}/token")}) as client,
            pytest.raises(RefusedError, match="auth=") as error,
        ):
            client.get_json(url)
        assert other.log == []
        assert "s3cret" not in str(error.value)
    hub.clear()
    with Client(auth={hub.plain: Signing(url)}) as client:
        assert client.get_json(url).value == {}
    assert len(hub.requests) == 2


def test_a_digest_is_answered_with_the_server_s_nonce() -> None:
    """An `httpx2.Auth` that needs the refusal gets it: `DigestAuth` works for documents and for bytes."""

    def serve(request: Request) -> Reply:
        said = dict(re.findall(r'(\w+)="([^"]*)"', request.headers.get("authorization", "")))
        ha1, ha2 = (hashlib.md5(text.encode()).hexdigest() for text in ("me:r:pw", f"GET:{request.target}"))
        if said.get("response") == hashlib.md5(f"{ha1}:n0nce:{ha2}".encode()).hexdigest():
            return text(200, '{"a": 1}')
        return text(401, "no", {"WWW-Authenticate": 'Digest realm="r", nonce="n0nce"'})

    with answering(serve) as server, Client(auth={server.url: httpx2.DigestAuth("me", "pw")}) as client:
        assert client.get_json(f"{server.url}/x").value == {"a": 1}
        with client.open(f"{server.url}/y") as body:
            assert b"".join(body.chunks()) == b'{"a": 1}'


class Reading(Signing):
    """Wants to see every answer whole."""

    requires_response_body = True


def test_a_signer_may_read_the_answers(hub: Hub) -> None:
    """What it has read is not lost to the caller."""
    url = hub.file("/x.json", b'{"a": 1}')
    with Client(auth={hub.plain: Reading()}) as client:
        assert client.get_json(url).value == {"a": 1}
        with client.open(url, start=2, end=5) as body:
            assert b"".join(body.chunks()) == b'a":'


@pytest.mark.parametrize(
    "key",
    [
        "https://a.example/path",
        "https://me:pw@a.example",
        "a.example",
        "https://a.example?x",
        "http://a.example",
    ],
)
def test_a_key_of_auth_is_an_origin_that_secrets_may_be_told(key: str) -> None:
    """A path, a user, no scheme, plain http: a mistake of the caller, told at once and without a password."""
    with pytest.raises(ModelsyncError) as error:
        Client(auth={key: httpx2.BasicAuth("me", "pw")})
    assert "pw" not in str(error.value)


def test_what_is_no_auth_is_said_to_be_none() -> None:
    """A pair or a function is not what `auth=` takes."""
    with pytest.raises(UsageError, match=r"httpx2\.Auth"):
        Client(auth={"https://a.example": ("me", "pw")})  # type: ignore[dict-item]


def test_a_realm_over_plain_http_is_told_nothing(proxy: Proxy) -> None:
    """A registry that sends for its token to another host over http is refused, and that host is not asked."""

    def serve(request: Request) -> Reply:
        realm = "http://auth.example/token"
        return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}",scope="repository:a/b:pull"'})

    with (
        answering(serve) as server,
        Client(logins=OneLogin()) as client,
        pytest.raises(RefusedError, match="plain http"),
    ):
        client.get_json(server.url + PATH)
    assert proxy.asked == []


@pytest.mark.parametrize("realm", ["http://127.0.0.1:{port}/token", "https://10.0.0.1/token"])
def test_a_public_registry_sends_for_no_token_into_this_network(realm: str, proxy: Proxy) -> None:
    """A realm that is an address of this machine or network is refused, and not asked: the registry is elsewhere."""
    seen: list[str] = []

    def serve(request: Request) -> Reply:
        seen.append(request.path)
        there = realm.format(port=server.port)
        return text(401, "", {"WWW-Authenticate": f'Bearer realm="{there}",scope="repository:a/b:pull"'})

    with answering(serve) as server:
        host = f"registry.example:{server.port}"
        with (
            Client(logins=OneLogin(), insecure_hosts=frozenset({host}), timeout=0.5) as client,
            pytest.raises(RefusedError, match="an address of this network"),
        ):
            client.get_json(f"http://{host}{PATH}")
    assert seen == [PATH]
    assert not [line for line in proxy.asked if "10.0.0.1" in line]


def test_a_user_s_own_basic_header_is_a_login(hub: Hub) -> None:
    """`headers` of the user's config for a registry's host get its token: docker's files are not needed."""
    with answering(registry) as server:
        origin = of(server.url)
        rule = Rule(origin.host, origin.port, origin.scheme, {"Authorization": BASIC}, "config.toml")
        with Client(credentials=Credentials([rule])) as client:
            assert client.get_json(server.url + PATH).value == {"a": 1}


def test_a_caller_s_own_header_comes_first(hub: Hub) -> None:
    """A header of the call wins over a credential's, and a credential's over what every request says."""
    url = hub.file("/x.json", b"{}")
    origin = of(url)
    headers = {"X-Team": "red", "User-Agent": "corp/1"}
    rule = Rule(origin.host, origin.port, origin.scheme, headers, "test")
    with Client(credentials=Credentials([rule])) as client:
        client.get_json(url)
        client.get_json(url, headers={"x-team": "blue"})
    assert [seen.headers["x-team"] for seen in hub.requests] == ["red", "blue"]
    assert [seen.headers["user-agent"] for seen in hub.requests] == ["corp/1"] * 2

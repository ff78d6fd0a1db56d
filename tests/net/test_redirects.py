"""Redirects: how many, where to, and what goes along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import HttpStatusError, NetworkError, RefusedError, UriError
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.origin import Origin, is_local, of
from modelsync.net.redirects import check_redirect, check_scheme, location
from tests.hub import Hub, Redirect
from tests.hub.wire import Reply, Request, text
from tests.support.servers import Proxy, answering, silent
from tests.support.strategies import ORIGINS


@given(ORIGINS, ORIGINS, st.booleans())
def test_a_followed_redirect_keeps_every_rule(here: Origin, there: Origin, from_public: bool) -> None:
    """Whatever is followed is no downgrade, is over TLS or on loopback, and stays outside if it came from there."""
    try:
        assert check_redirect(f"{here}/x", f"{there}/y", from_public=from_public) == there
    except RefusedError:
        assert there.scheme == "http" or (from_public and is_local(there.host))
    else:
        assert there.scheme == "https" or here.scheme == "http"
        assert not (from_public and is_local(there.host))


@given(ORIGINS.filter(lambda one: one.scheme == "http"), ORIGINS, st.booleans())
def test_nothing_leads_from_https_to_http(there: Origin, here: Origin, from_public: bool) -> None:
    """Not even loopback or a host that the user allowed is asked over http after https."""
    hosts = frozenset({there.bare_host})
    with pytest.raises(RefusedError, match="plain http"):
        check_redirect(
            f"{here._replace(scheme='https')}/x", f"{there}/y", from_public=from_public, insecure_hosts=hosts
        )


@pytest.mark.parametrize(
    ("here", "header", "expected"),
    [
        ("https://h.example/a/b?q=1", "c", "https://h.example/a/c"),
        (
            "https://h.example/a/b",
            "/api/resolve-cache/x?%22q%22=1",
            "https://h.example/api/resolve-cache/x?%22q%22=1",
        ),
        ("https://h.example/a", "//cdn.example/b#frag", "https://cdn.example/b"),
        (
            "https://h.example/a",
            " https://cdn.example/b?Signature=a~b ",
            "https://cdn.example/b?Signature=a~b",
        ),
    ],
)
def test_a_location_is_read_as_it_is_meant(here: str, header: str, expected: str) -> None:
    """Relative, host-relative and absolute ones; the query is kept as it is, the fragment dropped."""
    assert location(here, header) == expected


@pytest.mark.parametrize(
    "header",
    ["ftp://h.example/x", "file:///etc/passwd", "javascript:alert(1)", "https://me:pw@h.example/",
     "https://[::1", "http://2130706433/", "https://h.example/\tx"],
)  # fmt: skip
def test_a_location_that_is_no_address_is_an_error(header: str) -> None:
    """Another scheme, a user or no host at all is not followed, and a password in it not shown."""
    with pytest.raises(NetworkError) as error:
        location("https://h.example/", header)
    assert "pw" not in str(error.value)


def test_plain_http_is_for_loopback_and_the_hosts_that_the_user_names() -> None:
    """Everyone else is asked over TLS; the error names the setting."""
    for url in ("http://127.0.0.1:1/", "http://localhost/", "http://[::1]:8/", "https://h.example/"):
        assert check_scheme(url, frozenset()) == of(url)
    with pytest.raises(RefusedError) as error:
        check_scheme("http://files.lan:8080/x?sig=abc", frozenset({"files.lan:80", "lan"}))
    assert "insecure-hosts" in str(error.value.hint)
    assert "abc" not in str(error.value)
    assert check_scheme("http://files.lan:8080/x", frozenset({"files.lan:8080"}))
    assert check_scheme("http://files.lan:8080/x", frozenset({"files.lan"}))
    with pytest.raises(UriError):
        check_scheme("ftp://files.lan/", frozenset({"files.lan"}))


def chain(request: Request) -> Reply:
    """`/5` leads to `/4`, … and `/0` is the end."""
    left = int(request.path[1:])
    return text(302, "on", {"Location": f"/{left - 1}"}) if left else text(200, '"the end"')


def test_five_redirects_are_followed_and_not_six(client: Client) -> None:
    """The fifth redirect is still followed, the sixth is an error that says so; it is not tried again."""
    with answering(chain) as server:
        assert client.get_json(f"{server.url}/5").value == "the end"
        server.log.clear()
        with pytest.raises(NetworkError, match="more than 5"):
            client.get_json(f"{server.url}/6")
        assert len(server.log) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed(client: Client, hub: Hub, status: int) -> None:
    """Moved, found, see other, temporary, permanent: the bytes are there."""
    url = hub.file("/real", b'{"a": 1}')
    hub.file("/old", b"")
    hub.misbehave(Redirect("/real", status), where="plain", match="/old")
    reply = client.get_json(f"{hub.plain}/old")
    assert (reply.value, reply.url) == ({"a": 1}, url)


def test_a_redirect_without_a_location_is_an_error(client: Client) -> None:
    """A status alone leads nowhere."""
    with answering(lambda _: text(302, "where?")) as server, pytest.raises(HttpStatusError) as error:
        client.get_json(server.url)
    assert error.value.status == 302


def test_credentials_stay_with_their_origin(hub: Hub) -> None:
    """The CDN that a hub redirects to gets neither the token nor the caller's own headers, but the range."""
    sha = hub.repo("user/model").commit({"m.gguf": b"GGUF" + bytes(2**20)})
    hub.tokens.add("hf_secret")
    origin = of(hub.endpoint)
    rule = Rule(origin.host, origin.port, origin.scheme, {"Authorization": "Bearer hf_secret"}, "test")
    url = f"{hub.endpoint}/user/model/resolve/{sha}/m.gguf"
    with (
        Client(credentials=Credentials([rule])) as client,
        client.open(url, start=4, end=8, headers={"X-Team": "red"}) as body,
    ):
        assert body.redirected
        assert str(body.origin) == hub.cdn
        assert list(body.chunks()) == [bytes(4)]
        located = body.url
        with client.open(located) as again:
            assert not again.redirected
    asked, *redirected = hub.requests
    assert asked.headers["authorization"] == "Bearer hf_secret"
    assert asked.headers["x-team"] == "red"
    assert [seen.server for seen in redirected] == ["cdn", "cdn"]
    assert redirected[0].range == "bytes=4-7"
    for seen in redirected:
        assert "authorization" not in seen.headers
        assert "x-team" not in seen.headers


def test_another_port_is_another_origin(hub: Hub) -> None:
    """A credential of one port is not told to another server on the same host."""
    with answering(lambda _: text(200, "{}")) as other:
        hub.misbehave(Redirect(f"{other.url}/x"), where="plain")
        origin = of(hub.plain)
        rule = Rule(origin.host, origin.port, origin.scheme, {"Authorization": "Bearer hf_secret"}, "test")
        with Client(credentials=Credentials([rule])) as client:
            client.get_json(f"{hub.plain}/y")
        assert hub.requests[0].headers["authorization"] == "Bearer hf_secret"
        assert "authorization" not in other.log[0].headers


def test_a_head_stays_within_its_origin(client: Client, hub: Hub) -> None:
    """A hub's own answer is what is read: a redirect within it is followed, one elsewhere is reported."""
    sha = hub.repo("user/old").commit({"m.gguf": b"GGUF" + bytes(2**20)})
    hub.rename("user/old", "user/new")
    head = client.head(f"{hub.endpoint}/user/old/resolve/{sha}/m.gguf")
    assert head.status == 302
    assert head.url.startswith(f"{hub.endpoint}/user/new/")
    assert head.headers["x-repo-commit"] == sha
    assert head.redirect_to is not None
    assert head.redirect_to.startswith(f"{hub.cdn}/")
    assert hub.seen("cdn") == []
    far = client.head(f"{hub.endpoint}/user/old/resolve/{sha}/m.gguf", redirects="all")
    assert (far.status, far.redirect_to, len(hub.seen("cdn"))) == (200, None, 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_public_host_cannot_send_us_to_this_machine(proxy: Proxy, host: str) -> None:
    """A host of the open Internet (asked through a proxy here) that redirects to loopback is not obeyed."""
    with silent() as secret:
        there = f"http://{host}:{secret.port}/admin?token=abc"
        with (
            answering(lambda _: text(302, "there", {"Location": there})) as public,
            Client(insecure_hosts=frozenset({"any.example"})) as client,
            pytest.raises(RefusedError) as error,
            client.open(f"http://any.example:{public.port}/x"),
        ):
            pass
        assert secret.connections == []
    assert "abc" not in str(error.value)
    assert len(proxy.asked) == 1


def test_a_public_host_cannot_do_it_over_another_one_either(proxy: Proxy) -> None:
    """Once on the open Internet, the rule holds for every redirect that follows."""
    hops = iter(["http://two.example:{port}/x", "http://127.0.0.1:{port}/x"])
    with (
        answering(lambda _: text(302, "on", {"Location": next(hops).format(port=public.port)})) as public,
        Client(insecure_hosts=frozenset({"any.example", "two.example"})) as client,
        pytest.raises(RefusedError),
        client.open(f"http://any.example:{public.port}/x"),
    ):
        pass
    assert len(proxy.asked) == 2


def test_a_redirect_to_plain_http_elsewhere_is_refused(client: Client, hub: Hub) -> None:
    """Plain http is as forbidden behind a redirect as in front of it; nothing is asked there."""
    hub.misbehave(Redirect("http://files.example/x?sig=abc"), where="plain", times=None)
    with pytest.raises(RefusedError) as error, client.open(f"{hub.plain}/y"):
        pass
    assert "abc" not in str(error.value)
    assert "abc" not in str(error.value.hint)

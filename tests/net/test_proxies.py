"""Proxies: which one, for whom, and what is said when it is the proxy's fault."""

import logging
import socket
import ssl
from collections.abc import Iterator

import pytest

from modelsync.errors import ConfigError, NetworkError
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.origin import of
from modelsync.net.proxies import Proxies, Proxy
from modelsync.net.retry import FinalNetworkError, retryable
from tests.hub import Hub
from tests.hub.wire import BytesBody, Reply, Request, text
from tests.support import servers
from tests.support.servers import SocksProxy, answering


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def chosen(url: str) -> Proxy | None:
    return Proxies().proxy_for(of(url))


def test_each_scheme_has_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY for https, HTTP_PROXY for http, ALL_PROXY for what is left; a scheme may be missing."""
    assert chosen("https://a.example/") is None
    monkeypatch.setenv("all_proxy", "socks5://all.example")
    monkeypatch.setenv("https_proxy", "tls.example:3128")
    assert chosen("https://a.example/") == Proxy("http", "tls.example", 3128)
    assert chosen("http://a.example/") == Proxy("socks5", "all.example", 1080)


def test_a_proxys_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password are taken out of the address, decoded, and stand in no str or repr."""
    monkeypatch.setenv("https_proxy", "https://me:p%40ss@proxy.example")
    proxy = chosen("https://a.example/")
    assert proxy is not None
    assert proxy.auth == ("me", "p@ss")
    assert str(proxy) == "https://proxy.example:443"
    assert "p@ss" not in repr(proxy)


@pytest.mark.parametrize("setting", ["ftp://me:pw@proxy", "http://", "http://proxy:port", "http://[::1"])
def test_a_setting_that_is_no_proxy_is_an_error(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """It is not passed over: without its proxy a network may be unreachable, or watched."""
    monkeypatch.setenv("https_proxy", setting)
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as error:
        chosen("https://a.example/")
    assert "pw" not in str(error.value)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("a.example", "https://a.example/", True),
        ("A.example", "https://a.example/", True),
        ("example", "https://a.example/", True),
        (".example", "https://a.example/", True),
        ("*.example", "https://a.example/", True),
        ("xample", "https://a.example/", False),
        ("a.example.evil", "https://a.example/", False),
        ("b, a.example , c", "https://a.example/", True),
        ("*", "https://a.example/", True),
        ("a.example:8443", "https://a.example:8443/", True),
        ("a.example:8443", "https://a.example/", False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::7]/", True),
        ("[fd00::7]", "https://[fd00::7]/", True),
        ("", "https://a.example/", False),
        (",", "https://a.example/", False),
    ],
)
def test_no_proxy_lists_the_exceptions(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, direct: bool
) -> None:
    """Hosts, domains, ports, addresses and networks, as other tools read them."""
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (chosen(url) is None) is direct


def test_this_machine_is_never_asked_through_a_proxy(proxy: servers.Proxy, hub: Hub) -> None:
    """A credential for loopback over plain http stays on this machine, whatever proxy is set."""
    url = hub.file("/x.json", b"{}")
    origin = of(url)
    rule = Rule(origin.host, origin.port, origin.scheme, {"Authorization": "Bearer secret"}, "test")
    with Client(credentials=Credentials([rule])) as client:
        client.get_json(url)
    assert proxy.asked == []
    assert hub.requests[0].headers["authorization"] == "Bearer secret"


def test_plain_http_goes_through_a_proxy_on_loopback_without_credentials(proxy: servers.Proxy) -> None:
    """The proxy is asked for the whole address; no credential goes along over plain http."""
    with answering(lambda _: text(200, '"hello"')) as server:
        url = f"http://any.example:{server.port}/x"
        rule = Rule("any.example", None, None, {"Authorization": "Bearer secret"}, "test")
        hosts = frozenset({"any.example"})
        with Client(insecure_hosts=hosts, credentials=Credentials([rule])) as client:
            assert client.get_json(url).value == "hello"
        assert proxy.asked == [f"GET {url} HTTP/1.1"]
        assert "authorization" not in server.log[0].headers
        assert server.log[0].headers["host"] == f"any.example:{server.port}"


def test_https_goes_through_a_tunnel(
    tls_hub: Hub, proxy: servers.Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy sees a CONNECT; TLS, and the credential in it, is with the server alone."""
    monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://me:p%40ss@"))
    url = tls_hub.file("/x.json", b"{}")
    port = of(url).port
    with Client() as client, pytest.raises(FinalNetworkError, match="cannot trust"):
        client.get_json(f"https://any.example:{port}/x.json")  # the certificate is for localhost alone
    assert proxy.asked == [f"CONNECT any.example:{port} HTTP/1.1"]
    assert proxy.authorizations == ["Basic bWU6cEBzcw=="]


@pytest.mark.parametrize(
    ("refuses", "final", "hint"),
    [
        ("407 Proxy Authentication Required", True, "user and password"),
        ("403 Forbidden", True, "NO_PROXY"),
        ("502 Bad Gateway", False, "NO_PROXY"),
    ],
)
def test_a_proxy_that_refuses_is_named(
    proxy: servers.Proxy, monkeypatch: pytest.MonkeyPatch, refuses: str, final: bool, hint: str
) -> None:
    """The error says that it was the proxy, without its password; only what may pass is tried again."""
    proxy.refuses = refuses
    monkeypatch.setenv("https_proxy", proxy.url.replace("http://", "http://me:hunter2@"))
    with Client() as client, pytest.raises(NetworkError) as error, client.open("https://any.example/x"):
        pass
    assert f"the proxy {proxy.url}" in str(error.value)
    assert refuses in str(error.value)
    assert "hunter2" not in str(error.value)
    assert hint in str(error.value.hint)
    assert retryable(error.value) is not final


def test_a_plain_proxys_refusal_is_not_the_servers(proxy: servers.Proxy) -> None:
    """A 407 to plain http is the proxy's, and reads like that."""
    proxy.refuses = "407 Proxy Authentication Required"
    hosts = frozenset({"any.example"})
    with Client(insecure_hosts=hosts) as client, pytest.raises(FinalNetworkError, match="the proxy"):
        client.get_json("http://any.example/x")
    assert len(proxy.asked) == 1


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that the proxy could not be reached, and which settings name it."""
    with servers.silent() as gone:
        url = f"http://me:hunter2@127.0.0.1:{gone.port}"
    monkeypatch.setenv("https_proxy", url)
    with Client() as client, pytest.raises(NetworkError) as error, client.open("https://any.example/x"):
        pass
    assert f"cannot reach the proxy http://127.0.0.1:{gone.port}" in str(error.value)
    assert "HTTPS_PROXY" in str(error.value.hint)


@pytest.fixture
def socks() -> Iterator[SocksProxy]:
    with SocksProxy() as running:
        yield running


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("login", [None, ("me", "p@ss")])
def test_https_goes_through_a_socks_proxy(
    any_example: ssl.SSLContext,
    socks: SocksProxy,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    login: tuple[str, str] | None,
) -> None:
    """The proxy is told the name, and its password; the credential and the bytes are with the server alone."""
    socks.login = login
    user = "me:p%40ss@" if login else ""
    monkeypatch.setenv("all_proxy", f"{scheme}://{user}127.0.0.1:{socks.port}")
    rule = Rule("any.example", None, None, {"Authorization": "Bearer secret"}, "test")
    data = bytes(range(256)) * 8192
    body = BytesBody(memoryview(data))
    with (
        answering(lambda _: Reply(200, {}, body), any_example) as server,
        Client(credentials=Credentials([rule])) as client,
    ):
        for _ in range(2):
            with client.open(f"https://any.example:{server.port}/x") as opened:
                assert b"".join(opened.chunks()) == data
        assert socks.asked == [("any.example", server.port)]
        assert [seen.headers["authorization"] for seen in server.log] == ["Bearer secret"] * 2


def test_plain_http_goes_through_a_socks_proxy_too(
    socks: SocksProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked as it is without a proxy, and an address is told as one."""
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{socks.port}")
    with (
        answering(lambda _: text(200, "{}")) as server,
        Client(insecure_hosts=frozenset({"any.example", "8.8.8.8"})) as client,
    ):
        for host in ("any.example", "8.8.8.8"):
            client.get_json(f"http://{host}:{server.port}/x?y=1")
        assert [seen.headers["host"] for seen in server.log] == [
            f"{host}:{server.port}" for host in ("any.example", "8.8.8.8")
        ]
        assert [seen.query for seen in server.log] == [{"y": "1"}] * 2
        assert socks.asked == [("any.example", server.port), ("\x08\x08\x08\x08", server.port)]


@pytest.mark.parametrize(
    ("login", "reply", "words", "final"),
    [
        (("me", "other"), 0, "username", True),
        (None, 5, "connection refused", False),
        (None, 99, "99", False),
    ],
)
def test_a_socks_proxy_that_refuses_is_named(
    socks: SocksProxy,
    monkeypatch: pytest.MonkeyPatch,
    login: tuple[str, str] | None,
    reply: int,
    words: str,
    final: bool,
) -> None:
    """The error says that it was the proxy, and why, without its password."""
    socks.login, socks.reply = login, reply
    monkeypatch.setenv(
        "all_proxy",
        f"socks5://me:hunter2@127.0.0.1:{socks.port}" if login else f"socks5://127.0.0.1:{socks.port}",
    )
    with (
        Client() as client,
        pytest.raises(NetworkError, match=words) as error,
        client.open("https://a.example/"),
    ):
        pass
    assert f"the proxy socks5://127.0.0.1:{socks.port}" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert retryable(error.value) is not final


def test_a_socks_proxy_that_wants_a_login_is_named(
    socks: SocksProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a user and password the error names the setting."""
    socks.login = ("me", "pw")
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{socks.port}")
    with Client() as client, pytest.raises(FinalNetworkError) as error, client.open("https://a.example/"):
        pass
    assert "user and password" in str(error.value.hint)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x05"])
def test_what_is_no_socks_proxy_is_named(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """Another server at its port, one that hangs up, or none at all: the error names the proxy."""

    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(said)

    with servers.Listener(serve) as server:
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{server.port}")
        with Client() as client, pytest.raises(NetworkError) as error, client.open("https://a.example/"):
            pass
    assert f"the proxy socks5://127.0.0.1:{server.port}" in str(error.value)


def test_a_socks_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the proxy that does not answer."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with Client() as client, pytest.raises(NetworkError) as error, client.open("https://a.example/"):
        pass
    assert "socks5://127.0.0.1:1" in str(error.value)


@pytest.mark.parametrize("socks_too", [True, False])
def test_a_proxied_redirect_is_logged_without_its_signature(
    any_example: ssl.SSLContext,
    proxy: servers.Proxy,
    socks: SocksProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    socks_too: bool,
) -> None:
    """At the most talkative level no log of any package has a signature, a token or the proxy's password."""
    caplog.set_level(logging.DEBUG)
    url = (
        f"socks5://127.0.0.1:{socks.port}"
        if socks_too
        else proxy.url.replace("http://", "http://me:hunter2@")
    )
    monkeypatch.setenv("https_proxy", url)

    def serve(request: Request) -> Reply:
        if request.path == "/signed":
            return text(200, "{}")
        return text(302, "on", {"Location": f"https://any.example:{server.port}/signed?Signature=s3cret"})

    rule = Rule("any.example", None, None, {"Authorization": "Bearer t0ken"}, "test")
    with (
        answering(serve, any_example) as server,
        Client(credentials=Credentials([rule])) as client,
    ):
        first = f"https://any.example:{server.port}/x"
        assert client.get_json(first).value == {}
        assert client.head(first, redirects="all").status == 200
        with client.open(first) as body:
            assert "s3cret" in body.url
        client.get_json(f"https://any.example:{server.port}/signed?Signature=s3cret")
    lines = [f"{record.getMessage()} {record.args}" for record in caplog.records]
    assert [line for line in lines if line.startswith("HTTP Request")]  # httpx2 does log
    assert not [line for line in lines for word in ("s3cret", "t0ken", "hunter2") if word in line]

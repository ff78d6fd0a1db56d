"""Proxies: which one, for whom, and what is said when it is the proxy's fault."""

import pytest

from modelsync.errors import ConfigError, NetworkError
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.origin import of
from modelsync.net.proxies import Proxies, Proxy
from modelsync.net.retry import FinalNetworkError, retryable
from tests.hub import Hub
from tests.hub.wire import text
from tests.support import servers
from tests.support.servers import answering


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


def test_a_socks_proxy_asks_for_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCKS needs a package that is not always there: the error names it, and else the proxy that does not answer."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with (
        Client() as client,
        pytest.raises((ConfigError, NetworkError)) as error,
        client.open("https://a.example/"),
    ):
        pass
    assert "socks5://127.0.0.1:1" in str(error.value)

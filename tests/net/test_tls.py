"""TLS: whom we trust, large bodies, and the words when it fails."""

import collections
import hashlib
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from modelsync.errors import ConfigError, NetworkError, RefusedError
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.origin import is_public
from modelsync.net.retry import FinalNetworkError
from modelsync.net.tls import client_context
from tests.hub import Cut, Hub
from tests.hub.wire import BytesBody, Reply, Request, text
from tests.support.servers import Listener, Proxy, answering, silent

DATA = os.urandom(3 * 2**20 + 17)


def test_a_hub_with_an_authority_of_its_own_is_trusted_when_the_user_says_so(
    client: Client, tls_hub: Hub
) -> None:
    """With SSL_CERT_FILE everything works over TLS: redirect, ranges, one connection for all."""
    sha = tls_hub.repo("user/tls").commit({"m.gguf": DATA})
    url = f"{tls_hub.endpoint}/user/tls/resolve/{sha}/m.gguf"
    for start, end in [(0, None), (17, 2_000_000)]:
        with client.open(url, start=start, end=end) as body:
            assert body.redirected
            data = b"".join(body.chunks())
        assert hashlib.sha256(data).digest() == hashlib.sha256(DATA[start:end]).digest()
    assert len({seen.connection for seen in tls_hub.seen("cdn")}) == 1


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another's SSL_CERT_FILE"])
def test_an_authority_may_be_one_of_a_folder(
    tls_hub: Hub, any_example: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, beside: bool
) -> None:
    """SSL_CERT_DIR is a folder as `openssl rehash` makes it; what it holds is trusted along with SSL_CERT_FILE's."""
    assert tls_hub.ca_file is not None
    (tmp_path / "ca.pem").write_bytes(tls_hub.ca_file.read_bytes())
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    if not beside:
        monkeypatch.delenv("SSL_CERT_FILE")
    with Client() as client:
        assert client.get_json(tls_hub.file("/x", b"{}")).value == {}


def test_an_unknown_authority_is_not_trusted(
    client: Client, tls_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it nothing is sent, nothing is tried again, and the hint names SSL_CERT_FILE."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(FinalNetworkError, match="cannot trust") as error:
        client.get_json(tls_hub.file("/x", b"{}"))
    assert tls_hub.plain in str(error.value)
    assert "SSL_CERT_FILE" in str(error.value.hint)
    assert tls_hub.requests == []


def test_a_certificate_for_another_name_is_not_trusted(
    tls_hub: Hub, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate must be for the host that was asked, also behind a proxy."""
    monkeypatch.setenv("https_proxy", proxy.url)
    port = tls_hub.plain.rpartition(":")[2]
    with Client() as client, pytest.raises(FinalNetworkError, match=r"cannot trust https://any\.example"):
        client.get_json(f"https://any.example:{port}/x")
    assert tls_hub.requests == []


def test_certificates_that_cannot_be_read_are_the_users_to_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An SSL_CERT_FILE that is missing or no PEM is named, instead of trusting others."""
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("nonsense")
    for path in (tmp_path / "missing.pem", nonsense):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with Client() as client, pytest.raises(ConfigError) as error, client.open("https://127.0.0.1:9/x"):
            pass
        assert f"SSL_CERT_FILE={path}" in str(error.value)


def test_a_body_that_breaks_off_under_tls_is_an_error(client: Client, tls_hub: Hub) -> None:
    """The end of the connection is not taken for the end of the file."""
    url = tls_hub.file("/cut", DATA)
    tls_hub.misbehave(Cut(1_000_000), where="plain", match="/cut")
    got = bytearray()
    with client.open(url) as body, pytest.raises(NetworkError):
        collections.deque(map(got.extend, body.chunks()))
    assert len(got) == 1_000_000
    assert DATA.startswith(got)


def test_a_port_that_speaks_no_tls_is_said_to_be_so(client: Client) -> None:
    """TLS with a plain http port fails at once, with words."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Listener(serve) as server, pytest.raises(FinalNetworkError, match="no TLS with"):
        client.get_json(f"https://127.0.0.1:{server.port}/")


def test_a_server_that_hangs_up_or_falls_silent_during_the_handshake(client: Client) -> None:
    """Both are errors of the network that may pass."""
    with (
        Listener(lambda connection: connection.close()) as server,
        pytest.raises(NetworkError) as broke,
        client.open(f"https://127.0.0.1:{server.port}/"),
    ):
        pass
    assert not isinstance(broke.value, FinalNetworkError)
    with (
        silent() as server,
        Client(timeout=0.3) as hasty,
        pytest.raises(NetworkError, match=r"0\.3 s"),
        hasty.open(f"https://127.0.0.1:{server.port}/"),
    ):
        pass


@pytest.mark.parametrize("proxy_tls", [False, True])
def test_tls_goes_through_a_tunnel(
    any_example: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, proxy_tls: bool
) -> None:
    """Behind a proxy, an https one too, the credential and the bytes are between us and the server."""

    def serve(request: Request) -> Reply:
        return Reply(200, {}, BytesBody(memoryview(DATA)))

    with Proxy(any_example if proxy_tls else None) as proxy, answering(serve, any_example) as server:
        monkeypatch.setenv("https_proxy", proxy.url)
        rule = Rule("any.example", None, None, {"Authorization": "Bearer secret"}, "test")
        with Client(credentials=Credentials([rule])) as client:
            for _ in range(2):
                with client.open(f"https://any.example:{server.port}/x") as body:
                    assert b"".join(body.chunks()) == DATA
        assert proxy.asked == [f"CONNECT any.example:{server.port} HTTP/1.1"]
        assert [seen.headers["authorization"] for seen in server.log] == ["Bearer secret"] * 2


def test_a_public_hub_cannot_send_us_to_a_name_of_this_network(
    any_example: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harmless name that resolves to an address in here is not connected to when a public host redirects to it."""
    name = socket.gethostname().lower()
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(name, 443)}
    except OSError:
        pytest.skip("this machine's own name does not resolve here")
    if any(map(is_public, addresses)):
        pytest.skip("this machine's own name is a public host's here")

    def lead_on(_: Request) -> Reply:
        return text(302, "on", {"Location": f"https://{name}/admin?token=abc"})

    with Proxy() as proxy, answering(lead_on, any_example) as server:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", name)
        with Client() as client, pytest.raises(RefusedError, match="not a public one") as error:
            client.get_json(f"https://any.example:{server.port}/x")
        assert len(server.log) == 1
    assert "abc" not in str(error.value)


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there, truststore is always asked")
def test_the_systems_certificates_are_found_wherever_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """OpenSSL's own places suffice where they hold any; else truststore knows the others. Both check the server."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    paths = ssl.get_default_verify_paths()
    kinds = []
    for file in (__file__, ""):
        found = paths._replace(cafile=file, capath=str(tmp_path))
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda found=found: found)
        context = client_context()
        kinds.append(type(context).__module__)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert kinds == ["ssl", "truststore._api"]

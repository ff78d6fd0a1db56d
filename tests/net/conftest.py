"""A client per test, and a hub that speaks TLS."""

from collections.abc import Iterator

import pytest

from modelsync.net.client import Client
from tests.hub import Hub
from tests.net.servers import Proxy


@pytest.fixture
def client() -> Iterator[Client]:
    """A client without credentials."""
    with Client() as made:
        yield made


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy on loopback that the environment names for http and https."""
    with Proxy() as running:
        monkeypatch.setenv("HTTP_PROXY", running.url)
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        monkeypatch.setenv("http_proxy", running.url)
        yield running


@pytest.fixture(scope="session")
def _tls_hub() -> Iterator[Hub]:
    with Hub(tls=True) as running:
        yield running


@pytest.fixture
def tls_hub(_tls_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub that speaks https, whose authority is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(_tls_hub.ca_file))
    _tls_hub.clear()
    return _tls_hub

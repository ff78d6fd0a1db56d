"""A client per test, a proxy, a hub that speaks TLS, and a certificate for a host of the open Internet."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsync.net.client import Client
from tests.hub import Hub
from tests.support.servers import proxy as proxy


@pytest.fixture
def client() -> Iterator[Client]:
    """A client without credentials."""
    with Client() as made:
        yield made


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


@pytest.fixture(scope="session")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "any.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += [
        "-days",
        "2",
        "-subj",
        "/CN=any.example",
        "-keyout",
        str(path),
        "-out",
        str(path.with_suffix(".crt")),
    ]
    command += ["-addext", "subjectAltName = DNS:any.example, IP:127.0.0.1"]
    command += ["-addext", "keyUsage = critical, keyCertSign, digitalSignature"]
    subprocess.run(command, check=True, capture_output=True)
    with path.open("a") as file:
        file.write(path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def any_example(_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server needs to be `any.example` (or 127.0.0.1) over TLS; its certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(_certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate)
    return context

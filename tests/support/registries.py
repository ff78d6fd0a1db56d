"""Container registries on the loopback: CNCF distribution as Debian packages it, and a token server for it."""

import base64
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import pytest

from modelsync.registry.repository import MANIFEST
from tests.hub.server import Server
from tests.hub.tls import _openssl, make_authority
from tests.hub.wire import Reply, Request, text
from tests.support.content import sha256
from tests.support.servers import answering

USER, PASSWORD = "me", "pw-of-the-test"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
# bcrypt of the password, cost 5: the registry takes no other hash
HTPASSWD = "me:$2a$05$kw8iWjYWl59.Uc7z0jHQ2OI.wU.sVTYoTOM8qvUnI0Fvg059m1bfK\n"

needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None,
    reason="docker-registry is not installed (apt install docker-registry)",
)
needs_skopeo = pytest.mark.skipif(
    shutil.which("skopeo") is None, reason="skopeo is not installed (apt install skopeo)"
)
needs_umoci = pytest.mark.skipif(
    shutil.which("umoci") is None, reason="umoci is not installed (apt install umoci)"
)


class Registry(NamedTuple):
    """A running registry.

    Attributes:
        host: `127.0.0.1:port`.
        url: With its scheme.
        root: Where it keeps what it was given.
        ca: The certificate to trust, where it speaks TLS.
        log: What it said.
    """

    host: str
    url: str
    root: Path
    ca: Path | None
    log: Path

    def blob(self, digest: str) -> Path:
        """Where it keeps a blob."""
        kind, _, hexes = digest.partition(":")
        return self.root / "docker/registry/v2/blobs" / kind / hexes[:2] / hexes / "data"

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path with its query, and status of each request so far."""
        return [each[:3] for each in self._answers()]

    @property
    def sent(self) -> int:
        """Bytes of the bodies of all its answers so far."""
        return sum(count for *_, count in self._answers())

    def _answers(self) -> list[tuple[str, str, int, int]]:
        found = []
        for line in self.log.read_text().splitlines():
            _, quote, rest = line.partition('] "')
            if quote and " HTTP/" in rest:
                method, target, _ = rest.split(" ", 2)
                status, count, *_ = rest.partition('" ')[2].split(" ")
                found.append((method, target, int(status), int(count)))
        return found


@contextlib.contextmanager
def registry(
    folder: Path, *, auth: dict[str, Any] | None = None, tls: bool = False, port: int = 0, **more: Any
) -> Iterator[Registry]:
    """Runs a registry of its own.

    Args:
        folder: For what it keeps.
        auth: Its `auth` section.
        port: Where it listens; 0: any free one.
        tls: Whether it speaks https, with a certificate of `make_authority`.
        more: Further sections.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    http: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": "x"}
    ca = None
    if tls:
        ca, _ = make_authority(folder)
        http["tls"] = {"certificate": str(folder / "leaf.pem"), "key": str(folder / "leaf.key")}
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "root")}, "delete": {"enabled": True}},
        "http": http,
        **({"auth": auth} if auth else {}),
        **more,
    }
    path, log = folder / "config.yml", folder / "log"
    path.write_text(json.dumps(config))  # JSON is YAML
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(path)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the registry did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield Registry(
            f"127.0.0.1:{port}", f"{'https' if tls else 'http'}://127.0.0.1:{port}", folder / "root", ca, log
        )
    finally:
        process.terminate()
        process.wait(30)


def htpasswd(folder: Path) -> dict[str, Any]:
    """The `auth` section of a registry that wants a user and a password."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "htpasswd"
    path.write_text(HTPASSWD)
    return {"htpasswd": {"realm": "the test", "path": str(path)}}


class TokenServer:
    """Gives tokens for the user's password, as the registry of `auth` takes them.

    Attributes:
        said: The seconds that a token is said to live.
        asked: The query, or the form, of each request for one.
        auth: The `auth` section of a registry.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.said: float = 300
        self.asked: list[dict[str, str]] = []
        self._key, self._certificate = folder / "token.key", folder / "token.pem"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens",
            "-keyout", self._key, "-out", self._certificate,
        )  # fmt: skip
        self._server: Server | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        """Runs it; gives the `auth` section."""
        with answering(self._answer) as server:
            yield {
                "token": {
                    "realm": f"{server.url}/token",
                    "service": "s",
                    "issuer": "i",
                    "rootcertbundle": str(self._certificate),
                }
            }

    def _answer(self, request: Request) -> Reply:
        self.asked.append(request.query)
        if request.headers.get("authorization") != BASIC:
            return text(401, "no")
        now = int(time.time())
        scopes = [value.split(":") for value in _all(request, "scope")]
        access = [
            {"type": kind, "name": name, "actions": actions.split(",")} for kind, name, actions in scopes
        ]
        claims = {"iss": "i", "sub": USER, "aud": "s", "nbf": now - 60, "iat": now, "access": access}
        claims["exp"] = now + 300
        body = json.dumps({"token": self._signed(claims), "expires_in": self.said})
        return text(200, body)

    def _signed(self, claims: dict[str, Any]) -> str:
        pem = self._certificate.read_text().split("-----")[2]
        head = {"alg": "RS256", "typ": "JWT", "x5c": ["".join(pem.split())]}
        plain = ".".join(_coded(json.dumps(each).encode()) for each in (head, claims))
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self._key)],
            input=plain.encode(),
            capture_output=True,
            check=True,
        )
        return f"{plain}.{_coded(signed.stdout)}"


def _all(request: Request, key: str) -> list[str]:
    from urllib.parse import parse_qs

    return parse_qs(request.target.partition("?")[2]).get(key, [])


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def log_in(home: Path, *hosts: str, **entry: str) -> Path:
    """Writes docker's configuration as `docker login` does; returns its path."""
    path = home / ".docker" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = entry or {"auth": BASIC.partition(" ")[2]}
    path.write_text(json.dumps({"auths": dict.fromkeys(hosts, said)}))
    return path


def put_blobs(
    there: Registry, repository: str, blobs: Iterable[bytes], authorization: str | None = None
) -> None:
    """Puts blobs into a repository of a registry that is open, or takes this `Authorization`."""
    headers = {"Authorization": authorization} if authorization else {}
    trusted = None if there.ca is None else ssl.create_default_context(cafile=str(there.ca))
    for data in blobs:
        begun = urllib.request.Request(
            f"{there.url}/v2/{repository}/blobs/uploads/", b"", headers, method="POST"
        )
        with urllib.request.urlopen(begun, context=trusted) as answer:
            location = urljoin(there.url, answer.headers["Location"])
        joint = "&" if "?" in location else "?"
        whole = urllib.request.Request(
            f"{location}{joint}digest=sha256:{sha256(data)}",
            data,
            {**headers, "Content-Type": "application/octet-stream"},
            method="PUT",
        )
        urllib.request.urlopen(whole, context=trusted).close()


def fetched(url: str, accept: str = "*/*", authorization: str | None = None) -> bytes:
    """What is at an address of a registry."""
    headers = {"Accept": accept, **({"Authorization": authorization} if authorization else {})}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return bytes(answer.read())


def url(target: str, *rest: str) -> str:
    """An address of a repository that is given as `oci://host/name`."""
    host, _, name = target.removeprefix("oci://").partition("/")
    return "/".join([f"http://{host}/v2/{name}", *rest])


def manifest(target: str, tag: str, accept: str = MANIFEST) -> dict[str, Any]:
    """A manifest, by tag or digest."""
    value: dict[str, Any] = json.loads(fetched(url(target, "manifests", tag), accept))
    return value


def asked(running: Registry, since: int) -> list[tuple[str, str, int]]:
    """The requests since then, but for the one that finds out whether the registry speaks https."""
    return [each for each in running.requests[since:] if each[1] != "/v2/"]


def blobs_asked(running: Registry, since: int) -> list[str]:
    """The digests of blobs that were asked for since then."""
    return [
        target.rpartition("/")[2]
        for method, target, _ in running.requests[since:]
        if "/blobs/" in target and method == "GET"
    ]

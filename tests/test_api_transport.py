"""The keywords `transport=` and `auth=`: a network of the caller's own, and hosts that sign requests."""

import inspect
import logging
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import httpx2
import pytest

import modelsync
from modelsync.errors import NetworkError
from tests.hub import Hub
from tests.support.content import gguf
from tests.support.project import REPO

SECRET = "hf_the_users_own_token"
ENDPOINT = "https://hub.example"


class Elsewhere(httpx2.BaseTransport):
    """A network on which `hub.example` and `cdn.example` are the test's hub and its CDN.

    Attributes:
        asked: Every request, as it came in.
    """

    def __init__(self, hub: Hub) -> None:
        self.asked: list[httpx2.Request] = []
        self._there = {ENDPOINT: hub.endpoint, "https://cdn.example": hub.cdn}
        self._theirs = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        there = httpx2.URL(self._there[f"https://{request.url.host}"])
        url = request.url.copy_with(scheme="http", host=there.host, port=there.port)
        answer = self._theirs.handle_request(
            httpx2.Request(request.method, url, headers=request.headers, stream=request.stream)
        )
        location = answer.headers.get("location", "")
        for ours, theirs in self._there.items():
            location = location.replace(theirs, ours)
        if location:
            answer.headers["location"] = location
        return answer

    def close(self) -> None:
        self._theirs.close()


@pytest.fixture
def network(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """A hub that only such a transport reaches, a project, and a user with a token for it."""
    monkeypatch.setenv("HF_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.chdir(tmp_path)
    hub.tokens.add(SECRET)
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("q4", 2**20)})
    (tmp_path / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    network = Elsewhere(hub)
    yield network
    network.close()


def test_a_sync_over_a_network_of_the_callers_own(
    network: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    """Documents and bytes come over it, the hub alone is told the token, and no log shows a secret."""
    caplog.set_level(logging.DEBUG)
    modelsync.lock(transport=network)
    modelsync.sync(transport=network)
    assert modelsync.path("tiny", transport=network).read_bytes() == gguf("q4", 2**20)
    told = {request.url.host: request.headers.get("authorization") for request in network.asked}
    assert told == {"hub.example": f"Bearer {SECRET}", "cdn.example": None}
    assert_no_secret_logged(caplog)


def assert_no_secret_logged(caplog: pytest.LogCaptureFixture) -> None:
    # What httpcore2 logs is the business of who brings a transport that stands on it.
    records = [record for record in caplog.records if not record.name.startswith("httpcore2")]
    lines = [f"{record.getMessage()} {record.args}" for record in records]
    assert [line for line in lines if line.startswith("HTTP Request")]
    assert not [line for line in lines for word in (SECRET, "Signature", "s3venth") if word in line]


def test_a_sync_logs_no_secret(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With all loggers at DEBUG no token and no signed address is in a line; nothing of httpcore2 is used at all."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.chdir(tmp_path)
    hub.tokens.add(SECRET)
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("q4", 2**20)})
    url = hub.file("/direct.gguf", gguf("direct"))
    (tmp_path / "models.toml").write_text(
        f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\ndirect = "{url}?edition=s3venth"\n'
    )
    modelsync.sync()
    assert hub.seen("cdn")
    assert hub.seen("plain")
    assert_no_secret_logged(caplog)
    assert not [record for record in caplog.records if record.name.startswith("httpcore2")]


@pytest.mark.parametrize(
    "call",
    [
        lambda **more: modelsync.pull(f"hf:{REPO}:Q4_K_M", **more)[0].model,
        lambda **more: modelsync.path(f"hf:{REPO}:Q4_K_M", **more),
        lambda **more: modelsync.files(f"hf:{REPO}:Q4_K_M", **more).model,
    ],
)
def test_what_fetches_does_so_over_it(network: Elsewhere, call: Callable[..., Path]) -> None:
    """Without it, this hub cannot be reached."""
    assert call(transport=network).read_bytes() == gguf("q4", 2**20)
    assert network.asked


def test_inspect_estimate_and_repair_use_it_too(network: Elsewhere, hub: Hub, tiny_gguf: Path) -> None:
    """Whatever asks a server asks it so."""
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": tiny_gguf})
    assert modelsync.inspect(f"hf:{REPO}:Q4_K_M", transport=network).metadata
    count = len(network.asked)
    assert modelsync.estimate(f"hf:{REPO}:Q4_K_M", transport=network)
    assert len(network.asked) > count
    path = modelsync.path(f"hf:{REPO}:Q4_K_M", transport=network)
    modelsync.sync(transport=network)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    count = len(network.asked)
    modelsync.verify(repair=True, transport=network)
    assert path.read_bytes() == tiny_gguf.read_bytes()
    assert len(network.asked) > count


class Signing(httpx2.Auth):
    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["X-Signature"] = "s1gned"
        yield request


def test_a_host_that_signs_is_told_and_no_other(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests to the origin of `auth=` are signed; the CDN, and a URL of the manifest elsewhere, see nothing."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.chdir(tmp_path)
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("q4", 2**20)})
    other = hub.file("/evil.gguf", gguf("evil"))
    (tmp_path / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\nevil = "{other}"\n')
    modelsync.sync(auth={hub.endpoint: Signing()})
    assert {seen.headers.get("x-signature") for seen in hub.seen("hub")} == {"s1gned"}
    assert hub.seen("cdn")
    assert hub.seen("plain")
    for seen in (*hub.seen("cdn"), *hub.seen("plain")):
        assert "s1gned" not in str(dict(seen.headers))


def test_an_endpoint_of_the_manifest_is_not_what_auth_is_for(
    network: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that names another hub gets neither the token nor the signature."""
    monkeypatch.delenv("HF_ENDPOINT")
    (tmp_path / "models.toml").write_text(
        f'[modelsync]\nendpoint = "{ENDPOINT}"\n[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'
    )
    modelsync.sync(transport=network, auth={"https://huggingface.co": Signing()})
    assert network.asked
    for request in network.asked:
        assert SECRET not in str(request.headers.raw)
        assert "x-signature" not in request.headers


def test_a_mock_that_says_nonsense_is_an_error_of_ours(network: Elsewhere) -> None:
    """Nothing but `ModelsyncError` comes out of a call, whatever a transport answers."""
    nonsense = httpx2.MockTransport(lambda _: httpx2.Response(200, html="<html>login</html>"))
    with pytest.raises(NetworkError, match="JSON"):
        modelsync.lock(transport=nonsense)


def test_every_call_that_fetches_takes_both() -> None:
    """With the same names and types, as keywords."""
    for name in ("path", "files", "load", "sync", "pull", "lock", "verify", "inspect", "estimate"):
        parameters = inspect.signature(getattr(modelsync, name)).parameters
        for keyword, kind in (
            ("transport", "httpx2.BaseTransport | None"),
            ("auth", "Mapping[str, httpx2.Auth] | None"),
        ):
            assert parameters[keyword].annotation == kind
            assert parameters[keyword].kind is inspect.Parameter.KEYWORD_ONLY
            assert parameters[keyword].default is None

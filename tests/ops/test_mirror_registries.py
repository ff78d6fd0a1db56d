"""Registries as mirrors: logins, tokens, TLS, redirects, and all that one may do wrong."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import modelsync
from modelsync.context import CallOptions
from modelsync.errors import ModelsyncError
from modelsync.install.report import SyncReport
from modelsync.ops import lock, sync
from modelsync.project.project import Project
from tests.hub.wire import Reply, Request, text
from tests.support.content import gguf, sha256
from tests.support.mirrors import BAD_ANSWERS, Odd, places_of, ranged, registry_mirror
from tests.support.project import REPO, Opened, Place, sync_options
from tests.support.registries import (
    BASIC,
    TokenServer,
    htpasswd,
    log_in,
    needs_registry,
    put_blobs,
    registry,
)
from tests.support.servers import answering
from tests.support.units import MiB

DATA = gguf("registry")
LARGE = b"GGUF" + random.Random(18).randbytes(20 * MiB)
FROZEN = sync_options(frozen=True)


@pytest.fixture
def locked(place: Place, opened: Opened, home: Path) -> Project:
    """A project that wants one file; nothing of it is here."""
    return wanting(place, opened, DATA)


def wanting(place: Place, opened: Opened, data: bytes) -> Project:
    """A project that wants these bytes."""
    place.repo.commit({"m.gguf": data})
    project = place.write(f'[models]\nm = "hf:{REPO}/m.gguf"\n')
    lock.lock(opened(), project)
    place.hub.clear()
    return place.project


def synced(
    opened: Opened,
    project: Project,
    mirror: str,
    said: list[str] | None = None,
    *,
    only: bool = False,
    jobs: int | None = None,
) -> SyncReport:
    """Syncs as the lock says."""
    warn = None if said is None else said.append
    options = CallOptions(mirrors=[mirror], mirror_only=only, jobs=jobs)
    return sync.sync(opened(options, warn=warn), project, FROZEN)


@needs_registry
def test_a_login_over_tls(
    place: Place, locked: Project, opened: Opened, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry with htpasswd: without a login it is left alone with a word, with one it gives the file."""
    with registry(tmp_path / "r", auth=htpasswd(tmp_path / "r"), tls=True) as there:
        monkeypatch.setenv("SSL_CERT_FILE", str(there.ca))
        put_blobs(there, "team/models", [DATA], BASIC)
        mirror = f"oci://{there.host}/team/models"
        with pytest.raises(ModelsyncError) as error:
            synced(opened, locked, mirror, only=True)
        assert "docker login" in f"{error.value} {error.value.hint}"
        log_in(home, there.host)
        assert places_of(synced(opened, locked, mirror, only=True)) == [mirror]
    assert place.hub.seen() == []


@needs_registry
def test_a_registry_that_wants_a_login_costs_a_word(locked: Project, opened: Opened, tmp_path: Path) -> None:
    """Where its origin may be asked, the file comes from there."""
    said: list[str] = []
    with registry(tmp_path / "r", auth=htpasswd(tmp_path / "r")) as there:
        mirror = f"oci://{there.host}/team/models"
        assert places_of(synced(opened, locked, mirror, said)) == [None]
    assert [words for words in said if "is left alone" in words and mirror in words] == said
    assert len(said) == 1


@needs_registry
@pytest.mark.parametrize("life", [300, 0.01])
def test_a_token_server(
    life: float, place: Place, opened: Opened, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens for pulling alone are asked for with the login, and renewed when their life is over."""
    project = wanting(place, opened, LARGE)
    monkeypatch.chdir(place.folder)
    modelsync.sync()
    tokens = TokenServer(tmp_path / "tokens")
    with tokens.running() as auth, registry(tmp_path / "r", auth=auth) as there:
        log_in(home, there.host)
        mirror = f"oci://{there.host}/team/models"
        modelsync.push(mirror)
        monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another"))
        place.hub.clear()
        tokens.said = life
        tokens.asked.clear()
        report = synced(opened, project, mirror, only=True)
        assert places_of(report) == [mirror]
        assert {each["scope"] for each in tokens.asked} == {"repository:team/models:pull"}
        assert (len(tokens.asked) > 1) is (life < 1)
    assert place.hub.seen() == []


ODD: dict[str, Odd] = {
    **BAD_ANSWERS,
    "a failure": lambda _, __: text(503, "no"),
    "a realm over http": lambda _, __: text(
        401, "", {"WWW-Authenticate": 'Bearer realm="http://realm.example/token",service="s",scope="x"'}
    ),
    "a realm without a token": lambda request, _: text(
        401,
        "",
        {"WWW-Authenticate": f'Bearer realm="http://{request.headers["host"]}/page",service="s",scope="x"'},
    ),
    "a redirect to what is not there": lambda _, __: text(307, "", {"Location": "http://127.0.0.1:9/x"}),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_bad_registry_costs_one_try_and_a_word(
    odd: str, locked: Project, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The origin gives the file; no secret is in the word, and nothing of a wrong answer is published."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.5")
    said: list[str] = []
    with registry_mirror([DATA], ODD[odd]) as mirror:
        host = mirror.url.split("/")[2]
        log_in(home, host, username="me", password="s3cret-of-me")
        report = synced(opened, locked, mirror.url, said)
        blobs = [digest for method, digest, _ in mirror.asked if method == "GET" and len(digest) == 64]
    assert places_of(report) == [None]
    assert [words for words in said if "is left alone" in words and mirror.url in words] == said
    assert len(said) == 1
    assert len(blobs) == 1
    assert "s3cret" not in " ".join(said)
    blob_headers = [
        headers for path, headers in zip(mirror.paths, mirror.headers, strict=True) if "/blobs/" in path
    ]
    assert all("authorization" not in headers for headers in blob_headers)


def test_a_registry_that_says_it_has_and_has_not(locked: Project, opened: Opened) -> None:
    """A HEAD that says yes is not believed: what the GET lacks comes from the origin, without a warning."""
    said: list[str] = []
    odd: Odd = lambda request, data: (  # noqa: E731
        text(200, "") if request.method == "HEAD" else text(404, '{"errors": [{"code": "BLOB_UNKNOWN"}]}')
    )
    with registry_mirror([DATA], odd) as mirror:
        assert places_of(synced(opened, locked, mirror.url, said)) == [None]
    assert said == []


@pytest.mark.parametrize("name", [None, "sha256:" + "0" * 64])
def test_the_digest_that_a_registry_names_does_not_matter(
    name: str | None, place: Place, locked: Project, opened: Opened
) -> None:
    """`Docker-Content-Digest` is missing, or that of another blob: the bytes decide."""

    def odd(request: Request, data: bytes) -> Reply:
        reply = ranged(request, data)
        return replace(reply, headers={**reply.headers, **({"Docker-Content-Digest": name} if name else {})})

    with registry_mirror([DATA], odd) as mirror:
        assert places_of(synced(opened, locked, mirror.url, only=True)) == [mirror.url]
    assert place.hub.seen() == []


class Guarded:
    """A registry that takes each token for so many requests; its realm gives the next one for the password.

    Attributes:
        given: How many tokens it gave.
        refused: How many blobs it refused.
    """

    def __init__(self, uses: int, *, gives: int = 99) -> None:
        self._uses = uses
        self._gives = gives
        self._left = 0
        self.given = self.refused = 0

    def __call__(self, request: Request, data: bytes) -> Reply:
        host = request.headers["host"]
        if request.path == "/token":
            if request.headers.get("authorization") != BASIC or self.given >= self._gives:
                return text(403, "no")
            self.given += 1
            self._left = self._uses
            return text(200, json.dumps({"token": f"t0ken-{self.given}"}))
        if request.token != f"t0ken-{self.given}" or self._left <= 0:
            self.refused += 1
            challenge = f'Bearer realm="http://{host}/token",service="s",scope="repository:team/models:pull"'
            return text(401, "", {"WWW-Authenticate": challenge})
        self._left -= 1
        return ranged(request, data)


def test_a_token_that_ends_in_the_middle_is_renewed(place: Place, opened: Opened, home: Path) -> None:
    """Ranges that are refused get a new token; all of the file comes from the registry."""
    project = wanting(place, opened, LARGE)
    guard = Guarded(uses=1)
    with registry_mirror([LARGE], guard) as mirror:
        log_in(home, mirror.url.split("/")[2])
        # One connection: of two, one could use up the token that the other has just got.
        report = synced(opened, project, mirror.url, only=True, jobs=1)
    assert places_of(report) == [mirror.url]
    assert report.bytes_fetched == len(LARGE)
    assert guard.given > 1
    assert place.hub.seen() == []


def test_a_401_in_the_middle_goes_on_elsewhere(place: Place, opened: Opened, home: Path) -> None:
    """A registry that gives no second token is left alone with a word; what it brought is not fetched again."""
    project = wanting(place, opened, LARGE)
    said: list[str] = []
    guard = Guarded(uses=1, gives=1)
    with registry_mirror([LARGE], guard) as mirror:
        log_in(home, mirror.url.split("/")[2])
        report = synced(opened, project, mirror.url, said)
    assert places_of(report) == [None]
    assert report.bytes_fetched == len(LARGE)
    assert sum(seen.sent for seen in place.hub.seen("cdn", method="GET")) < len(LARGE)
    assert len(said) == 1
    assert "is left alone" in said[0]


@contextmanager
def storage(data: bytes) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Where a registry redirects to, under another name of this machine; the headers of each request there."""
    seen: list[dict[str, str]] = []

    def serve(request: Request) -> Reply:
        seen.append(dict(request.headers))
        return ranged(request, data)

    with answering(serve) as behind:
        yield behind.url.replace("127.0.0.1", "localhost"), seen


def test_storage_gets_no_credentials(place: Place, opened: Opened, home: Path) -> None:
    """A registry that redirects blobs: the range goes along, the token does not, and the file comes."""
    project = wanting(place, opened, LARGE)
    guard = Guarded(uses=99)
    with storage(LARGE) as (there, seen):

        def odd(request: Request, data: bytes) -> Reply:
            reply = guard(request, data)
            return (
                text(307, "", {"Location": f"{there}/x?sig=1"})
                if reply.status in (200, 206) and data
                else reply
            )

        with registry_mirror([LARGE], odd) as mirror:
            log_in(home, mirror.url.split("/")[2])
            report = synced(opened, project, mirror.url, only=True)
            tokens = [headers["authorization"] for headers in mirror.headers if "authorization" in headers]
    assert places_of(report) == [mirror.url]
    assert "Bearer t0ken-1" in tokens
    assert seen
    assert any("range" in headers for headers in seen)
    assert all("authorization" not in headers for headers in seen)
    assert place.hub.seen() == []


def test_mirrors_of_one_registry_have_tokens_of_their_own(opened: Opened, place: Place, home: Path) -> None:
    """A file that one repository lacks is asked of the next, each with the token for itself."""
    project = wanting(place, opened, DATA)
    scopes: list[str] = []

    def serve(request: Request) -> Reply:
        repository = "/".join(request.path.split("/")[2:4])
        if request.path == "/v2/":
            return text(200, "{}")
        if request.path == "/token":
            scopes.append(request.query["scope"])
            return text(200, json.dumps({"token": request.query["scope"]}))
        scope = f"repository:{repository}:pull"
        if request.token != scope:
            realm = f"http://{request.headers['host']}/token"
            return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="{scope}"'})
        right = repository == "team/second" and request.path.endswith(sha256(DATA))
        return ranged(request, DATA) if right else text(404, "no")

    with answering(serve) as server:
        host = server.url.partition("://")[2]
        mirrors = [f"oci://{host}/team/first", f"oci://{host}/team/second"]
        report = sync.sync(opened(CallOptions(mirrors=mirrors, mirror_only=True)), project, FROZEN)
    assert places_of(report) == [mirrors[1]]
    assert set(scopes) == {"repository:team/first:pull", "repository:team/second:pull"}

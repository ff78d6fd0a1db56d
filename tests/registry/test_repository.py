"""What a registry may do wrong, said by a server of the test's own, and what becomes of it."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from modelsync.errors import (
    GatedError,
    HashMismatchError,
    HttpStatusError,
    ModelsyncError,
    NetworkError,
    RefusedError,
)
from modelsync.net.client import Client
from modelsync.net.logins import Login
from modelsync.registry.repository import INDEX, MANIFEST, Repository, digest_of
from modelsync.registry.upload import Blob, mount, upload
from tests.hub.server import Server
from tests.hub.wire import Delivery, Reply, Request, text
from tests.support.servers import Proxy, answering, saying
from tests.support.token_server import BASIC, LOGIN, OneLogin

DATA = b"GGUF" + bytes(range(256)) * 5000
DIGEST = digest_of(DATA)
UPLOADS = "/v2/a/b/blobs/uploads/"
Answer = Callable[[Request], Reply]


def blob(data: bytes = DATA, opened: Callable[[], BinaryIO] | None = None) -> Blob:
    return Blob(digest_of(data), len(data), opened or (lambda: io.BytesIO(data)))


def repository(server: Server, client: Client) -> Repository:
    return Repository(client, server.url.partition("//")[2], "a/b")


class Fake:
    """A registry that takes one upload a session, by the book.

    Attributes:
        stored: What it was given, by digest.
        first: What it answers to the first PUTs instead.
        begun: What it answers to a POST, or None: by the book.
    """

    def __init__(self, *first: Answer, begun: Answer | None = None) -> None:
        self.stored: dict[str, bytes] = {}
        self.first = list(first)
        self.begun = begun
        self.puts = 0

    def __call__(self, request: Request) -> Reply:
        if request.path == "/v2/":
            return text(200, "{}")
        if request.method == "POST":
            return self.begun(request) if self.begun else text(202, "", {"Location": f"{UPLOADS}1?_state=s"})
        if request.method == "PUT":
            self.puts += 1
            if self.first:
                return self.first.pop(0)(request)
            return self.store(request)
        name = request.path.rpartition("/")[2]
        return (
            text(200, "GGUF" * (len(DATA) // 4))
            if name in self.stored
            else said(404, "BLOB_UNKNOWN", "unknown")
        )

    def store(self, request: Request) -> Reply:
        """Stores a body if it has the digest that is said."""
        digest = request.query.get("digest", "")
        if digest_of(request.body) != digest:
            return said(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.stored[digest] = request.body
        return text(201, "")


def said(status: int, code: str, words: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": words, "detail": None}]})
    return text(status, body, {"Content-Type": "application/json"})


def test_one_put_brings_a_blob() -> None:
    """A session, one PUT with its query kept, and all bytes; no answer has to name the digest."""
    fake = Fake()
    with answering(fake) as server, Client() as client:
        upload(repository(server, client), blob())
        [put] = [seen for seen in server.log if seen.method == "PUT"]
        assert put.query == {"_state": "s", "digest": DIGEST}
    assert fake.stored == {DIGEST: DATA}


@pytest.mark.parametrize(
    "first",
    [
        lambda request: text(503, "later"),
        lambda request: said(404, "BLOB_UPLOAD_UNKNOWN", "no such session"),
        lambda request: said(416, "RANGE_INVALID", "no"),
        lambda request: Reply(200, delivery=Delivery(drop=True)),
    ],
    ids=["503", "the session is gone", "416", "no answer"],
)
def test_a_broken_upload_begins_anew(first: Answer) -> None:
    """With a new session and all bytes; progress goes back to where it began."""
    fake = Fake(first)
    counted: list[int] = []
    with answering(fake) as server, Client() as client:
        upload(repository(server, client), blob(), on_bytes=counted.append)
        assert [seen.method for seen in server.log if seen.path != "/v2/"].count("POST") == 2
    assert fake.stored == {DIGEST: DATA}
    assert sum(counted) == len(DATA)
    assert min(counted) == -len(DATA)


def test_what_is_complete_is_not_sent_again() -> None:
    """Where only the answer was lost, the registry is asked whether it has the blob."""
    fake = Fake()

    def lost(request: Request) -> Reply:
        fake.store(request)
        return text(500, "the answer is lost")

    fake.first = [lost]
    with answering(fake) as server, Client() as client:
        upload(repository(server, client), blob())
    assert fake.puts == 1


def test_other_bytes_than_the_digest_says_are_told() -> None:
    """The registry's refusal is one of the file here, and no more is sent."""
    fake = Fake()
    with answering(fake) as server, Client() as client, pytest.raises(HashMismatchError, match="other bytes"):
        upload(repository(server, client), blob(opened=lambda: io.BytesIO(b"x" * len(DATA))))
    assert (fake.puts, fake.stored) == (1, {})


def test_a_file_of_another_length_is_not_sent() -> None:
    """It is told before the first byte."""
    fake = Fake()
    with answering(fake) as server, Client() as client, pytest.raises(HashMismatchError, match="bytes long"):
        upload(repository(server, client), blob(opened=lambda: io.BytesIO(b"short")))
    assert fake.puts == 0


def test_a_refusal_is_told_in_the_registrys_words() -> None:
    """And tried once; a body that is too large has a hint of its own."""
    fake = Fake(lambda _: said(413, "SIZE_INVALID", "this layer is too large"))
    with answering(fake) as server, Client() as client, pytest.raises(HttpStatusError) as error:
        upload(repository(server, client), blob())
    assert "this layer is too large" in str(error.value)
    assert "limit" in str(error.value.hint)
    assert fake.puts == 1


def test_a_repository_that_has_to_be_made_first_is_told() -> None:
    """A registry that makes no repository for a push says so; the hint names the repository."""
    words = "The repository with name 'a/b' does not exist in the registry"
    fake = Fake(begun=lambda _: said(404, "NAME_UNKNOWN", words))
    with answering(fake) as server, Client() as client, pytest.raises(HttpStatusError) as error:
        upload(repository(server, client), blob())
    assert words in str(error.value)
    assert "make the repository a/b" in str(error.value.hint)


def test_an_upload_that_goes_on_elsewhere_gets_no_login() -> None:
    """The bytes go to the address that the registry names; the token and the login do not."""
    storage = Fake()

    def serve(request: Request) -> Reply:
        if request.path == "/token":
            return text(200, '{"token": "t0ken-of-the-test"}')
        if request.token != "t0ken-of-the-test" and request.path != "/v2/":
            realm = f"http://{request.headers['host']}/token"
            scope = "repository:a/b:pull,push"
            return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}",scope="{scope}"'})
        return Fake(begun=lambda _: text(202, "", {"Location": f"{elsewhere.url}{UPLOADS}9"}))(request)

    with answering(storage) as elsewhere, answering(serve) as server, Client(logins=OneLogin()) as client:
        upload(repository(server, client), blob())
        [put] = elsewhere.log
        assert "authorization" not in put.headers
    assert storage.stored == {DIGEST: DATA}


def test_an_upload_is_not_led_from_a_public_host_into_this_network(proxy: Proxy) -> None:
    """As with redirects: the host of the open Internet names an address of this machine, and nothing goes there."""
    fake = Fake(begun=lambda _: text(202, "", {"Location": f"http://127.0.0.1:9{UPLOADS}9"}))
    with answering(fake) as server:
        port = server.port
        hosts = frozenset({f"registry.example:{port}"})
        with Client(insecure_hosts=hosts, timeout=0.5) as client, pytest.raises(RefusedError):
            upload(Repository(client, f"registry.example:{port}", "a/b"), blob())
    assert fake.puts == 0


@pytest.mark.parametrize("there", [None, "http://[", "file:///etc/passwd", "//me:pw@host/x"])
def test_a_session_without_an_address_is_told(there: str | None) -> None:
    """An upload that began and names no address that can be asked is an error, and no crash."""
    fake = Fake(begun=lambda _: text(202, "", {"Location": there} if there else {}))
    with answering(fake) as server, Client() as client, pytest.raises(ModelsyncError):
        upload(repository(server, client), blob())


def test_a_mount_is_taken_or_given_up() -> None:
    """201 is a yes; 202 is a no whose session is ended; a refusal is a no."""
    methods = []
    for answer in (
        text(201, ""),
        text(202, "", {"Location": f"{UPLOADS}7"}),
        said(401, "UNAUTHORIZED", "no"),
    ):
        fake = Fake(begun=lambda _, answer=answer: answer)  # type: ignore[misc]
        with answering(fake) as server, Client() as client:
            taken = mount(repository(server, client), blob(), "other/repo")
            asked = [seen for seen in server.log if seen.path != "/v2/"]
            assert asked[0].query == {"mount": DIGEST, "from": "other/repo"}
            methods.append((taken, [seen.method for seen in asked]))
    assert methods == [(True, ["POST"]), (False, ["POST", "DELETE"]), (False, ["POST"])]


def test_a_token_that_ends_in_the_middle_is_renewed() -> None:
    """A registry that no longer takes its token is sent the whole blob with another one."""
    tokens, fake = iter(("first-token", "second-token")), Fake()
    valid = {"first-token"}

    def serve(request: Request) -> Reply:
        if request.path == "/token":
            return text(200, json.dumps({"access_token": next(tokens), "expires_in": 300}))
        if request.path == "/v2/":
            return text(401, "")
        if request.method == "PUT":
            valid.clear()
            valid.add("second-token")
        if request.token not in valid:
            realm, scope = f"http://{request.headers['host']}/token", "repository:a/b:pull,push"
            return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}",scope="{scope}"'})
        return fake(request)

    with answering(serve) as server, Client(logins=OneLogin()) as client:
        upload(repository(server, client), blob())
    assert fake.stored == {DIGEST: DATA}


def test_a_registry_that_goes_on_refusing_is_told() -> None:
    """A 401 to every token is the answer, with what mends it; the secret is in no word of it."""

    def serve(request: Request) -> Reply:
        if request.path == "/token":
            return text(200, '{"token": "s3cret-token"}')
        realm = f"http://{request.headers['host']}/token"
        words = said(401, "UNAUTHORIZED", f"no: {request.headers.get('authorization')}")
        challenge = f'Bearer realm="{realm}",scope="repository:a/b:pull,push"'
        return text(401, words.body.read().decode(), {"WWW-Authenticate": challenge})

    with answering(serve) as server, Client(logins=OneLogin()) as client:
        with pytest.raises(HttpStatusError) as error:
            upload(repository(server, client), blob())
        assert len([seen for seen in server.log if seen.method == "POST"]) == 2
    assert "docker login" in str(error.value.hint)
    assert "s3cret" not in str(error.value)


def test_a_basic_challenge_is_answered_with_the_login() -> None:
    """Once a repository: from then on every request has it."""

    def serve(request: Request) -> Reply:
        if request.headers.get("authorization") != BASIC and request.path != "/v2/":
            return text(401, "", {"WWW-Authenticate": 'Basic realm="r"'})
        return fake(request)

    fake = Fake()
    with answering(serve) as server, Client(logins=OneLogin()) as client:
        assert not repository(server, client).has_blob(DIGEST, len(DATA))
        upload(repository(server, client), blob())
        assert [seen.status for seen in server.log if seen.path != "/v2/"] == [401, 404, 202, 201]


def test_an_identity_token_is_posted_to_the_realm() -> None:
    """OAuth2: `grant_type=refresh_token`; where the realm knows no POST, it is asked as anybody."""
    for knows_post in (True, False):
        forms: list[str] = []

        def serve(request: Request, forms: list[str] = forms, knows_post: bool = knows_post) -> Reply:
            if request.path == "/token":
                forms.append(f"{request.method} {request.body.decode()}")
                if request.method == "POST" and not knows_post:
                    return text(404, "")
                return text(200, '{"access_token": "t0ken-of-the-test"}')
            if request.token == "t0ken-of-the-test":
                return text(200, "")
            realm, scope = f"http://{request.headers['host']}/token", "repository:a/b:pull"
            return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="{scope}"'})

        logins = OneLogin(Login("a helper", identity="id-of-the-test"))
        with answering(serve) as server, Client(logins=logins) as client:
            assert repository(server, client).has_blob(DIGEST, 0)
        assert "grant_type=refresh_token&refresh_token=id-of-the-test" in forms[0]
        assert "scope=repository%3Aa%2Fb%3Apull" in forms[0]
        assert len(forms) == (1 if knows_post else 2)


def test_no_login_goes_to_a_registry_over_plain_http(proxy: Proxy) -> None:
    """A host that may be asked over plain http is asked as anybody, though there is a login for it."""
    logins, seen = OneLogin(), []

    def serve(request: Request) -> Reply:
        seen.append(request.headers.get("authorization"))
        return text(401, "", {"WWW-Authenticate": 'Basic realm="r"'})

    with answering(serve) as server:
        host = f"registry.example:{server.port}"
        with (
            Client(logins=logins, insecure_hosts=frozenset({host}), timeout=0.5) as client,
            pytest.raises(HttpStatusError),
        ):
            Repository(client, host, "a/b").has_blob(DIGEST, 1)
    assert logins.asked == []
    assert set(seen) == {None}


def test_a_realm_that_gives_no_token_is_told() -> None:
    """A login page in its place, and a refusal; a password is in neither."""
    for status, body, kind in ((200, "<html>", NetworkError), (403, "no", GatedError)):

        def serve(request: Request, status: int = status, body: str = body) -> Reply:
            if request.path == "/token":
                return text(status, body)
            realm = f"http://{request.headers['host']}/token"
            return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}"'})

        with answering(serve) as server, Client(logins=OneLogin()) as client:
            with pytest.raises(kind) as error:
                repository(server, client).has_blob(DIGEST, 1)
            assert LOGIN.password not in f"{error.value} {error.value.hint}"


def test_a_manifest_is_hashed_here() -> None:
    """Whatever the registry says of its digest, or does not say; another one than was asked for is refused."""
    data = json.dumps({"mediaType": INDEX}).encode()

    def serve(request: Request) -> Reply:
        assert request.path == "/v2/" or MANIFEST in request.headers["accept"]
        return text(200, data.decode(), {"Content-Type": "text/plain"})

    with answering(serve) as server, Client() as client:
        there = repository(server, client)
        found = there.manifest("tag")
        assert found is not None
        assert found == (data, digest_of(data), INDEX)
        assert there.manifest(digest_of(data)) == found
        with pytest.raises(HashMismatchError):
            there.manifest(f"sha256:{hashlib.sha256(b'other').hexdigest()}")


def test_a_head_that_is_redirected_means_that_it_is_there() -> None:
    """A signed address may refuse a HEAD, so it is not asked; an address within the registry is."""
    with answering(lambda _: text(403, "")) as storage:

        def serve(request: Request) -> Reply:
            return (
                text(200, "") if request.path == "/v2/" else text(307, "", {"Location": f"{storage.url}/x"})
            )

        with answering(serve) as server, Client() as client:
            assert repository(server, client).has_blob(DIGEST, 1)
        assert storage.log == []


def test_bytes_that_storage_serves_are_asked_for_without_the_token(tmp_path: Path) -> None:
    """A range goes along with the redirect, and no credential does."""
    with answering(lambda request: text(206, "GG", {"Content-Range": "bytes 0-1/9"})) as storage:

        def serve(request: Request) -> Reply:
            if request.path == "/token":
                return text(200, '{"token": "t0ken-of-the-test"}')
            if request.token:
                return text(307, "", {"Location": f"{storage.url}/x"})
            realm, scope = f"http://{request.headers['host']}/token", "repository:a/b:pull"
            return text(401, "", {"WWW-Authenticate": f'Bearer realm="{realm}",scope="{scope}"'})

        with answering(serve) as server, Client(logins=OneLogin()) as client:
            url = repository(server, client).blob_url(DIGEST)
            with client.open(url, start=0, end=2) as body:
                assert b"".join(body.chunks()) == b"GG"
        [asked] = storage.log
        assert "authorization" not in asked.headers
        assert asked.range == "bytes=0-1"


def test_a_registry_that_is_down_is_told() -> None:
    """Neither https nor http is answered: the error says which address."""
    with (
        saying(b"") as nothing,
        Client(timeout=0.5) as client,
        pytest.raises(NetworkError, match=r"127\.0\.0\.1"),
    ):
        Repository(client, f"127.0.0.1:{nothing.port}", "a/b").has_blob(DIGEST, 1)

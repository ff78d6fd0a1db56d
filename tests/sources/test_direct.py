"""What a URL means: a size, a strong ETag, and a sha256 only where it is known from before."""

import pytest

from modelsync.errors import GatedError, HttpStatusError, NotFoundError, RefusedError
from modelsync.sources.base import Found, Question
from modelsync.spec.uri import Reference, WebUri
from tests.hub import Chunked, Gzipped, Hub, Redirect, Status
from tests.support.source_calls import Asker, StartRun, as_locked, model, names

SHA = "ab" * 32


def test_a_url_becomes_a_file_to_be_read(hub: Hub, ask: Asker) -> None:
    """Size and ETag come from one HEAD; the file has its own name and no digest yet."""
    url = hub.file("/files/model-Q8_0.gguf", model("x"), etag='"abc"')
    assert ask(url).files == (Found("model", "model-Q8_0.gguf", url, 5, None, "abc"),)
    assert [(seen.method, seen.status) for seen in hub.requests] == [("HEAD", 200)]


def test_an_encoded_name_is_decoded(hub: Hub, ask: Asker) -> None:
    """The file's name is the URL's last part as people read it; the URL stays as it was written."""
    url = hub.file("/files/my model.gguf", model())
    assert url.endswith("my%20model.gguf")
    (file,) = ask(url).files
    assert (file.path, file.url) == ("my model.gguf", url)


def test_an_unchanged_file_keeps_its_sha256(hub: Hub, ask: Asker) -> None:
    """The ETag of the lock is asked about; a 304 brings back what the lock says."""
    url = hub.file("/m.gguf", model("x"))
    (first,) = ask(url).files
    hub.clear()
    (again,) = ask(url, previous=[as_locked(first, SHA)]).files
    assert again == first._replace(sha256=SHA)
    (seen,) = hub.requests
    assert (seen.status, seen.headers["if-none-match"]) == (304, f'"{first.etag}"')


def test_a_changed_file_is_read_again(hub: Hub, ask: Asker) -> None:
    """Another ETag means other bytes: the old sha256 is not kept."""
    url = hub.file("/m.gguf", model("x"))
    lock = as_locked(ask(url).files[0], SHA)
    hub.file("/m.gguf", model("other"))
    (file,) = ask(url, previous=[lock]).files
    assert (file.sha256, file.size) == (None, len(model("other")))
    assert file.etag != lock.etag


@pytest.mark.parametrize("etag", ['"0123-{}"', '"{}"'])
def test_an_etag_that_repeats_a_signature_is_not_locked(hub: Hub, ask: Asker, etag: str) -> None:
    """Where a redirect leads is signed: a server that repeats the signature does not get it into the lock."""
    secret = "c2lnbmF0dXJl/fQ=="
    signed = hub.file("/signed/m.gguf", model("x"), etag=etag.format(secret))
    hub.misbehave(
        Redirect(f"{signed}?X-Sig=c2lnbmF0dXJl%2FfQ%3D%3D&a=1"), where="plain", match="/m.gguf", times=None
    )
    (file,) = ask(hub.file("/m.gguf", model("x"))).files
    assert (file.size, file.etag) == (len(model("x")), None)


def test_an_etag_that_repeats_a_credential_is_not_locked(
    hub: Hub, run: StartRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that repeats what this machine sent."""
    monkeypatch.setenv("HF_TOKEN", "hf_planted_secret")
    url = hub.file("/m.gguf", model("x"), etag='"for-hf_planted_secret"')
    (file,) = run(token="hf_planted_secret")(url).files
    assert file.etag is None


def test_a_weak_etag_is_no_promise(hub: Hub, ask: Asker) -> None:
    """A weak ETag does not stand for bytes: it is not locked, and a 304 for it does not keep a sha256."""
    url = hub.file("/m.gguf", model("x"), etag="weak")
    (file,) = ask(url).files
    assert file.etag is None
    hub.file("/m.gguf", model("x"), etag='W/"abc"')
    lock = as_locked(file, SHA)._replace(etag="abc")
    (again,) = ask(url, previous=[lock]).files
    assert (again.sha256, again.etag) == (None, None)


def test_a_server_that_ignores_conditions_is_compared_with(hub: Hub, ask: Asker) -> None:
    """A 200 with the same ETag and size says the same as a 304."""
    url = hub.file("/m.gguf", model("x"), etag='"same"')
    lock = as_locked(ask(url).files[0], SHA)
    hub.misbehave(Status(200, {"ETag": '"same"', "Content-Length": "5"}, ""), where="plain", method="HEAD")
    assert ask(url, previous=[lock]).files[0].sha256 == SHA
    hub.misbehave(Status(200, {"ETag": '"same"', "Content-Length": "6"}, ""), where="plain", method="HEAD")
    assert ask(url, previous=[lock]).files[0].sha256 is None


@pytest.mark.parametrize("status", [403, 405])
def test_a_server_that_refuses_head_is_asked_for_one_byte(hub: Hub, ask: Asker, status: int) -> None:
    """Where HEAD is refused, a GET of the first byte tells size and ETag, also whether they are the lock's."""
    url = hub.file("/m.gguf", model("x" * 100), etag='"abc"')
    hub.misbehave(Status(status), where="plain", method="HEAD", times=None)
    (file,) = ask(url).files
    assert (file.size, file.etag) == (104, "abc")
    assert hub.seen("plain", method="GET")[-1].range == "bytes=0-0"
    assert ask(url, previous=[as_locked(file, SHA)]).files[0].sha256 == SHA


def test_a_server_that_says_little(hub: Hub, run: StartRun) -> None:
    """What a server does not say is None: such a file is read to the end to be locked."""
    url = hub.file("/m.gguf", model("x"), etag=None, ranges=False)
    (file,) = run()(url).files
    assert (file.size, file.etag) == (5, None)
    hub.misbehave(Chunked(), where="plain")
    (file,) = run()(url).files
    assert (file.size, file.etag) == (None, None)


def test_a_redirect_elsewhere_is_followed(hub: Hub, ask: Asker) -> None:
    """A download page that redirects to a storage host is asked to the end; the lock has the first URL."""
    target = hub.file("/storage/blob", model("x"), etag='"abc"')
    url = f"{hub.cdn}/releases/m.gguf"
    hub.misbehave(Redirect(target), where="cdn", times=None)
    (file,) = ask(url).files
    assert (file.path, file.url, file.size, file.etag) == ("m.gguf", url, 5, "abc")


def test_a_split_model_by_url_is_all_its_parts(hub: Hub, ask: Asker) -> None:
    """The siblings of a part lie beside it; each is asked about, with the same query."""
    for n in (1, 2, 3):
        hub.file(f"/m-{n:05}-of-00003.gguf", model(str(n)))
    answer = ask(f"{hub.plain}/m-00002-of-00003.gguf?download=true")
    assert names(answer) == [f"m-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    assert [file.url for file in answer.files] == [
        f"{hub.plain}/m-{n:05}-of-00003.gguf?download=true" for n in (1, 2, 3)
    ]


def test_a_missing_part_by_url_is_named(hub: Hub, ask: Asker) -> None:
    """The parts that the server lacks are in the error."""
    hub.file("/m-00002-of-00003.gguf", model())
    with pytest.raises(NotFoundError, match=r"lacks m-00001-of-00003\.gguf, m-00003-of-00003\.gguf"):
        ask(f"{hub.plain}/m-00002-of-00003.gguf")


def test_pieces_by_url_are_joined(hub: Hub, ask: Asker) -> None:
    """Pieces become one file; if none has changed the lock's digests are kept, else none of the whole's."""
    urls = [hub.file(f"/m.gguf.part{n}of2", model(str(n))) for n in (1, 2)]
    (file,) = ask(urls[1]).files
    assert (file.path, file.url, file.size, file.sha256) == ("m.gguf", None, 10, None)
    assert [piece.url for piece in file.pieces] == urls
    lock = as_locked(file, SHA)
    (same,) = ask(urls[0], previous=[lock]).files
    assert same.sha256 == SHA
    hub.file("/m.gguf.part2of2", model("other"))
    (changed,) = ask(urls[0], previous=[lock]).files
    assert (changed.sha256, [piece.sha256 for piece in changed.pieces]) == (None, [SHA, None])


def test_what_is_not_there(hub: Hub, ask: Asker) -> None:
    """A 404 is told with the URL, without its query."""
    with pytest.raises(NotFoundError) as caught:
        ask(f"{hub.plain}/none.gguf?download=true")
    assert f"{hub.plain}/none.gguf" in caught.value.message
    assert "download" not in caught.value.message


def test_what_wants_credentials(hub: Hub, ask: Asker) -> None:
    """A 401 names the places where credentials for that host come from."""
    url = hub.file("/m.gguf", model(), require={"Authorization": "Basic eA=="})
    with pytest.raises(GatedError) as caught:
        ask(url)
    for word in (".netrc", "--header", "config.toml"):
        assert word in (caught.value.hint or "")


def test_a_server_that_fails_stays_a_network_error(hub: Hub, ask: Asker) -> None:
    """A status that may be another one later keeps its kind."""
    hub.misbehave(Status(418), where="plain", times=None)
    with pytest.raises(HttpStatusError) as caught:
        ask(hub.file("/m.gguf", model()))
    assert caught.value.exit_code == 3


def test_a_name_that_no_system_has(hub: Hub, ask: Asker) -> None:
    """A file name that cannot be written everywhere is refused before the server is asked."""
    question = Question(Reference(WebUri(f"{hub.plain}/con.gguf")), "model", "", "", ask.folder)
    with pytest.raises(RefusedError):
        ask.sources[1].resolve(question)
    assert not hub.requests


def test_a_compressed_answer_tells_no_size(hub: Hub, run: StartRun) -> None:
    """The length of a compressed answer is not the file's."""
    url = hub.file("/m.gguf", model("x" * 1000), etag=None)
    hub.misbehave(Gzipped(), where="plain", method="HEAD")
    assert run()(url).files[0].size is None

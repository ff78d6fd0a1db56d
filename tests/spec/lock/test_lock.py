"""The lock as values and as text."""

import pytest
from hypothesis import given

from modelsync.errors import LockfileError
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.spec.lock.origin import hf_url
from modelsync.spec.lock.read import parse
from modelsync.spec.lock.text import dumps
from modelsync.spec.request import Request
from modelsync.spec.uri import HfUri, Reference
from tests.support.locks import HUB, LOCK, ONE, TEXT, TWO, A, B, C
from tests.support.strategies import COMMIT, HEX64, PATHS, REPOS, locks


def test_the_layout_is_fixed_byte_for_byte() -> None:
    """Keys in a fixed order, a line a file, no clock and no version of the tool: a contract with reviewers."""
    assert dumps(LOCK) == TEXT
    assert parse(TEXT) == LOCK


def test_an_empty_lock_has_a_version() -> None:
    """A project without models has a lock that says so."""
    assert dumps(Lock()) == "# Written by modelsync. Commit it; do not edit it.\nversion = 1\n"
    assert parse(dumps(Lock())) == Lock()


def test_models_are_sorted_by_name_and_variant() -> None:
    """In whatever order they were resolved, the text is the same; a base comes before its variants."""
    assert dumps(Lock(LOCK.models[::-1])) == TEXT


def test_models_are_found_and_digests_collected() -> None:
    """A model is found by name and variant; the digests are those of whole files."""
    assert LOCK.find("llama3") is LOCK.models[1]
    assert LOCK.find("llama3", "server") is LOCK.models[2]
    assert LOCK.find("llama3", "laptop") is None
    assert LOCK.find("embed") is None
    assert LOCK.digests == {A, B, C}


@given(locks())
def test_a_lock_survives_its_own_text(lock: Lock) -> None:
    """Every lock, written and read again, is the same, and so is its text."""
    text = dumps(lock)
    assert parse(text) == lock
    assert dumps(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("version = 1\n", "version = 1 # one\n"),
        TEXT.replace('license = "llama3.1"', "license = 'llama3.1'"),
        TEXT.replace("size = 5,", "size = 0x5,"),
        TEXT.replace("version = 1\n", "version = 2\n"),
        "\ufeff" + TEXT,
    ],
)
def test_other_layouts_mean_the_same(text: str) -> None:
    """Windows' line endings, a person's hand, a version that a merge left higher: all that is TOML is read."""
    assert parse(text) == LOCK


def test_keys_of_a_later_version_are_kept() -> None:
    """What it does not know at the top, of a model, a file or a piece is read over, and written back as it was."""
    text = (
        TEXT.replace(
            "version = 1\n", 'version = 1\nnext = { "a b" = 1979-05-27, x = [1.5, inf, 07:32:00] }\n'
        )
        .replace("\nfiles = [\n", '\nfuture = [1, { x = "\\"2" }]\nfiles = [\n', 1)
        .replace(f'size = 5, sha256 = "{A}"', f'size = 5, sha256 = "{A}", color = "red"')
        .replace(f'size = 1, sha256 = "{A}"', f'size = 1, sha256 = "{A}", seen = 1979-05-27T07:32:00+00:00')
    )
    lock = parse(text)
    assert dumps(lock) == text
    assert tuple(model.known for model in lock.models) == LOCK.models
    assert lock.digests == LOCK.digests


def test_a_table_of_a_later_version_is_kept() -> None:
    """A table behind the models is kept too, as a value at the top."""
    lock = parse(f"{TEXT}\n[future]\nx = 1\n[future.y]\nz = true\n")
    assert dumps(lock) == TEXT.replace("version = 1\n", "version = 1\nfuture = { x = 1, y = { z = true } }\n")
    assert parse(dumps(lock)) == lock


def test_a_later_version_is_refused_with_a_hint() -> None:
    """What this version cannot know about is not guessed."""
    with pytest.raises(LockfileError, match="version is 3, and this modelsync reads up to 2") as caught:
        parse("version = 3\nanything = true\n")
    assert "upgrade modelsync" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mmproj = true", 'mmproj = true, "\\u001b[2J" = ["*"]', r"llama3: request: unknown key `\x1b[2J`"),
        ('role = "mmproj"', 'role = "tokenizer"', "llama3: files: a role is one of model, file, mmproj"),
    ],
)
def test_what_a_later_version_asked_for_is_refused_with_a_hint(old: str, new: str, message: str) -> None:
    """A key of a request may decide the bytes: it is not read over, and nobody is told to delete the lock for it."""
    with pytest.raises(LockfileError) as caught:
        parse(TEXT.replace(old, new))
    assert caught.value.message.startswith(f"models.lock: {message}")
    assert caught.value.hint == "upgrade modelsync: a newer one wrote this lock"


def test_a_registrys_revision_needs_version_2() -> None:
    """A revision that is the digest of a manifest is written as version 2; a hub's is a commit as ever."""
    url = f"oci://r.example/team/m@sha256:{A}"
    file = LockedFile("model", "m.gguf", 1, A, url)
    model = LockedModel("m", {"uri": "oci://r.example/team/m:1"}, (file,), revision=f"sha256:{B}")
    lock = Lock((model, *LOCK.models))
    assert "\nversion = 2\n" in dumps(lock)
    assert parse(dumps(lock)).by_key == lock.by_key
    for wrong in ("main", "sha256:", f"sha256:{B.upper()}", B):
        with pytest.raises(LockfileError):
            parse(dumps(Lock((model._replace(revision=wrong),))))
    with pytest.raises(LockfileError, match="it has no commit"):
        parse(TEXT.replace(f'revision = "{ONE}"', f'revision = "sha256:{B}"', 1))


def test_a_registrys_companion_needs_version_2() -> None:
    """A projector out of a registry, beside a model of a hub, is pinned by its manifest."""
    eyes = LockedFile("mmproj", "eyes.gguf", 1, A, f"oci://r.example/eyes@sha256:{A}", revision=f"sha256:{B}")
    file = LockedFile("model", "m.gguf", 1, A, hf_url(HUB, "u/m", ONE, "m.gguf"))
    request = {"uri": "hf:u/m/m.gguf", "mmproj": "oci://r.example/eyes:1"}
    lock = Lock((LockedModel("m", request, (file, eyes), revision=ONE),))
    assert "\nversion = 2\n" in dumps(lock)
    assert parse(dumps(lock)) == lock


def test_a_draft_head_needs_version_2() -> None:
    """A lock with a draft head is refused by an older reader by its number; without one it is as it was."""
    request = Request(HfUri("u/m"), draft=True)
    url = hf_url(HUB, "u/m", ONE, "m.gguf")
    head = LockedFile("draft", "MTP/mtp-m.gguf", 1, A, hf_url(HUB, "u/m", ONE, "MTP/mtp-m.gguf"))
    files = (LockedFile("model", "m.gguf", 1, B, url), head)
    lock = Lock((LockedModel("m", request.to_dict(), files, None, ONE),))
    assert dumps(lock).startswith("# Written by modelsync. Commit it; do not edit it.\nversion = 2\n")
    assert 'request = { uri = "hf:u/m", draft = true }' in dumps(lock)
    assert parse(dumps(lock)) == lock
    with pytest.raises(LockfileError, match="not all, or not only, what the request asks for"):
        parse(dumps(Lock((lock.models[0]._replace(files=files[:1]),))))


def test_text_of_others_is_escaped() -> None:
    """A control character in a license or an etag does not break the file, nor a line."""
    file = LockedFile("model", "m.gguf", 0, C, "file:m.gguf", 'a"\\\n\x1b\U000e0001')
    lock = Lock((LockedModel("m", {"uri": "file:m.gguf"}, (file,), license="\x00\u202e"),))
    assert parse(dumps(lock)) == lock
    assert all(line.isprintable() for line in dumps(lock).split("\n"))


def test_a_lone_surrogate_is_replaced() -> None:
    """JSON can say what TOML cannot: it becomes the sign for that."""
    lock = Lock((LockedModel("m", {"uri": "file:m.gguf"}, LOCK.models[0].files, license="a\ud800"),))
    assert parse(dumps(lock)).models[0].license == "a\ufffd"


@given(REPOS, COMMIT, PATHS)
def test_the_url_of_a_hubs_file(repo: str, commit: str, path: str) -> None:
    """It is encoded as the hub's own client does, so that every character of a path is only a path."""
    from urllib.parse import quote, unquote, urlsplit

    url = hf_url(HUB, repo, commit, path)
    assert url == f"{HUB}/{repo}/resolve/{commit}/{quote(path)}"
    assert unquote(urlsplit(url).path) == f"/{repo}/resolve/{commit}/{path}"
    assert not urlsplit(url).query + urlsplit(url).fragment


@given(HEX64)
def test_a_request_is_compared_as_written(digest: str) -> None:
    """What a manifest asks and what its lock answers are equal as tables, with tables of hashes too."""
    request = Request(HfUri("u/m"), "main", Reference(HfUri("u/p")), (), (("m.gguf", digest),), None)
    url = hf_url(HUB, "u/m", ONE, "m.gguf")
    eyes = LockedFile("mmproj", "p.gguf", 1, A, hf_url(HUB, "u/p", TWO, "p.gguf"), None, "u/p", TWO)
    files = (LockedFile("model", "m.gguf", 1, digest, url), eyes)
    lock = Lock((LockedModel("m", request.to_dict(), files, None, ONE),))
    assert parse(dumps(lock)).models[0].request == request.to_dict()

"""Locks that were edited, damaged or made to harm."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import LockfileError, ModelsyncError, RefusedError
from modelsync.spec.lock.check import lock as check
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.spec.lock.origin import hf_url
from modelsync.spec.lock.read import parse
from modelsync.spec.lock.text import dumps
from modelsync.spec.parts import siblings
from modelsync.spec.roles import ROLES, Role
from tests.support.locks import HUB, ONE, TEXT, TWO, A, B, C
from tests.support.refused import tried
from tests.support.strategies import HOSTILE_TEXTS, hostile_values, locks

_KEYS = st.sampled_from(
    [
        *(
            "version",
            "model",
            "name",
            "variant",
            "request",
            "revision",
            "license",
            "files",
            "role",
            "repo",
            "path",
            "url",
        ),
        *("etag", "size", "sha256", "pieces", "uri", "mmproj", "loras", "draft", "include", "endpoint"),
    ]
)


def _refused(text: str) -> str:
    """The message with which a lock is refused as unsafe."""
    with pytest.raises(RefusedError) as caught:
        parse(text, where="some/models.lock")
    assert "modelsync lock" in str(caught.value.hint)
    assert caught.value.message.startswith("some/models.lock: ")
    return caught.value.message.removeprefix("some/models.lock: ")


def _wrong(text: str) -> str:
    """The message with which a lock is called unreadable or contradictory."""
    with pytest.raises(LockfileError) as caught:
        parse(text)
    return caught.value.message.removeprefix("models.lock")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"https://evil.example/u/m/resolve/{ONE}/mmproj.gguf"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"http://huggingface.co/u/m/resolve/{ONE}/mmproj.gguf"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"{HUB}/evil/m/resolve/{ONE}/mmproj.gguf"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"{HUB}/u/m/resolve/{TWO}/mmproj.gguf"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"{HUB}/u/m/resolve/main/mmproj.gguf"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"{HUB}/u/m/resolve/{ONE}/../mmproj.gguf"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf?x=hunter2"),
        (f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", "file:///etc/passwd"),
    ],
)
def test_an_edited_url_is_refused(old: str, new: str) -> None:
    """Each URL must be what endpoint, repo, commit and path give; the error names model and file."""
    message = _refused(TEXT.replace(old, new))
    assert message.startswith("llama3: mmproj.gguf: its url is `")
    assert f"the request gives `{old}`" in message
    assert "hunter2" not in message


def test_a_url_may_not_follow_an_edited_repo_or_path() -> None:
    """Where repo, commit, path and URL are edited together, the request still says which repo and file are meant."""
    other = TEXT.replace("u/m/", "evil/m/").replace('path = "m-Q4', 'repo = "evil/m", path = "m-Q4')
    assert "its url is `https://huggingface.co/evil/m" in _refused(TEXT.replace("u/m/", "evil/m/"))
    with pytest.raises(ModelsyncError):
        parse(other)
    lora = 'repo = "user/adapter"', 'repo = "evil/adapter"'
    assert "adapter.gguf: its repo is `evil/adapter`, and the request says `user/adapter`" in _refused(
        TEXT.replace(*lora)
    )
    assert "the request asks for `adapter.gguf`" in _refused(
        TEXT.replace('path = "adapter.gguf"', 'path = "x.gguf"').replace(
            f"{TWO}/adapter.gguf", f"{TWO}/x.gguf"
        )
    )


def test_a_pinned_commit_is_the_commit() -> None:
    """A request that names a commit is answered by no other one."""
    assert f"its commit is {ONE}, and the request says {TWO}" in _refused(TEXT.replace('"main"', f'"{TWO}"'))


def test_a_pinned_hash_is_the_hash() -> None:
    """A hash that the request pins is that of the file, for one file and for a table."""
    request = 'uri = "file:m.gguf"', f'uri = "file:m.gguf", sha256 = "{A}"'
    assert "m.gguf: its sha256 is not the one that the request pins" in _refused(TEXT.replace(*request))
    request = 'uri = "file:m.gguf"', f'uri = "file:m.gguf", sha256 = {{ "m.gguf" = "{A}" }}'
    assert "m.gguf: its sha256 is not the one that the request pins" in _refused(TEXT.replace(*request))
    parse(TEXT.replace('uri = "file:m.gguf"', f'uri = "file:m.gguf", sha256 = "{C}"'))


@pytest.mark.parametrize(
    "path", ["../m.gguf", "/m.gguf", "C:m.gguf", "nul.gguf", "a\\\\b.gguf", "\\u001b[2J.gguf", "\\u202e"]
)
def test_a_path_that_leaves_its_folder_is_refused(path: str) -> None:
    """No name in a lock becomes a path outside, and its control characters are not printed."""
    message = _refused(TEXT.replace('path = "m.gguf"', f'path = "{path}"'))
    assert message.startswith("empty-license: the file name `")
    assert message.isprintable()


def test_a_direct_url_is_the_requests_own() -> None:
    """A web or file request is fetched from where it says, or from where its other parts are."""
    first = "https://example.com/m-00001-of-00002.gguf"
    web = _locked(f"{first}?x=1", [(path, f"{path}?x=1") for path in siblings(first)])
    assert parse(dumps(web)) == web
    evil = _locked(f"{first}?x=1", [(path, f"{path}?x=2") for path in siblings(first)])
    assert "its url is `https://example.com/m-00001-of-00002.gguf`" in _refused(dumps(evil))
    file = _locked("file:../m.gguf", [("m.gguf", "file:../m.gguf")])
    assert parse(dumps(file)) == file
    assert "`file:/etc/passwd`" in _refused(
        dumps(_locked("file:../m.gguf", [("m.gguf", "file:/etc/passwd")]))
    )


def test_a_registrys_file_is_the_blob_of_its_digest() -> None:
    """The URL of an OCI model follows from registry, repository and digest; its manifest is named by the model."""
    good = f"oci://r.example/team/m@sha256:{A}"
    lock = _of_registry("oci://r.example/team/m:1", ("m.gguf", good))
    assert parse(dumps(lock)) == lock
    for url in (
        good.replace(A, B),
        good.replace("/team", "/evil"),
        good.replace("r.example", "r.example.evil"),
        good.replace("oci:", "https:"),
        f"https://r.example/v2/team/m/blobs/sha256:{A}",
        good.replace("@", ":1@"),
        f"{good}#",
        f"{good}#a/../b",
        f"{good}#%6d.gguf",
        f"{good}#a#b",
    ):
        _refused(dumps(_of_registry("oci://r.example/team/m:1", ("m.gguf", url))))


def test_a_file_in_a_tar_names_the_tar_and_its_place_in_it() -> None:
    """Such a file has a digest of its own; the tar is of the same repository."""
    packed = f"oci://r.example/team/m@sha256:{B}#models/a%20b.gguf"
    lock = _of_registry("oci://r.example/team/m:1", ("a b.gguf", packed))
    assert parse(dumps(lock)) == lock
    _refused(dumps(_of_registry("oci://r.example/team/other:1", ("a b.gguf", packed))))


def test_a_registrys_manifest_is_named_and_is_the_pinned_one() -> None:
    """Without the digest of its manifest nothing says what was locked; a pinned one is that."""
    url = f"oci://r.example/team/m@sha256:{A}"
    lock = _of_registry("oci://r.example/team/m:1", ("m.gguf", url))
    (model,) = lock.models
    for wrong in (None, "0" * 40):
        with pytest.raises(LockfileError, match="no digest of a manifest"):
            parse(dumps(Lock((model._replace(revision=wrong),))))
    pinned = _of_registry(f"oci://r.example/team/m@sha256:{C}", ("m.gguf", url))
    assert parse(dumps(pinned)) == pinned
    assert "the request says" in _refused(
        dumps(_of_registry(f"oci://r.example/team/m@sha256:{B}", ("m.gguf", url)))
    )


def test_a_registrys_model_brings_its_companions_along() -> None:
    """They need not be asked for; what is asked for from elsewhere comes from there, and a folder has none."""
    blob = f"oci://r.example/team/m@sha256:{A}"
    lock = _of_registry("oci://r.example/team/m:1", ("m.gguf", blob), ("eyes.gguf", blob))
    (model,) = lock.models
    files = (model.files[0], model.files[1]._replace(role="mmproj"))
    with_eyes = Lock((model._replace(files=files),))
    assert parse(dumps(with_eyes)) == with_eyes
    named = {**model.request, "mmproj": "oci://r.example/team/eyes:1"}
    _refused(dumps(Lock((model._replace(files=files, request=named),))))
    there = files[1]._replace(url=f"oci://r.example/team/eyes@sha256:{A}", revision=f"sha256:{B}")
    elsewhere = Lock((model._replace(files=(files[0], there), request=named),))
    assert parse(dumps(elsewhere)) == elsewhere
    folder = tuple(file._replace(role="file") for file in reversed(model.files))
    assert parse(dumps(Lock((model._replace(files=folder),)))).models[0].is_folder
    with pytest.raises(LockfileError, match="not all, or not only"):
        parse(dumps(Lock((model._replace(files=(folder[0], model.files[0])),))))


def test_other_roles_than_asked_for_are_refused() -> None:
    """A projector or adapter that nobody asked for would be loaded with the model."""
    assert "m.gguf: the request asks for no lora" in _refused(
        TEXT.replace('role = "model", path = "m.g', 'role = "lora", path = "m.g')
    )


def _of_registry(uri: str, *files: tuple[str, str]) -> Lock:
    (model,) = _locked(uri, list(files)).models
    return Lock((model._replace(revision=f"sha256:{C}"),))


def _locked(uri: str, files: list[tuple[str, str]]) -> Lock:
    locked = (LockedFile("model", path.rpartition("/")[2], 1, A, url) for path, url in files)
    return Lock((LockedModel("m", {"uri": uri}, tuple(locked)),))


def test_a_split_model_is_whole() -> None:
    """A lock with a part missing, twice or out of order is refused: a part that is not there is no success."""
    paths = siblings("m-00001-of-00003.gguf")
    files = [LockedFile("model", path, 1, A, hf_url(HUB, "u/m", ONE, path)) for path in paths]
    for chosen in ([0, 2], [0, 1, 1, 2], [1, 0, 2], [2]):
        lock = Lock(
            (LockedModel("m", {"uri": "hf:u/m"}, tuple(files[index] for index in chosen), revision=ONE),)
        )
        assert ": m: " in _wrong(dumps(lock))
    whole = Lock((LockedModel("m", {"uri": f"hf:u/m/{paths[1]}"}, tuple(files), revision=ONE),))
    assert parse(dumps(whole)) == whole


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1", "version = 0", ": it has no version"),
        ("version = 1", "version = true", ": it has no version"),
        ("version = 1", "", ": it has no version"),
        ("version = 1", "version = 1\nversion = 1", ":3: version: it is defined twice"),
        ("[[model]]", "[model]", ":11: model: it is defined twice"),
        ('name = "empty-license"', 'name = "Empty"', ": model[0]: `Empty` cannot be a name"),
        ('name = "empty-license"', 'name = "llama3"', ": llama3: it is there twice"),
        ('name = "empty-license"\n', "", ": model[0]: name: a text is expected"),
        ('variant = "server"', "variant = 1", ": llama3: variant: a text is expected"),
        ('variant = "server"', 'variant = "../x"', ": llama3: `../x` cannot be a name"),
        ('request = { uri = "file:m.gguf" }', "request = 1", ": empty-license: request: a table is expected"),
        ('uri = "file:m.gguf" }', 'revision = "x" }', ": empty-license: request: uri: a text is expected"),
        ('uri = "file:m.gguf" }', 'uri = "m" }', ": empty-license: `m` has no known form"),
        ("mmproj = true", "mmproj = 1", ": llama3: request: mmproj: a text is expected"),
        ('loras = ["', 'loras = [1, "', ": llama3: request: loras: a list"),
        ('loras = ["', 'sha256 = [1], loras = ["', ": llama3: request: sha256:"),
        ('"https://hf.corp.example" }', '"ftp://x" }', ": llama3 (server): `ftp://x` is no URL"),
        (f'revision = "{ONE}"\nlicense', 'revision = "main"\nlicense', ": llama3: revision: a commit of 40"),
        (f'revision = "{ONE}"\nlicense', "license", ": llama3: m-Q4_K_M.gguf: it has no commit"),
        ('license = "llama3.1"', "license = []", ": llama3: license: a text is expected"),
        ("size = 0", "size = -1", ": empty-license: m.gguf: size: a number of bytes is expected"),
        ("size = 0", "size = 1125899906842625", ": empty-license: m.gguf: size:"),
        ("size = 0", "size = 1.0", ": empty-license: m.gguf: size:"),
        ("size = 0", "size = true", ": empty-license: m.gguf: size:"),
        (
            f'size = 0, sha256 = "{C}"',
            f'size = 0, sha256 = "{C.upper()}"',
            ": empty-license: m.gguf: sha256: 64",
        ),
        (f'size = 0, sha256 = "{C}"', "size = 0, sha256 = 1", ": empty-license: m.gguf: sha256: 64"),
        ('role = "mmproj"', 'role = "tokenizer"', ": llama3: files: a role is one of model, file, mmproj"),
        ('role = "mmproj"', "role = []", ": llama3: files: a role is one of"),
        ('etag = "', 'etag = 1, x = "', ": llama3: m-Q4_K_M.gguf: etag: a text is expected"),
        (
            ", size = 3",
            ', url = "x", size = 3',
            ": llama3 (server): m Q8_0.gguf: a file of pieces has neither url nor",
        ),
        (", size = 3", ", size = 4", ": llama3 (server): m Q8_0.gguf: its pieces do not have its size"),
        ("part1of2", "part2of2", ": llama3 (server): m Q8_0.gguf: its pieces are not all"),
        ('"m Q8_0.gguf"', '"x.gguf"', ": llama3 (server): x.gguf: its pieces are not all"),
        ("pieces = [", "pieces = [1, ", ": llama3 (server): m Q8_0.gguf: pieces: a list"),
        ("files = [", "files = [1,", ": empty-license: files: a list of up to 10000 tables"),
        ("files = [", "files = []\nxs = [", ": empty-license: files: not all, or not only, what"),
        ("version = 1", "<<<<<<< ours\nversion = 1", ":2: a merge conflict is not resolved here"),
        ("version = 1", "version = ", ":2: there is no value behind `=`"),
    ],
)
def test_a_contradiction_is_named_with_model_and_file(old: str, new: str, words: str) -> None:
    """Each thing that a lock cannot say is said at its place, with how to mend it."""
    assert old in TEXT
    assert _wrong(TEXT.replace(old, new)).startswith(words)


@pytest.mark.parametrize(
    "text",
    [
        "version = 1\nmodel = " + "[" * 5000 + "]" * 5000,
        "version = " + "9" * 10_000,
        "version = 1\nmodel = [" + "{}," * 20_001 + "]",
        TEXT.replace("files = [", "files = [" + "{}," * 2_001),
        TEXT.replace("m.gguf", "m-00001-of-99999.gguf"),
        TEXT.replace("of2", "of9999"),
        TEXT.replace('"llama3.1"', '"' + "x" * 5000 + '"'),
        "#" * (1 << 26) + "##",
    ],
    ids=["depth", "digits", "models", "files", "parts", "pieces", "license", "text"],
)
def test_too_much_of_anything_is_an_error(text: str) -> None:
    """Depths, counts, sizes and lengths are bounded."""
    assert tried(lambda: parse(text), (LockfileError, RefusedError)) is None


@given(locks(), st.data())
def test_any_damage_to_a_lock_is_read_or_an_error_with_words(lock: Lock, data: st.DataObject) -> None:
    """Cutting text out of a good lock, or putting some in, never ends in another exception."""
    text = dumps(lock)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    text = text[:start] + data.draw(st.one_of(HOSTILE_TEXTS, st.text(max_size=4))) + text[end:]
    tried(lambda: parse(text), (LockfileError, RefusedError))


@given(hostile_values(_KEYS))
def test_any_tables_are_a_lock_or_an_error_with_words(value: object) -> None:
    """Wrong types at the top end in an error of ours."""
    tried(lambda: check({"version": 1, "model": value}, "models.lock"), (LockfileError, RefusedError))
    tried(lambda: check({"version": value}, "models.lock"), (LockfileError, RefusedError))


@given(st.data())
def test_any_value_at_any_place_is_read_or_an_error_with_words(data: st.DataObject) -> None:
    """Any value of a good lock, replaced by anything at all, ends in a lock or an error of ours."""
    document = tomllib.loads(TEXT)
    place: Any = document
    key: Any = "model"
    while True:
        inner = place[key]
        keys = (
            list(inner)
            if isinstance(inner, dict)
            else list(range(len(inner)))
            if isinstance(inner, list)
            else []
        )
        if not keys or data.draw(st.integers(0, 3)) == 0:
            break
        place, key = inner, data.draw(st.sampled_from(keys))
    place[key] = data.draw(hostile_values(_KEYS))
    tried(lambda: check(document, "models.lock"), (LockfileError, RefusedError))


@pytest.mark.parametrize(
    ("role", "words"),
    [("model", "in order, or more"), ("lora", "not only"), ("mmproj", "not only"), ("draft", "not only")],
)
def test_nothing_comes_along_that_nobody_asked_for(role: Role, words: str) -> None:
    """One more file of the right repo and commit, in any role, is refused."""
    commit = "a" * 40

    def file(role: Role, path: str) -> LockedFile:
        return LockedFile(role, path, 1, "b" * 64, hf_url("https://huggingface.co", "u/m", commit, path))

    asked = {"uri": "hf:u/m:Q8_0", "mmproj": True, "loras": ["hf:u/m:F16"], "draft": True}
    names = ("m-Q8_0.gguf", "mmproj.gguf", "a-F16.gguf", "mtp-m.gguf")
    files = tuple(map(file, [each for each in ROLES if each != "file"], names))
    right = LockedModel("m", asked, files, revision=commit)
    assert parse(dumps(Lock((right,)))) == Lock((right,))
    more = right._replace(files=(*files, file(role, "more.gguf")))
    assert words in _wrong(dumps(Lock((more,))))


@pytest.mark.parametrize("text", [TEXT + "[[model\n", TEXT[: len(TEXT) // 2], "version ="])
def test_a_lock_that_is_no_toml_is_to_be_restored(text: str) -> None:
    """What is wrong with it is told, but nobody is to mend by hand what a program wrote."""
    with pytest.raises(LockfileError) as wrong:
        parse(text)
    assert "restore it" in str(wrong.value.hint)
    assert wrong.value.details

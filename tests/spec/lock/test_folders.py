"""Folder models in a lock: rows of role `file`, which nothing but the request's globs may ask for."""

from itertools import permutations
from typing import Any

import pytest

from modelsync.errors import LockfileError, RefusedError
from modelsync.spec.lock.model import MAX_FILES, Lock, LockedFile, LockedModel
from modelsync.spec.lock.read import parse
from modelsync.spec.lock.text import dumps
from tests.support.locks import HUB, ONE, A, B, C

_REQUEST = {"uri": "hf:u/m", "include": ["*.json", "w.bin"], "exclude": ["onnx/*"]}


def _file(path: str, sha256: str = A, **other: Any) -> LockedFile:
    url = f"{HUB}/u/m/resolve/{ONE}/{path}"
    return LockedFile("file", path, 1, sha256, url)._replace(**other)


_FILES = (_file("1_Pooling/a.json"), _file("b.json", B), _file("w.bin", C))


def _lock(*files: LockedFile, **keys: Any) -> str:
    return dumps(Lock((LockedModel("m", {**_REQUEST, **keys}, files, revision=ONE),)))


def _error(text: str) -> str:
    with pytest.raises((LockfileError, RefusedError)) as caught:
        parse(text)
    return caught.value.message.removeprefix("models.lock: m: ")


def test_a_folder_model_reads_back_as_version_two() -> None:
    """One row a file, sorted by path; older readers refuse it by its number."""
    text = _lock(*_FILES)
    assert "version = 2\n" in text
    assert 'request = { uri = "hf:u/m", include = ["*.json", "w.bin"], exclude = ["onnx/*"] }' in text
    assert f'  {{ role = "file", path = "b.json", url = "{HUB}/u/m/resolve/{ONE}/b.json", size = 1' in text
    lock = parse(text)
    assert lock.models[0].files == _FILES
    assert dumps(lock) == text


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (_file("onnx/a.json"), "onnx/a.json: the globs of the request do not take it"),
        (_file("evil.py"), "evil.py: the globs of the request do not take it"),
        (_file("B.json"), "B.json and b.json cannot both be in one folder"),
        (_file("b.json/a.json"), "b.json and b.json/a.json cannot both be in one folder"),
        (_file("../a.json"), "the file name `../a.json` is refused: it has a part `..`"),
        (_file("c.json", repo="u/other", revision=ONE), "c.json: its repo is `u/other`"),
        (_file("c.json", revision="2" * 40), "c.json: its url is `"),
        (_file("c.json", role="model"), "c.json: the request asks for no model"),
        (_file("c.json", role="lora"), "c.json: the request asks for no lora"),
    ],
)
def test_a_row_that_the_request_does_not_ask_for_is_refused(file: LockedFile, words: str) -> None:
    """An edited lock brings no file, repo or role that the globs do not take."""
    files = sorted((*_FILES, file), key=lambda each: each.path)
    assert _error(_lock(*files)).startswith(words)


def test_files_are_sorted_and_each_is_there_once() -> None:
    """Any other order is no lock of ours."""
    for files in permutations(_FILES):
        if files != _FILES:
            assert "not sorted by path" in _error(_lock(*files))
    assert "not sorted by path" in _error(_lock(_FILES[0], *_FILES))
    assert "not all, or not only" in _error(_lock())


def test_role_file_needs_globs() -> None:
    """A request without globs means one model."""
    row = f'{{ role = "file", path = "m.gguf", url = "{HUB}/u/m/resolve/{ONE}/m.gguf", size = 1, sha256 = "{A}" }}'
    text = f'version = 2\n[[model]]\nname = "m"\nrequest = {{ uri = "hf:u/m" }}\nrevision = "{ONE}"\nfiles = [{row}]\n'
    assert _error(text) == "m.gguf: the request asks for no file"


@pytest.mark.parametrize(
    "keys",
    [
        {"include": []},
        {"include": "*"},
        {"include": [1]},
        {"include": [""]},
        {"include": ["\x1b"]},
        {"include": ["*"] * 1001},
        {"uri": "hf:u/m:Q8_0"},
        {"uri": "hf:u/m/b.json"},
        {"uri": "https://e.com/b.json"},
        {"mmproj": True},
        {"draft": "hf:u/d"},
    ],
)
def test_globs_of_a_lock_are_bounded_and_of_a_whole_repo(keys: dict[str, Any]) -> None:
    """As in a manifest."""
    assert _error(_lock(*_FILES, **keys))


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ({"w.bin": C, "1_Pooling/a.json": A}, ""),
        ({"w.bin": A}, "w.bin: its sha256 is not the one that the request pins"),
        ({"a.json": A}, "the request pins the sha256 of `a.json`, and 0 of its files are meant"),
        (A, "the request pins one sha256, and 3 of its files are meant"),
    ],
)
def test_a_pin_is_of_one_file_by_its_path(pins: Any, words: str) -> None:
    """A base name is no path, and one hash is of one file."""
    text = _lock(*_FILES, sha256=pins)
    if words:
        assert _error(text) == words
    else:
        assert len(parse(text).models) == 1


def test_ten_thousand_files_are_read_and_no_more() -> None:
    """The bound of readers is that of writers."""
    files = [_file(f"{number:05}.json") for number in range(MAX_FILES + 1)]
    assert len(parse(_lock(*files[:-1])).models[0].files) == MAX_FILES == 10_000
    assert _error(_lock(*files)) == "files: a list of up to 10000 tables is expected"

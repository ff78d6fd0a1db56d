"""Folder models locked from a hub: which files, what is read of them, and when a pin moves."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.errors import HashMismatchError, NotFoundError, UsageError
from modelsync.ops import lock
from modelsync.ops.options import Upgrade
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.toml import toml_value
from modelsync.store import roots
from tests.hub import Fault, Repo
from tests.hub.content import File, content
from tests.support import any_files
from tests.support.project import Opened, Place

ALL = Upgrade(every_model=True)
FILES: dict[str, bytes] = {
    ".gitattributes": b"* text",
    "README.md": b"# words",
    "config.json": b"{}",
    "1_Pooling/config.json": b'{"a": 1}',
    "modules.json": json.dumps([{"path": ""}, {"path": "1_Pooling"}]).encode(),
    "model.safetensors": any_files.safetensors(bytes(2 << 20)),
    "onnx/model.onnx": any_files.onnx(),
}


@pytest.fixture
def repo(place: Place) -> Repo:
    """A repo as sentence-transformers has them; its weights are in LFS."""
    repo = place.hub.repo("st/minilm")
    repo.commit(FILES)
    return repo


def _write(place: Place, include: Sequence[str] = ("*.json", "model.safetensors"), **keys: Any) -> Any:
    lines = [f"{key.replace('_', '-')} = {toml_value(value)}\n" for key, value in keys.items()]
    return place.write(
        f'[models.minilm]\nuri = "hf:st/minilm"\ninclude = {toml_value(list(include))}\n{"".join(lines)}'
    )


def _paths(model: LockedModel) -> list[str]:
    return [file.path for file in model.files]


def _read(place: Place) -> list[str]:
    """The files that were read since the last look."""
    start = "st/minilm/"
    read = {each.file.removeprefix(start) for each in place.hub.requests if each.file.startswith(start)}
    place.hub.requests.clear()
    return sorted(read)


def test_a_folder_model_is_locked_file_by_file(place: Place, repo: Repo, context: Context) -> None:
    """Sorted by path, each with its own digest. What has no published one is read, and stays; of others the header."""
    report = lock.lock(context, _write(place))
    (model,) = report.lock.models
    assert _paths(model) == ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json"]
    assert {file.role for file in model.files} == {"file"}
    assert [file.sha256 for file in model.files] == [content(FILES[path]).sha256 for path in _paths(model)]
    assert _read(place) == ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json"]
    assert all(context.store.blob_path(file.sha256).exists() == (file.size < 1 << 20) for file in model.files)
    assert report.notes == (
        "minilm: 3 small files read once to learn a sha256 that the source does not publish",
    )
    assert "version = 2\n" in place.lock_text


def test_a_large_repo_is_listed_in_pages(place: Place, context: Context) -> None:
    """Files beyond what a hub lists with a commit are found, and a glob takes those of every page."""
    big = place.hub.repo("st/minilm")
    big.commit({f"d/{number:04}.txt": b"x" for number in range(1100)} | {"z.json": b"{}"}, lfs=True)
    (model,) = lock.lock(context, _write(place, ["d/", "*.json"])).lock.models
    assert len(model.files) == 1101
    assert any("/tree/" in each.path for each in place.hub.requests)


def test_what_git_says_is_unchanged_is_not_read_again(
    place: Place, repo: Repo, context: Context, opened: Opened
) -> None:
    """Neither for a new commit nor for other globs: only what is new is read."""
    project = _write(place)
    lock.lock(context, project)
    _read(place)
    repo.commit({"config.json": b'{"new": 1}', "README.md": b"# more"})
    (model,) = lock.lock(opened(), project, ALL).lock.models
    assert _read(place) == ["config.json"]
    lock.lock(opened(), project, ALL)
    lock.lock(opened(), _write(place, ["*.json", "README.md"]))
    assert _read(place) == ["README.md"]
    assert model.files[1].sha256 == content(b'{"new": 1}').sha256


def test_a_pin_stays_while_the_selected_files_are_unchanged(
    place: Place, repo: Repo, context: Context, opened: Opened
) -> None:
    """Other files may come and change; a new file that a glob takes, a changed and a vanished one move the pin."""
    project = _write(place, ["*.json", "model.*"], exclude=["onnx/*"])
    (model,) = lock.lock(context, project).lock.models
    before, revision = place.lock_text, model.revision
    repo.commit({"README.md": b"# other", "new.txt": b"x", "onnx/config.json": b"{}"})
    report = lock.lock(opened(), project, ALL)
    assert place.lock_text == before
    assert len(report.unmoved) == 1
    for change, count in (({"vocab.json": b"{}"}, 5), ({"vocab.json": b"[]"}, 5), ({"vocab.json": None}, 4)):
        newer = repo.commit(change)
        (model,) = lock.lock(opened(), project, ALL).lock.models
        assert (model.revision, len(model.files)) == (newer, count)
        assert newer != revision
    lock.verify(opened(), project)


class _Other(Fault):
    """Other bytes of the same length for one file, as a bad mirror has them."""

    def edit(self, file: File) -> File:
        return File(content(b"[]"), file.etag)


def test_what_is_read_has_to_be_the_file_of_the_commit(
    place: Place, repo: Repo, context: Context, opened: Opened
) -> None:
    """A hub's mirror that gives other bytes is found out by the commit's git id; nothing of them is kept."""
    place.hub.misbehave(_Other(), where="hub", match="*/config.json", times=None)
    project = _write(place, ["config.json"])
    with pytest.raises(HashMismatchError, match=r"config\.json: what came is not the file of the commit"):
        lock.lock(context, project)
    assert not (place.folder / "models.lock").exists()
    assert not context.store.blob_path(content(b"[]").sha256).exists()


def test_pins_are_held_by_their_paths(place: Place, repo: Repo, context: Context, opened: Opened) -> None:
    """The published and the read hash; a base name is no path; one string is of one file."""
    right = {path: content(FILES[path]).sha256 for path in ("config.json", "model.safetensors")}
    lock.lock(context, _write(place, sha256=right))
    for path in right:
        with pytest.raises(HashMismatchError, match=path):
            lock.lock(opened(), _write(place, sha256={**right, path: "0" * 64}))
    with pytest.raises(UsageError, match=r"did you mean `1_Pooling/config.json`"):
        lock.lock(opened(), _write(place, ["1_*", "model.*"], sha256={"config.json": right["config.json"]}))
    with pytest.raises(UsageError, match=r"is 4 files, and one sha256 is pinned"):
        lock.lock(opened(), _write(place, sha256=right["config.json"]))
    lock.lock(opened(), _write(place, ["config.json"], sha256=right["config.json"]))


def test_a_glob_without_a_match_leaves_the_lock_unwritten(place: Place, repo: Repo, context: Context) -> None:
    """The error names what the repo has."""
    with pytest.raises(NotFoundError, match=r"no file that the glob `\*\.bin` takes") as caught:
        lock.lock(context, _write(place, ["*.bin"]))
    assert "model.safetensors" in str(caught.value.hint)
    assert not (place.folder / "models.lock").exists()


def test_an_index_that_names_what_is_left_out_is_told(place: Place, repo: Repo, context: Context) -> None:
    """With the glob to add; the lock is written all the same."""
    report = lock.lock(context, _write(place, ["m*"]))
    assert report.notes[-1] == (
        "minilm: modules.json needs 1_Pooling/config.json, which the globs leave out; "
        'add "1_Pooling/*" to `include`'
    )
    assert report.written


def test_reading_many_files_leaves_few_roots(place: Place, context: Context) -> None:
    """What was read is kept from pruning until the lock names it, by a root for many files and not for each."""
    place.hub.repo("st/minilm").commit({f"{number}.json": b"%d" % number for number in range(150)})
    (model,) = lock.lock(context, _write(place, ["*.json"])).lock.models
    known = [root for root in roots.read_all(context.store).values() if root is not None]
    assert len(known) <= 3
    assert frozenset[str]().union(*(root.digests for root in known)) == {file.sha256 for file in model.files}


@pytest.mark.parametrize("path", ["ggml-base.en.bin", "onnx/model.onnx", "LICENSE"])
def test_any_one_file_of_a_repo_can_be_a_model(place: Place, context: Context, path: str) -> None:
    """Its role stays `model`, and older readers understand the lock."""
    place.hub.repo("st/minilm").commit(
        {path: any_files.onnx() if path.endswith(".onnx") else any_files.WHISPER, "other.bin": b"x"}
    )
    (model,) = lock.lock(context, place.write(f'[models]\nm = "hf:st/minilm/{path}"\n')).lock.models
    assert [(file.role, file.path) for file in model.files] == [("model", path)]
    assert "version = 1\n" in place.lock_text


def test_a_misspelt_file_is_answered_with_the_nearest(place: Place, repo: Repo, context: Context) -> None:
    """Among all files, since one of any type was asked for."""
    with pytest.raises(NotFoundError, match=r"did you mean `model\.safetensors`"):
        lock.lock(context, place.write('[models]\nm = "hf:st/minilm/modell.safetensors"\n'))


def test_a_lock_that_would_not_be_read_again_is_not_written(
    place: Place, repo: Repo, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers hold the bound that readers hold."""
    monkeypatch.setattr("modelsync.ops.proposal.MAX_TEXT", 100)
    with pytest.raises(UsageError, match="would not be read again"):
        lock.lock(context, _write(place, ["config.json"]))
    assert not (place.folder / "models.lock").exists()

"""Folder models on this machine: where their files stand, what `path` gives, and what the commands make of them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import modelsync
from modelsync.context import CallOptions, Context
from modelsync.errors import (
    HashMismatchError,
    ModelsyncError,
    NotAModelError,
    NotFoundError,
    NotSyncedError,
    UsageError,
)
from modelsync.install import plan
from modelsync.ops import listing, outdated, path, pull, repair, run, sync, verify
from modelsync.ops.export import FORMATS, models
from modelsync.ops.options import FolderOptions, PullOptions
from modelsync.project.selection import Selection
from tests.hub import Repo
from tests.support.content import damage
from tests.support.folder_models import (
    FOLDER,
    FOLDER_REPO,
    INCLUDE,
    LINKED_FOLDER,
    PATHS,
    minilm,
    safetensors,
    taken,
    tree,
)
from tests.support.other_models import whisper
from tests.support.project import MANIFEST, Opened, Place, actions, sync_options

GLOBS = FolderOptions(INCLUDE, ("onnx/*",))


@pytest.fixture
def repo(place: Place) -> Repo:
    """The hub's repo, with the files of `minilm`."""
    made = place.hub.repo(FOLDER_REPO)
    made.commit(minilm())
    return made


@pytest.fixture
def no_requests(place: Place) -> Callable[[], None]:
    """Checks that the hub was asked nothing since it was last cleared."""
    return lambda: None if not place.hub.seen() else pytest.fail(str(place.hub.seen()))


def test_the_path_of_a_folder_model_is_a_folder(place: Place, repo: Repo, context: Context) -> None:
    """In it stands each file at its own path, and nothing else; `.files` are they, in order."""
    assert repo.branches
    project = place.write(FOLDER)
    report = sync.sync(context, project)
    assert actions(report) == [("minilm", "added")]
    files = path.files(context, "minilm", lambda: project)
    assert files.model == files.folder
    assert files.parts == ()
    assert files.files == tuple(files.model / each for each in PATHS)
    assert tree(files.model) == taken(minilm())


def test_a_folder_model_is_answered_by_the_memo_too(place: Place, repo: Repo, context: Context) -> None:
    """After a bare sync neither manifest nor lock is read; a file that is gone ends that."""
    assert repo.branches
    project = place.write(LINKED_FOLDER)
    sync.sync(context, project)
    first = path.files(context, "minilm", lambda: project)
    assert first.folder == place.folder / "models" / "minilm"
    lock = place.folder / "models.lock"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modelsync.spec.lock.read.parse", lambda *_, **__: pytest.fail("the lock was read"))
        assert path.files(context, "minilm", lambda: project) == first
        assert not sync.sync(context, project).steps
    (first.model / "1_Pooling" / "config.json").unlink()
    assert lock.is_file()
    assert path.files(context, "minilm", lambda: project).model != first.model  # it is in the store
    assert sync.sync(context, project).steps
    assert path.files(context, "minilm", lambda: project) == first


def test_a_folder_in_the_project_counts_when_all_its_files_are_right(
    place: Place, repo: Repo, context: Context, store_root: Path
) -> None:
    """Nobody recorded them: each is hashed once. A file too many does no harm; a wrong one keeps it away."""
    assert repo.branches
    project = place.write(LINKED_FOLDER)
    sync.sync(context, project, sync_options(link_mode="copy"))
    folder = place.folder / "models" / "minilm"
    (place.folder / "models" / ".modelsync.json").unlink()
    shutil.rmtree(store_root)
    (folder / "1_Pooling" / "notes.txt").write_text("mine")
    assert path.files(context, "minilm", lambda: project, download=False).folder == folder
    weights = folder / "model.safetensors"
    size = weights.stat().st_size
    weights.chmod(0o644)
    weights.write_bytes(bytes(size))
    with pytest.raises((NotSyncedError, HashMismatchError)):
        path.files(context, "minilm", lambda: project, download=False)


def test_the_variable_of_a_model_may_name_a_folder(
    place: Place, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken as it is; `.files` are the files in it, those behind links too, as other caches have them."""
    (tmp_path / "own" / "sub").mkdir(parents=True)
    (tmp_path / "blob").write_bytes(b"{}")
    (tmp_path / "own" / "config.json").symlink_to(tmp_path / "blob")
    (tmp_path / "own" / "sub" / "a.bin").write_bytes(b"1")
    monkeypatch.setenv("MODELSYNC_PATH_MINILM", str(tmp_path / "own"))
    found = path.files(context, "minilm", lambda: place.project)
    assert found.folder == found.model == tmp_path / "own"
    assert found.files == (tmp_path / "own" / "config.json", tmp_path / "own" / "sub" / "a.bin")
    assert found.parts == ()
    with pytest.raises(NotAModelError, match="not a GGUF model"):
        modelsync.estimate("minilm")
    monkeypatch.setenv("MODELSYNC_PATH_MINILM", str(tmp_path / "gone"))
    with pytest.raises(NotFoundError, match="MODELSYNC_PATH_MINILM"):
        path.files(context, "minilm", lambda: place.project)


def test_what_is_gone_upstream_goes_from_the_folder(place: Place, repo: Repo, context: Context) -> None:
    """An upgrade leaves no old file and no empty folder; a file of the user stays."""
    project = place.write(LINKED_FOLDER)
    sync.sync(context, project)
    folder = place.folder / "models" / "minilm"
    (folder / "mine.txt").write_text("mine")
    repo.commit({"1_Pooling/config.json": None, "2_Dense/config.json": b"{}"})
    sync.sync(context, project, sync_options(upgrade=True))
    expected = taken(minilm()) | {"2_Dense/config.json": b"{}", "mine.txt": b"mine"}
    del expected["1_Pooling/config.json"]
    assert tree(folder) == expected
    assert not (folder / "1_Pooling").exists()


def test_a_file_may_become_a_folder_and_back(place: Place, repo: Repo, context: Context) -> None:
    """What was put there before makes room for what has its name now."""
    manifest = (
        f'[modelsync]\ndir = "models"\n[models.minilm]\nuri = "hf:{FOLDER_REPO}"\ninclude = ["part*"]\n'
    )
    repo.commit({"part": b"one file"})
    project = place.write(manifest)
    sync.sync(context, project)
    folder = place.folder / "models" / "minilm"
    repo.commit({"part": None, "part/a.json": b"{}", "part/b.json": b"[]"})
    done = sync.sync(context, project, sync_options(upgrade=True))
    assert not any("stays" in note for note in done.notes)
    assert tree(folder) == {"part/a.json": b"{}", "part/b.json": b"[]"}
    repo.commit({"part/a.json": None, "part/b.json": None, "part": b"one file"})
    done = sync.sync(context, project, sync_options(["minilm"], upgrade=True))
    assert not any("stays" in note for note in done.notes)
    assert tree(folder) == {"part": b"one file"}


def test_a_changed_file_is_not_removed_for_a_folder(place: Place, repo: Repo, context: Context) -> None:
    """What the user wrote stays, and the error names it."""
    manifest = (
        f'[modelsync]\ndir = "models"\n[models.minilm]\nuri = "hf:{FOLDER_REPO}"\ninclude = ["part*"]\n'
    )
    repo.commit({"part": b"one file"})
    project = place.write(manifest)
    sync.sync(context, project, sync_options(link_mode="copy"))
    mine = place.folder / "models" / "minilm" / "part"
    mine.chmod(0o644)
    mine.write_bytes(b"my own words")
    repo.commit({"part": None, "part/a.json": b"{}"})
    with pytest.raises(ModelsyncError, match="in the way"):
        sync.sync(context, project, sync_options(upgrade=True))
    assert mine.read_bytes() == b"my own words"


def test_a_variant_takes_other_files_of_the_repo(place: Place, repo: Repo, context: Context) -> None:
    """Each is a folder of its own; groups select a folder model like any other."""
    assert repo.branches
    project = place.write(
        FOLDER
        + 'groups = ["search"]\n[models.minilm.variants.onnx]\ninclude = ["onnx/*", "tokenizer.json"]\n'
        "exclude = []\n"
    )
    assert sync.sync(context, project, sync_options(groups=None)).changes
    plain = path.files(context, "minilm", lambda: project)
    sync.sync(context, project, sync_options(variant="onnx"))
    other = path.files(context, "minilm", lambda: project, variant="onnx")
    assert set(tree(other.model)) == {"onnx/config.json", "onnx/model.onnx", "tokenizer.json"}
    assert set(tree(plain.model)) == set(PATHS)


def test_auto_takes_the_largest_folder_that_fits(
    place: Place, repo: Repo, context: Context, sized: Callable[[int], None]
) -> None:
    """What loads it is not known: its size tells whether it fits."""
    repo.commit({"large.weights": safetensors(rows=200_000)})
    project = place.write(FOLDER + '[models.minilm.variants.large]\ninclude = ["large.weights"]\n')
    sized(8 << 30)
    sync.sync(context, project, sync_options(variant="auto"))
    found = path.files(context, "minilm", lambda: project, variant="auto")
    assert [each.name for each in found.files] == ["large.weights"]


def test_commands_count_a_folder_as_one_model(place: Place, repo: Repo, context: Context) -> None:
    """`list` has one row with the folder's path, `outdated` one change, `verify` a row a file under one name."""
    project = place.write(FOLDER)
    sync.sync(context, project)
    (row,) = listing.rows(context, project)
    size = sum(map(len, taken(minilm()).values()))
    assert (row.state, row.files, row.size, row.quant) == ("here", 5, size, None)
    assert row.path == path.files(context, "minilm", lambda: project).folder
    rows = verify.verify(context, project)
    assert [(each.name, each.file, each.status) for each in rows] == [
        ("minilm", each, "ok") for each in PATHS
    ]
    repo.commit({"config.json": b'{"new": 1}', "README.md": b"new"})
    (moved,) = outdated.outdated(context, project).models
    assert (moved.change.name, moved.change.bytes, moved.reusable) == ("minilm", len(b'{"new": 1}'), 0)
    assert moved.reused == size - len(minilm()["config.json"])


def test_a_damaged_file_deep_in_a_folder_is_found_and_repaired(
    place: Place, repo: Repo, context: Context
) -> None:
    """In the store and in the project's folder."""
    assert repo.branches
    project = place.write(LINKED_FOLDER)
    sync.sync(context, project, sync_options(link_mode="copy"))
    copy = place.folder / "models" / "minilm" / "1_Pooling" / "config.json"
    damage(copy, 3)
    found = {row.file: row.status for row in verify.verify(context, project)}
    assert found["minilm/1_Pooling/config.json"] == "damaged"
    assert sorted(found.values()) == sorted(["ok"] * (len(found) - 1) + ["damaged"])
    done = repair.repair(context, project)
    assert done.error is None
    assert tree(copy.parents[1]) == taken(minilm())


def test_exports_name_the_files_at_their_paths(place: Place, repo: Repo, context: Context) -> None:
    """json, env and sha256sums; what `sha256sum` itself checks."""
    assert repo.branches
    project = place.write(LINKED_FOLDER)
    sync.sync(context, project)
    chosen = models.models(context, project)
    folder = place.folder / "models" / "minilm"
    (value,) = json.loads(FORMATS["json"].write(chosen, project.root)[0].text)["models"]
    assert value["path"] == str(folder)
    assert [(each["role"], each["path"], each["file"]) for each in value["files"]] == [
        ("file", str(folder / each), each) for each in PATHS
    ]
    assert FORMATS["env"].write(chosen, project.root)[0].text == f"export MODELSYNC_PATH_MINILM={folder}\n"
    sums = FORMATS["sha256sums"].write(chosen, project.root)[0].text
    done = subprocess.run(
        ["sha256sum", "-c"], input=sums, text=True, cwd=place.folder, capture_output=True, check=True
    )
    assert done.stdout.splitlines() == [f"models/minilm/{each}: OK" for each in PATHS]
    assert run.environment(context, project, Selection()) == {"MODELSYNC_PATH_MINILM": str(folder)}


@pytest.mark.parametrize("program", ["llama-server", "ollama"])
def test_programs_of_llama_cpp_are_not_given_a_folder(
    place: Place, repo: Repo, context: Context, program: str
) -> None:
    """Beside a GGUF model it is left out with a note; alone it is an error that says what it is."""
    assert repo.branches
    project = place.write(MANIFEST + FOLDER)
    sync.sync(context, project)
    (made,) = FORMATS[program].write(models.models(context, project), project.root)
    assert "minilm" not in made.text
    assert "tiny" in made.text
    assert any("minilm is not a GGUF model: it is a folder of 5 files" in note for note in made.notes)
    with pytest.raises(NotAModelError, match="minilm is not a GGUF model"):
        FORMATS[program].write(models.models(context, project, Selection(["minilm"])), project.root)


def test_a_folder_is_not_loaded(place: Place, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load` says what it is before it fetches a byte; of a file of another type once it is here."""
    pytest.importorskip("llama_cpp")
    monkeypatch.chdir(place.folder)
    repo.commit({"ggml-tiny.bin": whisper()})
    place.write(f'{FOLDER}[models.whisper]\nuri = "hf:{FOLDER_REPO}/ggml-tiny.bin"\n')
    modelsync.lock()
    place.hub.clear()
    with pytest.raises(NotAModelError, match="minilm is not a GGUF model: it is a folder"):
        modelsync.load("minilm")
    assert place.hub.seen() == []
    with pytest.raises(NotAModelError, match="whisper is not a GGUF model: it is in a GGML format"):
        modelsync.load("whisper")


def test_a_folder_is_pulled_by_globs(
    place: Place, repo: Repo, context: Context, opened: Opened, tmp_path: Path
) -> None:
    """Into the store and under a folder; offline, the same globs mean the same files, and others were never pulled."""
    uri = f"hf:{FOLDER_REPO}"
    (one,) = pull.pull(context, [uri], asked=PullOptions(GLOBS)).pulled
    assert tree(one.files.model) == taken(minilm())
    (again,) = pull.pull(context, [uri], directory=tmp_path / "out", asked=PullOptions(GLOBS)).pulled
    assert again.files.folder == tmp_path / "out" / FOLDER_REPO
    assert tree(again.files.folder) == taken(minilm())
    repo.commit({"config.json": b"[]"})
    offline = opened(CallOptions(offline=True))
    assert pull.pull(offline, [uri], asked=PullOptions(GLOBS)).pulled[0].files == one.files
    with pytest.raises(NotSyncedError, match="never pulled"):
        pull.pull(offline, [uri], asked=PullOptions(FolderOptions(("*.json",))))


@pytest.mark.parametrize(
    ("uri", "globs"),
    [
        (f"hf:{FOLDER_REPO}/config.json", FolderOptions(("*.json",))),
        ("https://example.com/x.bin", FolderOptions(("*",))),
        (f"hf:{FOLDER_REPO}", FolderOptions((), ("*.json",))),
        (f"hf:{FOLDER_REPO}", FolderOptions(("",))),
    ],
)
def test_globs_that_cannot_be_meant_are_refused(context: Context, uri: str, globs: FolderOptions) -> None:
    """Before anything is asked: of one file, of a URL, without `include`, and empty ones."""
    with pytest.raises(UsageError):
        pull.pull(context, [uri], asked=PullOptions(globs))


def test_a_pull_in_code_takes_globs(place: Place, repo: Repo) -> None:
    """`include` and `exclude` of `modelsync.pull` are the flags of the command."""
    assert repo.branches
    (files,) = modelsync.pull(f"hf:{FOLDER_REPO}", include=["*.json"], exclude=["onnx/*"])
    assert [each.relative_to(files.model).as_posix() for each in files.files] == [
        each for each in PATHS if each.endswith(".json")
    ]
    assert place.hub.seen()


def test_a_package_may_ship_a_folder_model(
    place: Place, repo: Repo, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest and lock are package data; the path is a folder of the store."""
    assert repo.branches
    sync.sync(context, place.write(FOLDER))
    package = tmp_path / "site" / "folderpkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in ("models.toml", "models.lock"):
        shutil.copy(place.folder / name, package / name)
    monkeypatch.syspath_prepend(package.parent)
    found = modelsync.files("minilm", package="folderpkg")
    assert found.folder is not None
    assert tree(found.folder) == taken(minilm())


def test_a_readonly_store_has_the_folder(
    place: Place,
    repo: Repo,
    context: Context,
    store_root: Path,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A view in a store that is baked into an image answers `path` without a byte over the network."""
    assert repo.branches
    project = place.write(FOLDER)
    sync.sync(context, project)
    baked = store_root.with_name("baked")
    os.rename(store_root, baked)  # noqa: PTH104
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(baked))
    offline = opened(CallOptions(offline=True))
    found = path.files(offline, "minilm", lambda: project)
    assert found.model.is_relative_to(baked)
    assert tree(found.model) == taken(minilm())


def test_a_plan_tells_many_files_of_one_model_once(place: Place, repo: Repo, context: Context) -> None:
    """A folder of thousands of files is one line; three files are three."""
    assert repo.branches
    project = place.write(LINKED_FOLDER)
    told = plan.summary(sync.sync(context, project, sync_options(dry_run=True)).steps)
    size = sum(map(len, taken(minilm()).values()))
    assert ("fetch 5 files of minilm", size) in told
    assert ("link 5 files of minilm", None) in told

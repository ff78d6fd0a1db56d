"""Folder models at the command line: `add`, `pull`, `path`, `verify` and what they print."""

import json
from pathlib import Path

import pytest

from modelsync.cli.app import program
from tests.hub import Repo
from tests.support.command_line import Cli
from tests.support.folder_models import FOLDER, FOLDER_REPO, PATHS, minilm, taken, tree

GLOBS = ("--include", "*.json", "--include", "*.safetensors", "--exclude", "onnx/*")
SIZE = sum(map(len, taken(minilm()).values()))


@pytest.fixture
def repo(empty: Cli) -> Repo:
    """The hub's repo, with the files of `minilm`."""
    made = empty.hub.repo(FOLDER_REPO)
    made.commit(minilm())
    return made


def test_add_writes_the_globs(empty: Cli, repo: Repo) -> None:
    """The manifest has them as they were typed, the lock none of what is permitted, and one line tells of the model."""
    assert repo.branches
    empty.write("[models]\n")
    done = empty("add", "minilm", f"hf:{FOLDER_REPO}", *GLOBS, "--allow-code", "*.py")
    assert "\n + minilm  5 files" in done.err
    written = (empty.folder / "models.toml").read_text()
    assert 'include = ["*.json", "*.safetensors"]\nexclude = ["onnx/*"]\nallow-code = ["*.py"]\n' in written
    assert "allow" not in empty.lock.read_text()
    assert "version = 2" in empty.lock.read_text()
    found = empty("path", "minilm", "--format", "json").json
    folder = Path(found["path"])
    assert found["files"] == {
        "model": str(folder),
        "parts": [],
        "mmproj": None,
        "loras": [],
        "draft": None,
        "folder": str(folder),
        "files": [str(folder / each) for each in PATHS],
    }
    assert empty("path", "minilm").out == f"{folder}\n"
    assert empty("path", "minilm", "--all").out.splitlines() == [str(folder / each) for each in PATHS]


def test_globs_without_a_whole_repo_are_told_before_anything_is_asked(empty: Cli) -> None:
    """Status 2 and what to give instead; the manifest is as it was."""
    empty.write("[models]\n")
    done = empty("add", "x", f"hf:{FOLDER_REPO}:Q4_K_M", "--include", "*.json", status=2)
    assert "is no whole repo" in done.err
    assert f'uri = "hf:{FOLDER_REPO}"' in done.err
    assert (empty.folder / "models.toml").read_text() == "[models]\n"
    done = empty("pull", f"hf:{FOLDER_REPO}", "--exclude", "*.json", status=2)
    assert "--include" in done.err
    done = empty("add", "x", f"hf:{FOLDER_REPO}", "--fit", "--include", "*.json", status=2)
    assert "--fit chooses a GGUF quant" in done.err
    done = empty("pull", f"hf:{FOLDER_REPO}", *GLOBS, "--dir", "out", "--filename", "x", status=2)
    assert "--filename names one file" in done.err
    assert empty.hub.seen() == []


def test_pull_prints_the_folder(empty: Cli, repo: Repo) -> None:
    """In the store, and under `--dir` at the repo's name; JSON and events count one model."""
    assert repo.branches
    first = empty("pull", f"hf:{FOLDER_REPO}", *GLOBS, "--events", "events.jsonl")
    assert tree(Path(first.out.strip())) == taken(minilm())
    labels = {json.loads(line)["label"] for line in (empty.folder / "events.jsonl").read_text().splitlines()}
    assert {f"minilm: {path}" for path in PATHS} <= labels
    done = empty("pull", f"hf:{FOLDER_REPO}", *GLOBS, "--dir", "out", "--format", "json").json
    (one,) = done["pulled"]
    assert one["path"] == str(empty.folder / "out" / FOLDER_REPO)
    assert tree(empty.folder / "out" / FOLDER_REPO) == taken(minilm())


def test_verify_tells_a_good_folder_in_one_line(empty: Cli, repo: Repo) -> None:
    """A damaged file of it has a line of its own; JSON has each file."""
    assert repo.branches
    empty.write(FOLDER)
    empty("sync", "-q")
    shown = empty("verify")
    assert [line.split()[:3] for line in shown.out.splitlines()][1:] == [["minilm", "5", "files"]]
    assert [row["file"] for row in empty("verify", "--format", "json").json["rows"]] == list(PATHS)
    folder = Path(empty("path", "minilm").out.strip())
    blob = folder / "config.json"
    blob.chmod(0o644)
    blob.write_bytes(bytes(blob.stat().st_size))
    bad = empty("verify", status=1)
    assert ["minilm", "config.json"] in [line.split()[:2] for line in bad.out.splitlines()]
    assert ["minilm", "4", "files"] in [line.split()[:3] for line in bad.out.splitlines()]


def test_list_shows_one_row(empty: Cli, repo: Repo) -> None:
    """With the bytes of all its files, how many they are, and its folder."""
    assert repo.branches
    empty.write(FOLDER)
    empty("sync", "-q")
    (row,) = empty("list", "--format", "json").json["rows"]
    assert (row["name"], row["state"], row["size"], row["files"], row["quant"]) == (
        "minilm",
        "here",
        SIZE,
        5,
        None,
    )
    assert Path(row["path"]).is_dir()


def test_add_and_pull_have_the_same_words() -> None:
    """One declaration serves both."""
    import click

    context = click.Context(program)
    helps = []
    for word in ("add", "pull"):
        command = program.get_command(context, word)
        assert command is not None
        options = {each.name: each for each in command.params if isinstance(each, click.Option)}
        helps.append([options[name].help for name in ("include", "exclude", "allow_code")])
    assert helps[0] == helps[1]

"""A first manifest from what is on the machine: folders of models, scripts, the Hugging Face cache."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.context import Context
from modelsync.errors import ManifestError, NotFoundError, UsageError
from modelsync.ops import edit, sync
from modelsync.ops.init_from import text_from
from modelsync.project import discovery
from modelsync.spec.manifest import read
from modelsync.spec.manifest.model import Manifest
from tests.support import neighbours as made
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.neighbours import Wanted, put
from tests.support.project import QUANTS, Opened

MODEL = Wanted(QUANTS["tiny-Q4_K_M.gguf"])
EYE = Wanted(gguf("eye"), "mmproj-F16.gguf")
SMALL = Wanted(b"{}", "config.json", "org/encoder")
WEIGHTS = Wanted(b"weights", "[x]/model.safetensors", "org/encoder")
PICKLE = Wanted(b"pickle", "pytorch_model.bin", "org/encoder")


@pytest.fixture
def written(tmp_path: Path, opened: Opened) -> Callable[[str], Manifest]:
    """The manifest that `init --from` writes; its text must be one."""

    def run(source: str) -> Manifest:
        context: Context = opened()
        edit.init(tmp_path, lambda: text_from(context, source, tmp_path))
        return read.parse((tmp_path / "models.toml").read_text(), where="models.toml")

    return run


def uris(manifest: Manifest) -> dict[str, str]:
    return {entry.name: str(entry.request.reference) for entry in manifest.entries}


def test_the_hugging_face_cache_becomes_entries(
    home: Path, tmp_path: Path, written: Callable[[str], Manifest]
) -> None:
    """GGUF files with their projector; another repo is a folder model of what is there, without what may run code."""
    for wanted in (MODEL, EYE, WEIGHTS):
        made.hugging_face(home, wanted)
    for small in (SMALL, PICKLE):
        made.hugging_face(home, small, etag=small.git_id)
    made.hugging_face(home, MODEL._replace(repo="other/pinned"), commit="d" * 40)
    refs = home / ".cache" / "huggingface" / "hub" / "models--other--pinned" / "refs"
    (refs / "main").rename(refs / "v1")
    found = written("hf-cache")
    assert uris(found) == {
        "encoder": "hf:org/encoder",
        "tiny-q4_k_m": "hf:other/pinned/tiny-Q4_K_M.gguf#v1",
        "tiny-q4_k_m-2": "hf:user/tiny-GGUF/tiny-Q4_K_M.gguf",
    }
    entries = {entry.name: entry.request for entry in found.entries}
    assert entries["encoder"].include == ("[[]x]/model.safetensors", "config.json")
    assert str(entries["tiny-q4_k_m-2"].mmproj) == "hf:user/tiny-GGUF/mmproj-F16.gguf"
    text = (tmp_path / "models.toml").read_text()
    assert "# left out, since they may run code" in text, text


def test_a_commit_without_a_branch_is_named(home: Path, written: Callable[[str], Manifest]) -> None:
    """Else the entry would mean what `main` is now."""
    made.hugging_face(home, MODEL)
    (made.repo_folder(home / ".cache" / "huggingface" / "hub", MODEL.repo) / "refs" / "main").unlink()
    assert uris(written("hf-cache")) == {"tiny-q4_k_m": f"hf:user/tiny-GGUF/tiny-Q4_K_M.gguf#{'c' * 40}"}


def test_a_folders_files_are_known_by_their_digests(
    home: Path, tmp_path: Path, written: Callable[[str], Manifest]
) -> None:
    """A file under any name has the repo that a cache knows for its bytes; another of the same size has not."""
    made.hugging_face(home, MODEL)
    put(tmp_path / "models" / "renamed.gguf", MODEL.data)
    put(tmp_path / "models" / "other.gguf", MODEL.data[:-1] + b"?")
    put(tmp_path / "models" / "pub" / "repo" / "X-Q4_K_M.gguf", gguf("x"))
    put(tmp_path / "models" / "half.gguf.incomplete", MODEL.data)
    put(tmp_path / "models" / "pub" / "repo" / "mmproj-x.gguf", gguf("eye"))
    assert uris(written(str(tmp_path / "models"))) == {"tiny-q4_k_m": "hf:user/tiny-GGUF/tiny-Q4_K_M.gguf"}
    text = (tmp_path / "models.toml").read_text()
    assert '# uri = "hf:pub/repo/X-Q4_K_M.gguf"' in text
    assert '# uri = "file:models/other.gguf"' in text
    assert "mmproj-x.gguf is a projector" in text
    assert "half" not in text
    uncommented = text.replace("# [models.", "[models.").replace("# uri", "uri").split("\n\n")
    for part in uncommented[2:]:
        lines = [line for line in part.splitlines() if not line.startswith("#")]
        for at in range(0, len(lines) - 1, 2):
            read.parse("\n".join(lines[at : at + 2]), where="models.toml")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_each_file_that_is_left_out_is_told(
    home: Path, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder: names that no path may have; files that are empty, unfinished, unreadable, pickles; lost links."""
    folder = tmp_path / "models"
    names = ["a?.gguf", "sub/con.gguf", "half.gguf.incomplete", "downloading_x.gguf.part", "pickle.bin"]
    names += ["imatrix-x.gguf", "s-00002-of-00003.gguf", "t-00001-of-99999.gguf", "locked.gguf"]
    for name in ("good.gguf", *names):
        put(folder / name, gguf(name))
    put(Path(os.fsdecode(os.fsencode(folder) + b"/undecodable-\xff.gguf")), gguf("raw"))
    put(folder / "empty.gguf", b"")
    (folder / "lost.gguf").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.gguf")
    put(folder / "README.md", b"#")
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != folder / "locked.gguf" and access(path, mode)
    )
    told: list[str] = []
    text = text_from(opened(), str(folder), tmp_path, told.append)
    read.parse(text, where="models.toml")
    assert sorted(told) == [
        "a?.gguf is left out: it has the character `?`",
        "downloading_x.gguf.part is left out: it is not finished",
        "empty.gguf is left out: it is empty",
        "half.gguf.incomplete is left out: it is not finished",
        "imatrix-x.gguf is left out: its name says that it is no model",
        "locked.gguf is left out: it cannot be read",
        "lost.gguf is left out: it leads nowhere",
        "pickle.bin is left out: it may run code when it is loaded (`allow-code` permits it)",
        "pipe.gguf is left out: it is no regular file",
        "s-00002-of-00003.gguf is not whole: s-00001-of-00003.gguf, s-00003-of-00003.gguf are not there",
        "sub/con.gguf is left out: Windows keeps the name `con.gguf` for a device",
        "undecodable-\\udcff.gguf is left out: it has a control or invisible character",
    ]
    assert "good.gguf" in text
    assert not any(
        name in text for name in ("a?", "con.gguf", "half", "empty", "lost", "pipe", "undecodable")
    )


def test_what_no_uri_can_name_in_a_cache_is_told(
    home: Path, tmp_path: Path, opened: Opened, written: Callable[[str], Manifest]
) -> None:
    """One odd name of a repo, a branch or a file keeps no other model from being moved in."""
    made.hugging_face(home, MODEL)
    made.hugging_face(home, MODEL._replace(path="a?.gguf", data=gguf("odd")))
    made.hugging_face(home, MODEL._replace(repo="user/b c"))
    repo = made.repo_folder(home / ".cache" / "huggingface" / "hub", MODEL.repo)
    (repo / "refs" / "main").rename(repo / "refs" / "odd name")
    told: list[str] = []
    text_from(opened(), "hf-cache", tmp_path, told.append)
    assert [line.partition(" is left out")[0] for line in told] == ["user/b c", "user/tiny-GGUF/a?.gguf"]
    assert uris(written("hf-cache")) == {"tiny-q4_k_m": f"hf:user/tiny-GGUF/tiny-Q4_K_M.gguf#{'c' * 40}"}


def test_the_command_tells_what_is_left_out(empty: Cli) -> None:
    """On stderr, and in its object."""
    put(empty.folder / "models" / "empty.gguf", b"")
    put(empty.folder / "models" / "x.gguf", gguf("x"))
    run = empty("init", "--from", "models", "--format", "json")
    assert run.json["notes"] == ["empty.gguf is left out: it is empty"]
    (empty.folder / "models.toml").unlink()
    assert "empty.gguf is left out: it is empty" in empty("init", "--from", "models").err


def test_scripts_of_a_package_json_are_read_line_by_line(
    tmp_path: Path, written: Callable[[str], Manifest]
) -> None:
    """Options, several pulls in a line, branches; what is no URI of ours is a comment."""
    scripts = {
        "postinstall": "npx --no node-llama-cpp pull --dir ./models hf:user/one-GGUF:Q4_K_M && echo done",
        "models:pull": "node-llama-cpp pull -d models --url=hf:user/two/sub/x-Q8_0.gguf#dev "
        "https://huggingface.co/user/three/resolve/main/y.gguf; node-llama-cpp pull --dir models nonsense:x -n 'a b'",
        "chat": "node-llama-cpp chat --model hf:user/not-pulled",
        "broken": "node-llama-cpp pull 'hf:user/x",
    }
    put(tmp_path / "package.json", json.dumps({"scripts": scripts}).encode())
    found = written(str(tmp_path / "package.json"))
    assert uris(found) == {
        "one": "hf:user/one-GGUF:Q4_K_M",
        "x-q8_0": "hf:user/two/sub/x-Q8_0.gguf#dev",
        "y": "hf:user/three/y.gguf",
    }
    assert found.dir == "models"
    text = (tmp_path / "models.toml").read_text()
    assert "# postinstall: node-llama-cpp pull" in text
    assert "# nonsense:x: " in text
    assert "# there the file is called a b" in text


def test_options_of_the_pull_are_read_as_its_own_command_line_reads_them(
    tmp_path: Path, written: Callable[[str], Manifest]
) -> None:
    """`get` and `nlc` are other names; an option with no value takes no URI, and one with a value takes it."""
    lines = [
        "nlc get --uris hf:user/a-GGUF:Q4_K_M hf:user/b-GGUF:Q4_K_M --parallel 3 -d./models",
        "npx --yes node-llama-cpp@3 pull --override true --no-progress --dir=models hf:user/c-GGUF:Q4_K_M -p4",
        "./node_modules/.bin/nlc pull -od models -H 'A: b' --noTemp --uri=hf:user/d-GGUF:Q4_K_M",
        "nlc pull --override hf:user/e-GGUF:Q4_K_M -d=models --name other.gguf",
    ]
    scripts = {f"s{number}": line for number, line in enumerate(lines)}
    put(tmp_path / "package.json", json.dumps({"scripts": scripts}).encode())
    found = written(str(tmp_path / "package.json"))
    assert uris(found) == {name: f"hf:user/{name}-GGUF:Q4_K_M" for name in "abcde"}
    assert found.dir == "models"
    text = (tmp_path / "models.toml").read_text()
    assert "# its headers belong in your config.toml" in text
    assert "# there the file is called other.gguf" in text


def test_a_package_json_may_begin_with_a_mark(tmp_path: Path, written: Callable[[str], Manifest]) -> None:
    """Editors on Windows write a byte order mark, and npm takes it."""
    text = '{"scripts": {"get": "node-llama-cpp pull hf:user/tiny:Q4_K_M"}}'
    (tmp_path / "package.json").write_text(text, "utf-8-sig")
    (entry,) = written(str(tmp_path / "package.json")).entries
    assert str(entry.request.uri) == "hf:user/tiny:Q4_K_M"


@pytest.mark.parametrize("text", ["", "[]", '{"scripts": []}', "{", '{"scripts": {"a": 1}}'])
def test_what_is_no_package_json_makes_no_manifest(
    text: str, tmp_path: Path, written: Callable[[str], Manifest]
) -> None:
    """An error with words, and nothing written."""
    put(tmp_path / "package.json", text.encode())
    with pytest.raises((UsageError, NotFoundError)):
        written(str(tmp_path / "package.json"))
    assert not (tmp_path / "models.toml").exists()


def test_nothing_to_move_in_with_is_an_error(tmp_path: Path, written: Callable[[str], Manifest]) -> None:
    """No cache, an empty folder, a word that is nothing."""
    (tmp_path / "empty").mkdir()
    for source in ("hf-cache", str(tmp_path / "empty"), "nothing"):
        with pytest.raises(NotFoundError):
            written(source)
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_a_manifest_is_never_overwritten(
    home: Path, tmp_path: Path, written: Callable[[str], Manifest]
) -> None:
    """Whatever it says."""
    made.hugging_face(home, MODEL)
    (tmp_path / "models.toml").write_text("# mine\n")
    with pytest.raises(ManifestError, match="there already"):
        written("hf-cache")
    assert (tmp_path / "models.toml").read_text() == "# mine\n"


def test_what_moved_in_is_not_downloaded(empty: Cli, home: Path, opened: Opened) -> None:
    """The command line: from a cache to a synced project, without a byte of a file over the wire."""
    commit = empty.repo.branches["main"]
    made.hugging_face(home, MODEL, commit=commit)
    empty("init", "--from", "hf-cache")
    empty.hub.clear()
    done = sync.sync(opened(), discovery.find(manifest_path=empty.folder))
    assert (done.bytes_fetched, [change.name for change in done.changes]) == (0, ["tiny-q4_k_m"])
    assert empty.hub.seen("cdn") == []

"""`modelsync export`: what other programs read of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import UsageError
from modelsync.ops.export import llama_server
from modelsync.ops.export import ollama as export_ollama
from modelsync.project.model_files import ModelFiles
from tests.support import presets
from tests.support.command_line import COMMAND, Cli
from tests.support.content import gguf
from tests.support.project import QUANTS

FILES = {
    "tiny-Q4_K_M.gguf": gguf("q4"),
    "mmproj-F16.gguf": gguf("eye"),
    "a.gguf": gguf("a"),
    "b,2.gguf": gguf("b"),
}
MANIFEST = """
[models]
plain = "hf:user/all/tiny-Q4_K_M.gguf"

[models.all]
uri = "hf:user/all/tiny-Q4_K_M.gguf"
mmproj = "hf:user/all/mmproj-F16.gguf"
loras = ["hf:user/all/a.gguf", "hf:user/all/b,2.gguf"]

[models.all.load]
n_ctx = 8192
n_gpu_layers = -1
flash_attn = true
offload_kqv = false
type_k = 8
type_v = 2
use_mmap = false
use_mlock = true
tensor_split = [0.5, 0.5]
rope_freq_base = 1e6
no_perf = true
verbose = false
chat_format = "chatml"

[models.parts]
uri = "hf:user/all/big-00001-of-00002.gguf"
groups = ["large"]
"""


@pytest.fixture
def project(empty: Cli) -> Cli:
    """A synced project with a split model, a projector and adapters."""
    parts = {f"big-0000{part}-of-00002.gguf": gguf(f"part{part}") for part in (1, 2)}
    empty.hub.repo("user/all").commit({**FILES, **parts})
    empty.write(MANIFEST)
    empty("-q", "sync")
    empty.hub.clear()
    return empty


def test_llama_server_reads_its_presets(project: Cli) -> None:
    """A section a model: its files, and the load settings under their flags' names; what has none is told."""
    run = project("export", "--to", "llama-server")
    sections = presets.read(run.out)
    assert list(sections) == ["all", "parts", "plain"]
    model = project("path", "all", "--all").out.splitlines()
    assert sections["all"] == {
        "model": model[0],
        "mmproj": model[1],
        "lora": f'{model[2]},"{model[3]}"',
        "ctx-size": "8192",
        "n-gpu-layers": "all",
        "flash-attn": "on",
        "kv-offload": "false",
        "cache-type-k": "q8_0",
        "cache-type-v": "q4_0",
        "load-mode": "mlock",
        "tensor-split": "0.5,0.5",
        "rope-freq-base": "1000000.0",
        "perf": "false",
    }
    assert sections["parts"] == {"model": project("path", "parts").out.strip()}
    assert "all: llama-server has nothing for chat_format" in run.err
    assert project.hub.seen() == []


def test_an_output_is_replaced_whole_and_nothing_beside_it_is(project: Cli) -> None:
    """What came with a checkout beside the output, or in its place, does not lead the bytes elsewhere."""
    folder = project.folder
    mine = folder.parent / "profile"
    mine.write_text("mine")
    (folder / ".presets.ini.new").symlink_to(mine)
    (folder / "presets.ini").symlink_to(mine)
    project("export", "--to", "llama-server", "-o", "presets.ini")
    assert mine.read_text() == "mine"
    assert (folder / ".presets.ini.new").is_symlink()
    assert not (folder / "presets.ini").is_symlink()
    assert "[plain]" in (folder / "presets.ini").read_text()
    (folder / "taken").mkdir()
    before = sorted(folder.iterdir())
    project("export", "--to", "llama-server", "-o", "taken", status=2)
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name")
def test_a_pipe_as_the_output_gets_the_bytes_and_stays(project: Cli) -> None:
    """So does a device: neither is replaced by a file. A link to a device is not either."""
    pipe, null = project.folder / "pipe", project.folder / "null"
    os.mkfifo(pipe)
    null.symlink_to(os.devnull)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        project("export", "--to", "llama-server", "-o", "pipe")
        assert b"[plain]" in os.read(reader, 65536)
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    project("export", "--to", "llama-server", "-o", "null")
    assert null.is_symlink()


_LOADS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("n_ctx", "n_batch", "seed", "n_threads", "last_n_tokens_size"), st.integers(0, 2**31)
        ),
        **dict.fromkeys(
            ("use_mmap", "use_mlock", "embedding", "swa_full", "op_offload", "no_perf"), st.booleans()
        ),
        **dict.fromkeys(("rope_freq_base", "yarn_ext_factor"), st.floats(-1e9, 1e9)),
        **dict.fromkeys(
            ("split_mode", "rope_scaling_type", "pooling_type", "attention_type"), st.integers(-1, 9)
        ),
        "n_gpu_layers": st.integers(-1, 999) | st.just("auto"),
        "n_ctx": st.integers(0, 2**20) | st.just("max"),
        "type_k": st.sampled_from([0, 1, 2, 3, 6, 7, 8, 20, 30]),
        "numa": st.booleans() | st.integers(0, 3),
        "tensor_split": st.lists(st.floats(0, 1), min_size=1, max_size=8).map(tuple),
        "lora_scale": st.floats(0, 8),
    },
)


@given(load=_LOADS)
def test_whatever_is_set_llama_server_can_read(load: dict[str, object]) -> None:
    """No load setting makes a file that llama-server would refuse."""
    loras = (Path("/m/a.gguf"), Path("/m/b.gguf"))
    text, _ = llama_server.section("x", ModelFiles(Path("/m/x.gguf"), (), loras=loras), load)
    assert presets.read(text)["x"]["model"] == "/m/x.gguf"


@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12))
def test_a_path_comes_back_as_it_was_or_is_refused(name: str) -> None:
    """llama-server's reader has no quotes and Ollama's drops characters: such a path is an error, never another."""
    path = Path(f"/m/{name}")
    try:
        text, _ = llama_server.section("x", ModelFiles(path, (path,)), {})
    except UsageError:
        assert set(name) & set(";#\r\n") or name != name.strip()
    else:
        assert presets.read(text) == {"x": {"model": str(path)}}
    try:
        text, _ = export_ollama.modelfile("x", ModelFiles(path, (path,)), {})
    except UsageError:
        assert '"' in name or not name.isprintable() or name != name.strip()
    else:
        assert ollama(text) == [("model", str(path))]


def ollama(text: str) -> list[tuple[str, str]]:
    """The commands of a Modelfile, as Ollama's `parser.go` reads them, for values without quotes."""
    commands = []
    for line in re.split(r"[\r\n]", text):
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "PARAMETER":
            word, _, rest = rest.partition(" ")
        value = "".join(each for each in rest if each.isprintable()).strip()
        commands.append(({"FROM": "model", "ADAPTER": "adapter"}.get(word, word), value))
    return commands


def test_ollama_gets_a_modelfile_each(project: Cli) -> None:
    """To a folder, or to stdout for one; what Ollama cannot load is an error that says so."""
    (one,) = project("path", "plain").out.splitlines()
    run = project("export", "plain", "--to", "ollama")
    assert ollama(run.out) == [("model", one)]
    run = project("export", "--to", "ollama", "plain", "parts", "-o", "some")
    assert "left out: Ollama loads no split models, and parts has 2 parts" in run.err
    assert [path.name for path in (project.folder / "some").iterdir()] == ["plain.Modelfile"]
    assert "split" in project("export", "--to", "ollama", "parts", "-o", "out", status=2).err
    assert "one adapter" in project("export", "--to", "ollama", "all", status=2).err
    project.write(
        MANIFEST.replace(', "hf:user/all/b,2.gguf"', "").replace('groups = ["large"]', 'groups = ["x"]')
    )
    project("-q", "sync")
    assert "one Modelfile is for one" in project("export", "--to", "ollama", "plain", "all", status=2).err
    files = project("path", "all", "--all").out.splitlines()
    run = project("export", "--to", "ollama", "--no-group", "x", "--output", "out")
    made = {path.name: ollama(path.read_text()) for path in (project.folder / "out").iterdir()}
    assert made == {
        "plain.Modelfile": [("model", one)],
        "all.Modelfile": [
            ("model", files[0]),
            ("model", files[1]),
            ("adapter", files[2]),
            ("num_ctx", "8192"),
            ("num_gpu", "999"),
            ("use_mmap", "false"),
        ],
    }
    assert run.out == ""
    assert "all: Ollama has nothing for flash_attn" in run.err


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
@pytest.mark.parametrize("linked", [True, False])
def test_sha256sum_checks_what_is_here(project: Cli, linked: bool) -> None:
    """`sha256sum -c` finds every file by its line, in the project's folder or the store, and a damaged one too."""
    if linked:
        project.write('[modelsync]\ndir = "my models"\n' + MANIFEST)
        project("-q", "sync")
    project("export", "--to", "sha256sums", "-o", "SHA256SUMS")
    lines = (project.folder / "SHA256SUMS").read_text().splitlines()
    assert all(("  my models/" in line) is linked for line in lines)
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=project.folder, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked
    assert checked.stdout.count(": OK\n") == len(lines) == 7
    spoiled = Path(project("path", "plain").out.strip())
    spoiled.chmod(0o644)
    spoiled.write_bytes(b"x" * spoiled.stat().st_size)
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=project.folder, capture_output=True, text=True
    )
    assert checked.returncode == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there is no shell that reads it")
def test_a_shell_reads_the_variables(project: Cli) -> None:
    """`eval` of them sets the variable of each model, whatever is in its path."""
    project.write('[modelsync]\ndir = "a $HOME `b` dir"\n' + MANIFEST)
    project("-q", "sync")
    text = project("export", "--to", "env").out
    done = subprocess.run(
        ["sh", "-c", 'eval "$1"; env', "sh", text],
        capture_output=True,
        text=True,
        check=True,
        cwd=project.folder,
    )
    variables = dict(
        line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("MODELSYNC_PATH_")
    )
    assert variables == {
        f"MODELSYNC_PATH_{name.upper()}": project("path", name).out.strip()
        for name in ("all", "parts", "plain")
    }


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there are no such paths")
@pytest.mark.parametrize("folder", ["a\u2028b", "a\x0cb", "a\x85b", "a\x1b[1mb", "a\udcffb"])
def test_stdout_has_the_bytes_of_a_file(
    empty: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A path goes through unchanged, whatever else ends a line, colours one, or is no UTF-8."""
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / folder))
    empty.hub.repo("user/plain").commit({"plain.gguf": gguf("plain")})
    empty.write('[models]\nplain = "hf:user/plain/plain.gguf"\n')
    empty("-q", "sync")
    for to in ("env", "sha256sums", "llama-server"):
        words = [*COMMAND, "export", "--to", to]
        done = subprocess.run(words, cwd=empty.folder, capture_output=True, check=True)
        empty("export", "--to", to, "-o", "written")
        assert done.stdout == (empty.folder / "written").read_bytes()
        assert os.fsencode(tmp_path / folder) in done.stdout


def test_programs_read_everything(project: Cli) -> None:
    """What manifest and lock say, and where the files are; a model that is not here has no path."""
    run = project("export", "--to", "json")
    value = json.loads(run.out)
    assert project("--format", "json", "export", "--to", "json").json == value
    first, parts, plain = value["models"]
    assert (first["name"], parts["groups"], plain["load"]) == ("all", ["large"], {})
    assert first["load"]["tensor_split"] == [0.5, 0.5]
    assert [file["role"] for file in first["files"]] == ["model", "mmproj", "lora", "lora"]
    assert all(Path(file["path"]).stat().st_size == file["size"] for file in parts["files"])
    project("-q", "cache", "clean", "--yes")
    value = json.loads(project("export", "plain", "--to", "json").out)
    assert value["models"][0]["files"][0]["path"] is None


def test_what_is_not_here_is_an_error(cli: Cli) -> None:
    """Nothing is fetched for an export: the hint names the sync."""
    cli("lock", "-q")
    cli.hub.clear()
    for to in ("env", "sha256sums", "llama-server", "ollama"):
        assert "run `modelsync sync`" in cli("export", "--to", to, status=1).err
    assert cli.hub.seen() == []
    assert cli("--format", "json", "export", "--to", "env", status=1).json["error"]["code"] == "not-synced"


def test_an_output_is_replaced_whole(project: Cli) -> None:
    """What was there is replaced; what cannot be written is an error, and nothing is left beside it."""
    target = project.folder / "models.ini"
    target.write_text("old")
    run = project("--format", "json", "export", "--to", "llama-server", "-o", "models.ini")
    assert run.json["output"] == str(target)
    assert presets.read(target.read_text()).keys() == {"all", "parts", "plain"}
    project("export", "--to", "env", "-o", "no/such/folder.sh", status=2)
    assert sorted(names(project.folder)) == ["models.ini", "models.lock", "models.toml"]


def names(folder: Path) -> Sequence[str]:
    """What is in a folder."""
    return [path.name for path in folder.iterdir()]


def test_the_hugging_face_cache_gets_links(synced: Cli, home: Path, tmp_path: Path) -> None:
    """`--to hf-cache` prints where the files are there; another cache is named with --output; again, nothing is put."""
    hub = home / ".cache" / "huggingface" / "hub"
    run = synced("export", "--to", "hf-cache")
    place = hub / "models--user--tiny-GGUF" / "snapshots" / synced.commit / "tiny-Q4_K_M.gguf"
    assert run.out == f"{place}\n"
    assert place.read_bytes() == QUANTS["tiny-Q4_K_M.gguf"]
    again = synced("export", "--to", "hf-cache", "--format", "json").json
    assert (again["put"], again["there"], again["refused"]) == ([], [str(place)], 0)
    other = synced("export", "--to", "hf-cache", "-o", str(tmp_path / "hub"), "--format", "json").json
    assert other["put"] == [str(tmp_path / "hub" / place.relative_to(hub))]
    pruned = synced("cache", "clean", "-y", "--format", "json").json
    assert pruned["taken_back"] == 2
    assert not place.exists()

"""`modelsync chat`: real models, tiny and random, on a pipe and on a terminal."""

import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.command_line import COMMAND, Cli
from tests.support.gguf_files import make_llama

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")


@pytest.fixture
def talking(empty: Cli, tiny_gguf: Path, tmp_path: Path) -> Cli:
    """A synced project with a model that talks, one that makes vectors and one whose template is of no use."""
    from tests.support.llama_models import make_bert

    bad = make_llama(tmp_path / "bad.gguf", chat_template="{{ messages[7].content.nothing }}")
    loop = make_llama(tmp_path / "hostile.gguf", chat_template="\x1b]0;{{ ''.__class__.__mro__ }}")
    bert = make_bert(tmp_path / "bert.gguf")
    ranker = make_bert(tmp_path / "ranker.gguf", ranks=True)
    files = {
        "tiny-Q4_K_M.gguf": tiny_gguf,
        "bert.gguf": bert,
        "ranker.gguf": ranker,
        "bad.gguf": bad,
        "hostile.gguf": loop,
    }
    empty.hub.repo("user/all").commit(files)
    lines = "".join(f'{name} = "hf:user/all/{name}.gguf"\n' for name in ("bert", "ranker", "bad", "hostile"))
    empty.write(
        f'[models]\n{lines}tiny = {{ uri = "hf:user/all:Q4_K_M", load = {{ n_ctx = 256, seed = 7 }} }}\n'
    )
    empty("-q", "sync")
    empty.hub.clear()
    return empty


def test_one_question_has_one_answer(talking: Cli) -> None:
    """The answer goes to stdout, what is said about it to stderr; `-q` says nothing. No network is used."""
    run = talking("chat", "tiny", "hello", "--max-tokens", "4")
    assert run.out.endswith("\n")
    assert run.out.strip()
    assert "4 tokens in " in run.err
    assert talking("-q", "chat", "tiny", "hello", "--max-tokens", "4").err == ""
    assert talking.hub.seen() == []


def test_the_answer_comes_as_it_is_made(talking: Cli) -> None:
    """The first words can be read while the rest is still being made."""
    words = [*COMMAND, "-q", "chat", "tiny", "hello", "--max-tokens", "200"]
    with subprocess.Popen(words, cwd=talking.folder, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        pieces = []
        while piece := os.read(process.stdout.fileno(), 65_536):
            pieces.append(piece)
    assert process.returncode == 0
    assert len(pieces) > 3


def test_programs_get_one_object(talking: Cli) -> None:
    """`--format json`: the whole text, why it ended and what it cost."""
    value = talking("--format", "json", "chat", "tiny", "hello", "--max-tokens", "3").json
    assert value["completion_tokens"] == 3
    assert value["finish_reason"] == "length"
    assert value["prompt_tokens"] > 3
    assert value["text"]


def test_a_prompt_may_come_through_a_pipe(talking: Cli) -> None:
    """Stdin is the prompt where the command line has none; with neither it is a mistake in usage."""
    words = [*COMMAND, "chat", "tiny", "--max-tokens", "3"]
    done = subprocess.run(words, cwd=talking.folder, input=b"hello\n", capture_output=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "no prompt" in talking("chat", "tiny", status=2).err


def test_a_vector(talking: Cli) -> None:
    """`--embedding` prints the vector of the prompt; without it, a model that makes vectors says so."""
    vector = json.loads(talking("-q", "chat", "bert", "hello world", "--embedding").out)
    assert len(vector) == 32
    assert all(map(math.isfinite, vector))
    value = talking("--format", "json", "chat", "bert", "hello world", "--embedding").json
    assert value["embedding"] == pytest.approx(vector)
    run = talking("chat", "bert", "hello", status=1)
    assert "hint: --embedding" in run.err
    for words in (["hello"], ["hello", "--embedding"]):
        run = talking("chat", "ranker", *words, status=1)
        assert "error: ranker is a reranker" in run.err
        assert run.out == ""
    run = talking("chat", "tiny", "hello", "--embedding", status=1)
    assert (run.out, "hint: `pooling_type = 1`" in run.err) == ("", True)
    text = (talking.folder / "models.toml").read_text()
    talking.write(text.replace("seed = 7", "pooling_type = 1"))
    assert len(json.loads(talking("-q", "chat", "tiny", "hello", "--embedding").out)) == 64


def test_a_uri_needs_no_manifest(talking: Cli) -> None:
    """It is fetched, and it talks."""
    (talking.folder / "models.toml").unlink()
    assert talking("-q", "chat", "hf:user/all:Q4_K_M", "hello", "--max-tokens", "2").out.strip()


def test_what_does_not_load_is_told_with_its_reason(talking: Cli) -> None:
    """Status 1, and llama.cpp's own words for it, in an object too."""
    talking.repo.commit({"tiny-Q4_K_M.gguf": b"GGUF" + bytes(3000)})
    run = talking("chat", "hf:user/tiny-GGUF:Q4_K_M", "hello", status=1)
    assert "error: llama.cpp cannot load" in run.err
    assert "Failed to load model from file" not in run.err
    run = talking("--format", "json", "chat", "hf:user/tiny-GGUF:Q4_K_M", "hello", status=1)
    assert "cannot load" in run.json["error"]["message"]


def test_a_template_that_fails_is_an_error(talking: Cli) -> None:
    """What came with the model is no traceback, reaches nothing of Python's and nothing of the terminal's."""
    for name in ("bad", "hostile"):
        run = talking("chat", name, "hello", status=1)
        assert f"error: {name} cannot answer: " in run.err
        assert "\x1b" not in run.err
        assert "class" not in run.out


def test_a_prompt_that_is_too_long_is_an_error(talking: Cli) -> None:
    """The hint names the setting that makes room."""
    run = talking("chat", "tiny", "hello " * 500, status=1)
    assert "n_ctx" in run.err


def test_without_llama_cpp_python_the_extra_is_named(talking: Cli) -> None:
    """Status 1, before anything else is done."""
    code = (
        "import sys; sys.modules['llama_cpp'] = None; sys.argv = ['modelsync', 'chat', 'tiny', 'hello']\n"
        "from modelsync.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=talking.folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert 'pip install "modelsync[llama]"' in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_a_chat_on_a_terminal_remembers(talking: Cli) -> None:
    """Each line is answered, with what was said before in mind; a full context forgets the oldest; Ctrl-D ends."""
    from tests.support.terminal import Terminal

    words = [*COMMAND, "chat", "tiny", "--max-tokens", "40"]
    with Terminal(words, talking.folder, stdout=True) as terminal:
        terminal.wait_for(lambda text: text.endswith("> "))
        assert "Ctrl-D" in terminal.plain
        asked = 0
        while "what was said first is forgotten" not in terminal.plain:
            asked += 1
            terminal.type("hello model\n")
            terminal.wait_for(lambda text, asked=asked: text.count("\n> ") > asked)  # type: ignore[misc]
        assert asked > 1
        terminal.type("hello " * 400 + "\n")
        terminal.wait_for(lambda text: "too long" in text and text.endswith("> "))
        terminal.type("\x04")
        status, _ = terminal.end()
    assert status == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_ctrl_c_ends_an_answer_and_then_the_chat(talking: Cli, tmp_path: Path) -> None:
    """While it answers, the answer ends and the chat goes on; at the prompt, the program ends with 130."""
    from tests.support.terminal import Terminal

    make_llama(tmp_path / "slow.gguf", context=8192, big=20_000_000)
    talking.write('[models.slow]\nuri = "file:../slow.gguf"\nload = { n_ctx = 8192 }\n')
    talking("-q", "sync")
    with Terminal([*COMMAND, "chat", "slow"], talking.folder, stdout=True) as terminal:
        terminal.wait_for(lambda text: text.endswith("> "))
        terminal.type("hello\n")
        terminal.wait_for(lambda text: len(text.partition("hello\r\n")[2]) > 3)
        terminal.type("\x03")
        terminal.wait_for(lambda text: text.endswith("\n> "))
        for _ in range(60):  # one between the prompt and readline's wait is lost
            if terminal.process.poll() is not None:
                break
            terminal.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                terminal.process.wait(1)
        status, _ = terminal.end()
    assert status == 130
    assert "Traceback" not in terminal.plain

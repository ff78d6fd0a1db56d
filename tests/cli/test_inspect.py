"""`inspect`: what a person sees of a header, and what a program gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import Info, write_header
from tests.support.command_line import COMMAND, Cli
from tests.support.project import REPO

TEMPLATE = "{% for message in messages %}\n\t{{ message['content'] }}\n{% endfor %}\n\x1b[2Jone\ntwo"
KEYS: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny \x1b[31mred\u202e",
    "general.file_type": 15,
    "general.license": "apache-2.0",
    "llama.context_length": 131072,
    "llama.block_count": 2,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": [8, 16],
    "llama.attention.head_count_kv": 4,
    "llama.expert_count": 8,
    "llama.expert_used_count": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": [f"t{index}" for index in range(20)] + ["a\nb", "\x07"],
    "tokenizer.chat_template": TEMPLATE,
    "odd\x1b[0m": "\x1b]0;owned\x07",
    "a.float": 1e-05,
    "a.nan": float("nan"),
    "a.bool": True,
}
TENSORS: tuple[Info, ...] = (
    ("token_embd.weight", (256, 22), BY_NAME["F32"]),
    ("blk.0.\x1b[1m", (256, 1024, 4), BY_NAME["Q4_K"]),
)


@pytest.fixture
def model(empty: Cli) -> Cli:
    """A folder with `tiny.gguf`, which tries what it can to get at a terminal."""
    file = write_header(KEYS, TENSORS)
    (empty.folder / "tiny.gguf").write_bytes(file.header.ljust(file.size, b"\1"))
    return empty


def test_a_header_at_a_glance(model: Cli) -> None:
    """What it is, how large, what it was trained for; the template's first lines; the tensors by type."""
    done = model("inspect", "./tiny.gguf")
    assert done.err == ""
    lines = [line.rstrip() for line in done.out.splitlines()]
    header = next(line for line in lines if line.startswith("  header"))
    assert lines == [
        r"Tiny \x1b[31mred\u202e",
        "  kind           a model",
        "  architecture   llama",
        "  parameters     1.05M",
        "  quant          Q4_K_M, 4.65 bits per weight",
        "  context        131,072 tokens",
        "  layers         2, 4,096 wide",
        "  heads          8 to 16, 4 for keys and values",
        "  experts        8, 2 for each token",
        "  vocabulary     22 tokens, gpt2",
        "  license        apache-2.0",
        f"  size           {(model.folder / 'tiny.gguf').stat().st_size / 1024:.1f} KiB",
        header,
        "  chat template  {% for message in messages %}",
        "                     {{ message['content'] }}",
        "                 {% endfor %}",
        "                 (5 lines; --key tokenizer.chat_template shows all)",
        "",
        "TYPE  TENSORS  PARAMETERS       SIZE   SHARE",
        "Q4_K        1       1.05M  576.0 KiB  96.3 %",
        "F32         1       5.63K   22.0 KiB   3.7 %",
    ]
    assert header.endswith("18 keys, GGUF 3")


def test_tensors_and_keys_one_by_one(model: Cli) -> None:
    """`--tensors` and `--full` list each, in a line."""
    tensors = model("inspect", "./tiny.gguf", "--tensors").out.splitlines()[-3:]
    assert [line.split("  ")[0] for line in tensors] == ["TENSOR", "token_embd.weight", r"blk.0.\x1b[1m"]
    assert tensors[2].split()[1:] == ["256", "x", "1024", "x", "4", "Q4_K", "576.0", "KiB"]
    full = model("inspect", "./tiny.gguf", "--full").out
    rows = dict(
        line.split(maxsplit=1) for line in full.splitlines() if line.startswith(("a.", "odd", "token"))
    )
    assert rows["a.float"] == "1e-05"
    assert rows["a.bool"] == "true"
    assert rows[r"odd\x1b[0m"] == r"\x1b]0;owned\x07"
    assert rows["tokenizer.ggml.tokens"] == "22 x string: t0, t1, t2, t3, t4, t5, t6, t7, …"
    assert "\x1b" not in full


def test_one_value_by_its_key(model: Cli) -> None:
    """`--key` prints the value and nothing else: a text as it is in the file, an item a line, a number."""
    assert model("inspect", "./tiny.gguf", "--key", "tokenizer.chat_template").out == f"{TEMPLATE}\n"
    assert model("inspect", "./tiny.gguf", "--key", "llama.context_length").out == "131072\n"
    tokens = model("inspect", "./tiny.gguf", "--key", "tokenizer.ggml.tokens").out.splitlines()
    assert (len(tokens), tokens[-2:]) == (22, [r"a\nb", r"\x07"])
    value = model("inspect", "./tiny.gguf", "--key", "tokenizer.ggml.tokens", "--format", "json").json[
        "value"
    ]
    assert value == KEYS["tokenizer.ggml.tokens"]
    missing = model("inspect", "./tiny.gguf", "--key", "context_length", status=1)
    assert missing.out == ""
    assert missing.err.splitlines() == [
        "error: file:tiny.gguf has no key `context_length`",
        "hint: did you mean llama.context_length?",
    ]


def test_json_has_everything(model: Cli) -> None:
    """Every key, arrays by type, length and head; every tensor; numbers that JSON has none for by their name."""
    found = model("inspect", "./tiny.gguf", "--format", "json").json
    assert (found["version"], found["tensor_count"], found["quant"]) == (3, 2, "Q4_K_M")
    assert found["parameters"] == 256 * 22 + 256 * 1024 * 4
    assert found["file_size"] == (model.folder / "tiny.gguf").stat().st_size
    assert found["header_bytes"] == len(write_header(KEYS, TENSORS).header)
    metadata = found["metadata"]
    assert list(metadata) == list(KEYS)
    assert metadata["tokenizer.ggml.tokens"] == {
        "type": "string",
        "length": 22,
        "head": [f"t{index}" for index in range(8)],
    }
    assert metadata["tokenizer.chat_template"] == TEMPLATE
    assert (metadata["a.float"], metadata["a.nan"], metadata["a.bool"]) == (1e-05, "nan", True)
    assert found["tensors"][0] == {
        "name": "token_embd.weight",
        "type": "F32",
        "shape": [256, 22],
        "bytes": 256 * 22 * 4,
    }


def test_a_template_in_colours_on_a_terminal(model: Cli) -> None:
    """Highlighted, and without anything in it that a terminal would obey; plain where colours are not wanted."""
    pytest.importorskip("pty", reason="this system has no pseudo terminals")
    from tests.support.terminal import COLORS, ESCAPES, Terminal

    words = [*COMMAND, "inspect", "./tiny.gguf", "--key", "tokenizer.chat_template"]
    for more, colored in (([], True), (["--color", "never"], False)):
        with Terminal([*words, *more], model.folder, stdout=True) as shown:
            status, _ = shown.end()
            assert status == 0
            text = shown.text
        assert bool(COLORS.search(text)) is colored
        assert r"\x1b[2Jone" in ESCAPES.sub("", text)
        assert "\x1b[2J" not in text
    colored_pipe = model(*words[3:], "--color", "always").out
    assert COLORS.search(colored_pipe)
    assert "\x1b[2J" not in colored_pipe


def test_by_name_and_by_uri(model: Cli) -> None:
    """A locked model by its name, one of a hub by its URI: the header alone is fetched, a choice is told."""
    data = (model.folder / "tiny.gguf").read_bytes()
    model.repo.commit({"tiny-Q4_K_M.gguf": data})
    model.write(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    model("lock", "-q")
    assert model("inspect", "tiny", "--format", "json").json["title"] == "tiny"
    model.hub.clear()
    assert model("inspect", "tiny", "--offline").out == model("inspect", "tiny").out
    assert model.hub.seen() == []
    found = model("inspect", f"hf:{REPO}", "--format", "json")
    assert found.json["files"] == ["tiny-Q4_K_M.gguf"]
    assert not (model.folder / "models").exists()


def test_what_is_no_gguf_fails_with_the_readers_words(model: Cli) -> None:
    """Status 1, and what it is instead; in JSON too."""
    Path(model.folder / "page.gguf").write_text("<!DOCTYPE html><title>Sign in</title>")
    done = model("inspect", "./page.gguf", status=1)
    assert done.err.startswith("error: page.gguf is not a GGUF model: it begins like a web page")
    error = json.loads(model("inspect", "./page.gguf", "--format", "json", status=1).out)["error"]
    assert error["code"] == "not-gguf"

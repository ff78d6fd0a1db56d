"""The width of a terminal: sentences are wrapped at blanks, tables lose the middles of names; pipes get all of it."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pty", reason="this system has no pseudo terminals")

from modelsync import cells
from modelsync.cells import shortened
from modelsync.cli.layout import LEAST, fitted, wrapped
from tests.support.command_line import COMMAND, Cli
from tests.support.content import gguf
from tests.support.project import REPO
from tests.support.terminal import Terminal

LONG = "a-model-with-a-name-that-is-quite-long-for-a-table-of-its-size-q"


def drawn(cli: Cli, *words: str, width: int = 80) -> list[str]:
    """The lines of a command on a terminal, without colours."""
    with Terminal([*COMMAND, *words], cli.folder, width=width, stdout=True) as shown:
        shown.end()
        return [line.rstrip() for line in shown.plain.replace("\r", "").split("\n") if line.strip()]


def test_an_error_is_wrapped_at_blanks_on_a_terminal_and_whole_in_a_pipe(empty: Cli) -> None:
    """With a hanging indent below its first word; the same words in both."""
    words = ("add", "x", "hf:user/model", "--ctx", "4096")
    piped = empty(*words, status=2).err.splitlines()
    assert len(piped) == 2
    narrow = drawn(empty, *words, width=40)
    assert len(narrow) > 2
    assert max(map(len, narrow)) <= 40
    assert [line for line in narrow if not re.match(r"error: |hint: | {6,7}\S", line)] == []
    assert " ".join(line.strip() for line in narrow) == " ".join(piped)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_word_is_never_broken(width: int) -> None:
    """A path, a URI and a command in backquotes stay whole, even where one is wider than the terminal."""
    path = "/home/somebody/a/rather/long/path/to/a/folder/of/models/that/stands/in/an/error/message"
    line = (
        f"\033[31merror\033[0m: cannot write {path}: no space; `modelsync cache prune --now` makes some room"
    )
    lines = wrapped(line, width)
    assert sum(path in each for each in lines) == 1
    assert sum("`modelsync cache prune --now`" in each for each in lines) == 1
    assert all(len(re.sub(r"\033\[\d+m", "", each)) <= width or path in each for each in lines)
    assert re.sub(r"\s+", " ", " ".join(lines)) == line
    assert wrapped(line, None) == [line]


def test_a_sentence_is_wrapped_by_columns() -> None:
    """A Chinese character takes two, so half as many of them have room."""
    lines = wrapped("error: " + "千问模型 " * 10, 40)
    assert len(lines) == 4
    assert max(map(cells.width, lines)) <= 40
    assert all(line.startswith("       千") for line in lines[1:])


def test_names_lose_their_middles_and_numbers_nothing() -> None:
    """What gives way first is said; then the widest; a column keeps what tells it apart."""
    rows = [[LONG, "12.3 GiB", "chat,vision,big,small"], ["b", "1 B", ""]]
    assert fitted(rows, None) == rows
    narrow = fitted(rows, 60, right=[1], give=[2])
    assert narrow[0][1] == "12.3 GiB"
    assert len(narrow[0][2]) == LEAST
    assert sum(map(len, narrow[0])) + 4 == 60
    assert narrow[0][0][:5] == LONG[:5]
    assert narrow[0][0][-5:] == LONG[-5:]
    assert shortened("abcdef", 5) == "ab…ef"


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(cli: Cli) -> None:
    """Names are shortened in the middle; URIs and paths go on lines of their own, whole."""
    cli.repo.commit({"folder/tiny-Q8_0.gguf": gguf("tiny")})
    name = LONG.lower()[:64]
    uri = f"hf:{REPO}/folder/tiny-Q8_0.gguf"
    cli.write(f'[models.{name}]\nuri = "{uri}"\ngroups = ["chat", "vision", "assistants"]\n')
    cli("sync", "-q", "--all-groups")
    assert name in cli("list").out
    narrow = drawn(cli, "list")
    assert max(map(len, narrow)) <= 80
    assert "…" in narrow[1]
    assert narrow[1].endswith("here")
    path = json.loads(cli("list", "--format", "json").out)["rows"][0]["path"]
    wide = cli("list", "-v").out
    assert uri in wide.splitlines()[1]
    assert path in wide.splitlines()[1]
    detailed = drawn(cli, "list", "-v")
    assert f"  {uri}" in detailed
    assert Path(path).name in "".join(detailed)
    assert max(map(len, drawn(cli, "verify"))) <= 80
    assert max(map(len, drawn(cli, "cache", "list"))) <= 80


def test_what_upstream_says_otherwise_is_a_line_each(synced: Cli) -> None:
    """`lock --verify` names each difference on its own line; JSON has them apart too."""
    text = synced.lock.read_text()
    synced.lock.write_text(
        text.replace("size = 3000", "size = 3001").replace('license = "apache-2.0"', 'license = "mit"')
    )
    done = synced("lock", "--verify", status=1)
    head, *details, hint = done.err.splitlines()
    assert head == "error: models.toml:2: tiny: 2 things differ from upstream"
    assert details == [
        "   license mit in the lock, apache-2.0 upstream",
        "   tiny-Q4_K_M.gguf is 3001 bytes in the lock, 3000 upstream",
    ]
    assert hint.startswith("hint: ")
    error = synced("lock", "--verify", "--format", "json", status=1).json["error"]
    assert error["details"] == [line.strip() for line in details]


def test_columns_stand_below_each_other_whatever_the_names_are_written_in(cli: Cli) -> None:
    """A Chinese character takes two columns, in tables of files and of the store, on a terminal and in a pipe."""
    name = "千问模型千问模型-一个很长的名字-Q8_0.gguf"
    cli.repo.commit({name: gguf("wide"), "tiny-Q4_K_M.gguf": gguf("tiny")})
    cli.write(f'[models]\nwide = "hf:{REPO}/{name}"\ntiny = "hf:{REPO}/tiny-Q4_K_M.gguf"\n')
    cli("sync", "-q")
    for words, last in ((["verify"], "ok"), (["list", "-v"], ""), (["cache", "list", "-v"], "")):
        piped = cli(*words).out.splitlines()
        assert name in "".join(piped)
        if last:
            assert len({cells.width(line) for line in piped}) > 1  # the title is longer
            assert len({cells.width(line) for line in piped[1:3]}) == 1
        narrow = drawn(cli, *words, width=50)
        rows = [line for line in narrow if "KiB" in line and "%" not in line and "all is well" not in line]
        assert len(rows) == 2
        assert max(map(cells.width, rows)) <= 50
        assert len({cells.width(line.partition(" KiB")[0]) for line in rows}) == 1


def test_what_is_told_of_a_model_keeps_what_people_look_for(cli: Cli) -> None:
    """A link to open is whole, and the store's table shows both ends of who needs a model."""
    name = LONG.lower()[:64]
    cli.write(f'[models]\n{name} = "hf:{REPO}:Q4_K_M"\ntiny = "hf:{REPO}:Q8_0"\n')
    cli("sync", "-q")
    licenses = drawn(cli, "licenses")
    assert any(line.strip().endswith(f"/{REPO}") and "…" not in line for line in licenses)
    listed = drawn(cli, "cache", "list")
    assert max(map(len, listed)) <= 80
    assert all(len(line.rpartition("  ")[2]) >= 20 for line in listed[1:])

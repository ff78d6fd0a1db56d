"""On a terminal: bars, colours, questions, Ctrl-C. Real programs at the end of a pty."""

import re
import signal
import subprocess
import sys

import pytest

pytest.importorskip("pty", reason="this system has no pseudo terminals")

from tests.hub import Slow
from tests.support.command_line import COMMAND, Cli
from tests.support.content import gguf
from tests.support.project import REPO
from tests.support.terminal import COLORS, Terminal

BIG = 3_000_000


@pytest.fixture
def slow(cli: Cli) -> Cli:
    """A project of two models that take a second or so to come."""
    cli.repo.commit(
        {"big-Q4_K_M.gguf": gguf("big", BIG), "a-rather-long-name-of-a-model-Q8_0.gguf": gguf("b", BIG)}
    )
    cli.write(
        f'[models]\nbig = "hf:{REPO}/big-Q4_K_M.gguf"\n'
        f'long = "hf:{REPO}/a-rather-long-name-of-a-model-Q8_0.gguf"\n'
    )
    cli("lock", "-q")
    cli.hub.misbehave(Slow(BIG * 1.5), where="cdn", match="*", times=None)
    return cli


@pytest.mark.parametrize("width", [80, 200, 40])
def test_a_fetch_is_drawn_on_a_terminal_and_taken_away(slow: Cli, width: int) -> None:
    """A bar for each file, a line for all with rate and time left; no line is wider; the end is only words."""
    with Terminal([*COMMAND, "sync"], slow.folder, width=width) as shown:
        shown.wait_for(lambda text: re.search(r"0 of 2, [\d.]+ [KM]iB/s", text))
        status, out = shown.end()
        assert (status, out) == (0, "")
        lines = [line.rstrip() for line in re.split(r"[\r\n]+", shown.plain)]
        assert max(map(len, lines)) <= width
        assert any(line.startswith("big: ") for line in lines)
        long = next(line for line in lines if line.startswith("long: "))
        assert ("…" in long) == (width <= 80)
        assert any(re.search(r"\d+%", line) for line in lines)
        assert ("━" in shown.plain) == (width > 40)
        assert shown.text.endswith("\r\n")
        assert re.search(
            r" \+ big +Q4_K_M +2.9 MiB\r\n \+ long +Q8_0 +2.9 MiB\r\n5.7 MiB fetched", shown.plain
        )
        assert shown.text.count("\x1b[?25l") == shown.text.count("\x1b[?25h")  # the cursor is given back


def test_no_progress_and_quiet_draw_nothing(slow: Cli) -> None:
    """`--no-progress` leaves the words, `-q` nothing at all."""
    slow.hub.behave()
    with Terminal([*COMMAND, "sync", "--no-progress"], slow.folder) as words:
        assert words.end() == (0, "")
        assert "\x1b[?25l" not in words.text
        assert re.match(r" \+ big +Q4_K_M", words.plain)
    slow("cache", "clean", "--yes")
    with Terminal([*COMMAND, "sync", "-q"], slow.folder) as quiet:
        assert quiet.end() == (0, "")
        assert quiet.text == ""


def test_without_a_terminal_a_few_plain_lines(slow: Cli) -> None:
    """That a file began, that it arrived; no escape, no carriage return. So it is on a terminal that can do no more."""
    lines = slow("sync").err.splitlines()
    assert "fetching big: big-Q4_K_M.gguf  2.9 MiB" in lines
    assert any(re.fullmatch(r"fetched big: big-Q4_K_M.gguf  2.9 MiB in [\d.]+ s.*", line) for line in lines)
    assert not set("".join(lines)) & {"\x1b", "\r"}
    slow("cache", "clean", "--yes")
    slow.hub.behave()
    with Terminal([*COMMAND, "sync"], slow.folder, variables={"TERM": "dumb"}) as dumb:
        assert dumb.end() == (0, "")
        assert "\x1b" not in dumb.text


def test_colours_are_for_terminals(synced: Cli) -> None:
    """On a terminal, unless `NO_COLOR` or a flag says otherwise; elsewhere where `FORCE_COLOR` or a flag asks."""

    def colored(*words: str, **variables: str) -> bool:
        with Terminal([*COMMAND, "path", "no", *words], synced.folder, variables=variables) as shown:
            assert shown.end()[0] == 1
            assert "error: no model is called" in shown.plain
            return bool(COLORS.search(shown.text))

    assert colored()
    assert not colored(NO_COLOR="1")
    assert colored(NO_COLOR="")
    assert not colored("--color", "never")
    assert not colored(MODELSYNC_COLOR="never")
    assert colored("--color", "always", NO_COLOR="1")
    assert not COLORS.search(synced("path", "no", status=1).err)
    assert COLORS.search(synced("path", "no", status=1, FORCE_COLOR="1").err)
    assert not COLORS.search(synced("path", "no", status=1, FORCE_COLOR="1", NO_COLOR="1").err)
    assert COLORS.search(synced("list", "--color", "always").out)


def test_bars_keep_to_the_colours_that_are_asked_for(slow: Cli) -> None:
    """`NO_COLOR` draws the same bars without colours."""
    with Terminal([*COMMAND, "sync"], slow.folder, variables={"NO_COLOR": "1"}) as shown:
        assert shown.end()[0] == 0
        assert "━" in shown.plain
        assert not re.search(r"\x1b\[[0-9;]*(3[0-7]|38|9[0-7])[;m]", shown.text)


def test_clean_asks_on_a_terminal(synced: Cli) -> None:
    """No, or nothing, leaves everything; yes removes it."""
    for keys in ("n\n", "\n", "\x04"):
        with Terminal([*COMMAND, "cache", "clean"], synced.folder) as asked:
            asked.wait_for(lambda text: "[y/N]" in text)
            assert re.search(r"Remove everything \(1 file, [\d.]+ KiB\) from /", asked.plain)
            asked.type(keys)
            assert asked.end()[0] == 130
            assert "error: nothing was removed" in asked.plain
    assert "files" in synced("cache", "size").out.split()
    with Terminal([*COMMAND, "cache", "clean"], synced.folder) as asked:
        asked.wait_for(lambda text: "[y/N]" in text)
        asked.type("y\n")
        assert asked.end()[0] == 0
        assert "removed 1 file" in asked.plain


def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(slow: Cli) -> None:
    """Status 130, the cursor back, no traceback; the same command again fetches only the rest."""
    slow.hub.behave()
    slow.hub.misbehave(Slow(BIG / 4), where="cdn", match="*", times=None)
    with Terminal([*COMMAND, "sync", "big"], slow.folder) as shown:
        shown.wait_for(lambda text: re.search(r"[3-9]\d%", text))
        shown.type("\x03")
        status, out = shown.end()
        assert (status, out) == (130, "")
        assert "error: interrupted; what has arrived is kept\r\n" in shown.plain
        assert "hint: run the same command again to resume\r\n" in shown.plain
        assert "Traceback" not in shown.plain
        assert shown.text.count("\x1b[?25l") == shown.text.count("\x1b[?25h")
    slow.hub.behave()
    again = slow("sync", "big", "--format", "json")
    assert re.match(r"fetching big: big-Q4_K_M.gguf  2.9 MiB, [\d.]+ \w+ of it here already\n", again.err)
    done = again.json
    assert 0 < done["bytes_fetched"] < BIG
    assert done["bytes_fetched"] + done["bytes_reused"] == BIG


def test_an_interrupt_is_an_object_for_programs(slow: Cli) -> None:
    """SIGINT without a terminal: status 130, and the error as an object."""
    process = subprocess.Popen(
        [*COMMAND, "sync", "big", "--format", "json"],
        cwd=slow.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("fetching big")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert '"code": "interrupted"' in out
    assert "hint: " in err


def test_ctrl_c_is_the_commands_own_once_it_runs(cli: Cli) -> None:
    """What the command of `run` makes of it is its own business."""
    code = (
        "import time\ntry:\n    print('ready', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    raise SystemExit(9)"
    )
    with Terminal(
        [*COMMAND, "-q", "run", "--", sys.executable, "-c", code], cli.folder, stdout=True
    ) as shown:
        shown.wait_for(lambda text: "ready" in text)
        shown.type("\x03")
        assert shown.end()[0] == 9

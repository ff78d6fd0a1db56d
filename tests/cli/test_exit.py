"""How runs end: whatever goes wrong has words, a status, and no traceback."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.__main__ import main
from modelsync.cli.exit import finish
from modelsync.cli.invocation import Invocation
from modelsync.errors import GatedError, NetworkError
from tests.support.processes import TREE


def raising(error: BaseException) -> Callable[[Invocation], object]:
    """Work that comes to this."""

    def work(invocation: Invocation) -> object:
        invocation.entered = True
        raise error

    return work


def invocation(**options: object) -> Invocation:
    """A run with these global options."""
    made = Invocation()
    for name, value in options.items():
        made.take(name, value, typed=True)
    return made


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (
            GatedError("user/model is gated", hint="set HF_TOKEN"),
            1,
            "error: user/model is gated\nhint: set HF_TOKEN\n",
        ),
        (NetworkError("no answer"), 3, "error: no answer\n"),
        (
            KeyboardInterrupt(),
            130,
            "error: interrupted; what has arrived is kept\nhint: run the same command again",
        ),
        (
            PermissionError(13, "Permission denied", "/x/\x1b[31m"),
            2,
            "error: Permission denied: /x/\\x1b[31m\nhint: ",
        ),
        (
            RuntimeError("bad\nday"),
            1,
            "error: a mistake in modelsync itself: RuntimeError: bad\\nday\nhint: please report",
        ),
        (RecursionError(), 1, "error: a mistake in modelsync itself: RecursionError"),
    ],
)
def test_every_end_has_words_and_a_status(
    error: BaseException, status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of ours, of the system, of the person, and a mistake of the program's own."""
    assert finish(raising(error), invocation()) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(says)
    assert "Traceback" not in shown.err
    assert finish(raising(error), invocation(format="json", quiet=2)) == status
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["message"] in says
    assert shown.err == ""


def test_a_mistake_of_the_programs_own_shows_where_under_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    """`-v` gives the traceback, before the error; for an error that has a name there is none."""
    assert finish(raising(RuntimeError("bad day")), invocation(verbose=1)) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):\n")
    assert "\nerror: a mistake in modelsync itself" in shown
    finish(raising(NetworkError("no answer")), invocation(verbose=1))
    assert "Traceback" not in capsys.readouterr().err


def test_nothing_that_a_terminal_obeys_gets_through(capsys: pytest.CaptureFixture[str]) -> None:
    """The last door, for errors that did not see to it themselves; several lines stay lines."""
    finish(raising(GatedError("a\x1b]0;owned\x07b\nsecond \u202eline", hint="c\rd")), invocation())
    assert capsys.readouterr().err == "error: a\\x1b]0;owned\\x07b\nsecond \\u202eline\nhint: c\\rd\n"


def test_a_stream_that_holds_less_than_unicode_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an encoding lacks is escaped."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="ascii", newline="\n"))
    assert finish(raising(GatedError("für Ü", hint=None)), invocation()) == 1
    assert written.getvalue() == b"error: f\\xfcr \\xdc\n"


def test_the_status_of_work_is_the_status_of_the_run() -> None:
    """A number is it; anything else is 0."""
    assert finish(lambda _: 7, invocation()) == 7
    assert finish(lambda _: "words", invocation()) == 0


def test_streams_that_were_closed_before_we_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """`modelsync … >&- 2>&-`: there is nowhere to say anything, and that is no error."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert finish(raising(NetworkError("no answer")), invocation(format="json")) == 3
    assert finish(lambda _: None, invocation()) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize(
    "words", ["cache dir", "cache dir --format json", "--help", "--version", "doctor --format json"]
)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_stdout_that_is_full_has_words(
    words: str,
    buffered: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever writes to it, buffered or not: the error says so on stderr, with status 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with open("/dev/full", "wb", buffering=-1 if buffered else 0) as full:
        stdout = io.TextIOWrapper(full, write_through=not buffered)
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "argv", ["modelsync", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        stdout.detach()
    assert ended.value.code == 2
    assert "error: cannot write to standard output: No space left on device" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_an_error_is_told_where_stdout_is_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The object for programs cannot be written; the words and the status of the error itself come all the same."""
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert finish(raising(NetworkError("no answer")), invocation(format="json")) == 3
    assert "error: no answer" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use is not removed there")
@pytest.mark.parametrize(
    "words", ["init", "sync", "list", "path x", "pull hf:a/b:Q4_K_M", "pull ./x.gguf --dir y"]
)
def test_a_working_directory_that_was_removed(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command that needs it says so, and what to do."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    gone.rmdir()
    monkeypatch.setattr(sys, "argv", ["modelsync", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: the working directory no longer exists\nhint: `cd` ")
    monkeypatch.chdir(tmp_path)


def test_a_ctrl_c_during_the_imports_has_no_traceback() -> None:
    """Ctrl-C before the command line is even read ends as it does later: a word, and status 130."""
    code = """
import sys
from modelsync.__main__ import main
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("modelsync.cli"):
            raise KeyboardInterrupt
sys.meta_path.insert(0, Pressed())
main()
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=TREE, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "error: interrupted\n")

"""Processes that the fork server makes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.command_line import COMMAND, Cli, python
from tests.support.fork_server import AVAILABLE, WITHOUT, ForkServer

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this system's processes do not survive a fork")


@pytest.mark.parametrize(
    "words",
    ["--version", "--help", "list", "path no", "sync --no", "-q verify", "cache dir", "--format json list"],
)
def test_a_run_is_what_a_new_interpreter_does(synced: Cli, words: str) -> None:
    """Status, stdout and stderr are those of `python -m modelsync`."""
    done = subprocess.run([*COMMAND, *words.split()], cwd=synced.folder, capture_output=True, text=True)
    assert synced(*words.split(), status=done.returncode)[1:] == (done.stdout, done.stderr)


def test_the_environment_is_that_of_the_run(synced: Cli) -> None:
    """Nothing of one run reaches the next: neither its variables nor its folder."""
    other = str(synced.folder.parent)
    assert synced("cache", "dir", MODELSYNC_STORE=other).out == f"{other}\n"
    assert synced("cache", "dir").out == f"{os.environ['MODELSYNC_STORE']}\n"
    assert synced("--directory", other, "list", status=2).err.startswith(f"error: no models.toml in {other}")
    assert synced("list").status == 0


def test_code_runs_as_with_c(tmp_path: Path) -> None:
    """It is the main module, in its folder, and its error is a traceback and status 1."""
    code = "import sys; print(__name__, sys.argv, sys.path[0], sys.stdin.read()); open('x', 'w'); 1 / 0"
    words = ["-c", code, "a"]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, input="in")
    run = python(*words, folder=tmp_path, variables=os.environ, text="in")
    assert (run.status, run.out) == (done.returncode, done.stdout) == (1, "__main__ ['-c', 'a']  in\n")
    assert run.err.splitlines()[-1] == done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert (tmp_path / "x").exists()


def test_a_package_can_be_absent(synced: Cli) -> None:
    """As if it were not installed, for one run."""
    found = "from importlib.util import find_spec; print(find_spec('{}') is not None)"
    for name, there in (("llama_cpp", False), ("click", True)):
        run = python(
            "-c", found.format(name), folder=synced.folder, variables={**os.environ, WITHOUT: "llama_cpp"}
        )
        assert run.out == f"{there}\n"
    code = "try: import rich\nexcept ModuleNotFoundError: print('absent')"
    variables = {**os.environ, WITHOUT: "rich"}
    assert python("-c", code, folder=synced.folder, variables=variables).out == "absent\n"


def test_what_an_interpreter_reads_at_its_start_is_not_served(cli: Cli) -> None:
    """With another encoding of the streams, say, a new interpreter runs the command."""
    cli.write(f"# {'ü' * 9}\n[models]\nx = 'hf:user/tiny-GGUF:ü'\n")
    assert "tiny-GGUF:ü" in cli("lock", status=2).err
    assert "ü" not in cli("lock", status=2, PYTHONIOENCODING="ascii").err


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """A server of these tests' own."""
    made = ForkServer()
    yield made
    made.close()


def wait(server: ForkServer, folder: Path, stdin: int, seconds: float) -> int:
    """Runs a command that reads its stdin to the end."""
    words = ["-m", "modelsync", "-q", "run", "--", "cat"]
    with open(os.devnull, "w") as null:
        streams = (stdin, null.fileno(), null.fileno())
        return server.run(words, folder=folder, variables=os.environ, streams=streams, seconds=seconds)


def test_a_run_does_not_wait_for_another_one(synced: Cli, server: ForkServer) -> None:
    """Runs are processes side by side."""
    reads, writes = os.pipe()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(wait, server, synced.folder, reads, 60)
        assert python("-c", "", folder=synced.folder, variables=os.environ, server=server).status == 0
        assert not first.done()
        os.close(writes)
        assert first.result() == 0
    os.close(reads)


def test_a_run_that_takes_too_long_is_killed(synced: Cli, server: ForkServer) -> None:
    """The test gets an error, and the server goes on."""
    reads, writes = os.pipe()
    for _ in range(2):
        with pytest.raises(subprocess.TimeoutExpired):
            wait(server, synced.folder, reads, 0.1)
    os.close(reads)
    os.close(writes)

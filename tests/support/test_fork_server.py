"""Processes that the fork server makes."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.command_line import COMMAND, Cli
from tests.support.fork_server import AVAILABLE, ForkServer

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


def test_what_an_interpreter_reads_at_its_start_is_not_served(cli: Cli) -> None:
    """With another encoding of the streams, say, a new interpreter runs the command."""
    cli.write(f"# {'ü' * 9}\n[models]\nx = 'hf:user/tiny-GGUF:ü'\n")
    assert "tiny-GGUF:ü" in cli("lock", status=2).err
    assert "ü" not in cli("lock", status=2, PYTHONIOENCODING="ascii").err


@pytest.fixture
def server() -> Iterator[ForkServer]:
    """A server of its own."""
    made = ForkServer()
    yield made
    made.close()


@pytest.fixture
def waiting(synced: Cli, server: ForkServer) -> Iterator[Callable[..., int]]:
    """Runs what reads its stdin, which has no end before the test has."""
    reads, writes = os.pipe()
    yield partial(
        server.run,
        ["-q", "run", "--", "cat"],
        folder=synced.folder,
        variables=os.environ,
        streams=(reads, writes, writes),
    )
    os.close(reads)
    os.close(writes)


def test_a_run_does_not_wait_for_another_one(
    synced: Cli, server: ForkServer, waiting: Callable[..., int]
) -> None:
    """Runs are processes side by side."""
    with ThreadPoolExecutor() as pool, open(os.devnull, "rb+") as null:
        first = pool.submit(waiting, seconds=5)
        streams = (null.fileno(), null.fileno(), null.fileno())
        assert server.run(["list"], folder=synced.folder, variables=os.environ, streams=streams) == 0
        assert not first.done()
        with pytest.raises(subprocess.TimeoutExpired):
            first.result()


def test_a_run_that_takes_too_long_is_killed(server: ForkServer, waiting: Callable[..., int]) -> None:
    """The test gets an error, and the server goes on."""
    for _ in range(2):
        with pytest.raises(subprocess.TimeoutExpired):
            waiting(seconds=0.1)

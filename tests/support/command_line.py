"""The command line as people run it: processes, a real hub, a project folder."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pytest

from tests.hub import Hub, Repo
from tests.support.fork_server import AVAILABLE, ForkServer
from tests.support.project import MANIFEST, QUANTS, REPO

COMMAND = (sys.executable, "-m", "modelsync")


class Run(NamedTuple):
    """What one run came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object on stdout; there must be one, and nothing else."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        assert value["schema"] == 1
        return value


def python(
    *words: str, folder: Path, variables: Mapping[str, str], text: str = "", server: ForkServer | None = None
) -> Run:
    """Runs Python to its end, within a minute, in a process of its own: in a fork where that makes no difference.

    Args:
        words: `-m MODULE …` or `-c CODE …`.
        folder: Where it runs.
        variables: Its whole environment.
        text: What it reads from its stdin.
        server: The fork server; None: that of this process.
    """
    server = server or (_fork_server() if AVAILABLE else None)
    if server is None or not server.serves(variables):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=variables,
            input=text,
            capture_output=True,
            timeout=60,
            encoding="utf-8",
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(text.encode())
        for stream in (given, out, err):
            stream.seek(0)
        descriptors = (given.fileno(), out.fileno(), err.fileno())
        status = server.run(words, folder=folder, variables=variables, streams=descriptors)
        out.seek(0)
        err.seek(0)
        return Run(status, out.read().decode(), err.read().decode())


@cache
def _fork_server() -> ForkServer:
    """The server of this process; started when it is first used."""
    server = ForkServer()
    atexit.register(server.close)
    return server


class Cli:
    """Runs `modelsync` in a project's folder.

    Attributes:
        folder: Where it runs.
        hub: What `HF_ENDPOINT` names.
        repo: A repo on it, with two quants.
        commit: Its commit.
    """

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self.hub = hub
        self.repo: Repo = hub.repo(REPO)
        self.commit = self.repo.commit(QUANTS)

    def __call__(
        self, *words: str, status: int = 0, variables: Mapping[str, str] | None = None, **more: str
    ) -> Run:
        """Runs a command line to its end, which must be the `status`, with these variables beside our own."""
        environment = {**os.environ, **(variables or {}), **more}
        run = python("-m", "modelsync", *words, folder=self.folder, variables=environment)
        assert run.status == status, run
        return run

    def write(self, manifest: str, name: str = "models.toml") -> None:
        """Writes a manifest."""
        (self.folder / name).write_text(manifest)

    @property
    def lock(self) -> Path:
        """The lock beside it."""
        return self.folder / "models.lock"


@pytest.fixture
def empty(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A folder without a manifest."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.delenv("TERM", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    return Cli(folder, hub)


@pytest.fixture
def cli(empty: Cli) -> Cli:
    """A folder with a manifest of one model; nothing is locked or here."""
    empty.write(MANIFEST)
    return empty


@pytest.fixture
def synced(cli: Cli) -> Cli:
    """The same, locked and synced; the hub's memory of that is empty."""
    cli("-q", "sync")
    cli.hub.clear()
    return cli


Here = Callable[..., Run]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command line in this process and folder: without the waits between two tries of a request."""
    from modelsync.cli import app
    from modelsync.cli.exit import finish
    from modelsync.cli.invocation import Invocation

    def run(*words: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["modelsync", *words])
        status = finish(app.work, Invocation())
        shown = capsys.readouterr()
        return Run(status, shown.out, shown.err)

    return run

"""A hub with a model on it, and a project that wants it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from modelsync.context import Context
from modelsync.project import discovery
from modelsync.project.project import Project
from tests.hub import Hub, Repo

REPO = "user/tiny-GGUF"


def gguf(seed: str, size: int = 3000) -> bytes:
    """Bytes that begin like a GGUF and are like no other seed's."""
    return b"GGUF" + (seed.encode() * size)[: size - 4]


class Place:
    """A project folder with a manifest, and the hub that its models come from."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self.hub = hub
        self.repo: Repo = hub.repo(REPO)
        self.commit = self.repo.commit({"tiny-Q4_K_M.gguf": gguf("q4"), "tiny-Q8_0.gguf": gguf("q8", 5000)})

    def write(self, manifest: str) -> Project:
        """Writes the manifest; returns the project."""
        (self.folder / "models.toml").write_text(manifest)
        return self.project

    @property
    def project(self) -> Project:
        """The project as a call would find it."""
        return discovery.find(manifest_path=self.folder)

    @property
    def lock_text(self) -> str:
        """The lock as it is written."""
        return (self.folder / "models.lock").read_text()


@pytest.fixture
def place(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project folder without a manifest; `HF_ENDPOINT` is the test's hub."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    folder = tmp_path / "project"
    folder.mkdir()
    return Place(folder, hub)


Opened = Callable[..., Context]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Makes contexts from the environment as it is then, and closes them when the test ends."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Context(**options))


@pytest.fixture
def context(place: Place, opened: Opened) -> Context:
    """What a call works with, in the place's environment."""
    return opened()

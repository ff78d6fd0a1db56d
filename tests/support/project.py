"""A hub with a model on it, and a project that wants it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from modelsync.context import NO_OPTIONS, Context
from modelsync.install.report import SyncReport
from modelsync.ops import path
from modelsync.ops.options import SyncOptions, Upgrade
from modelsync.project import discovery
from modelsync.project.project import Project
from modelsync.project.selection import Groups, Selection
from tests.hub import Hub, Repo
from tests.support.content import gguf

REPO = "user/tiny-GGUF"
MANIFEST = f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'
LINKED = f'[modelsync]\ndir = "models"\n{MANIFEST}'


QUANTS = {"tiny-Q4_K_M.gguf": gguf("q4"), "tiny-Q8_0.gguf": gguf("q8", 5000)}


def sync_options(
    names: Sequence[str] = (),
    *,
    groups: Groups | None = None,
    variant: str | None = None,
    upgrade: bool = False,
    upgrade_models: Sequence[str] = (),
    **options: Any,
) -> SyncOptions:
    """What a sync is asked, by the keywords of the public `sync`."""
    selection = Selection(names, groups or Groups(), variant)
    return SyncOptions(selection, upgrade=Upgrade(upgrade, upgrade_models), **options)


class Place:
    """A project folder with a manifest, and the hub that its models come from."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self.hub = hub
        self.repo: Repo = hub.repo(REPO)
        self.commit = self.repo.commit(QUANTS)

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
        yield lambda options=NO_OPTIONS, **more: stack.enter_context(Context(options=options, **more))


@pytest.fixture
def context(place: Place, opened: Opened) -> Context:
    """What a call works with, in the place's environment."""
    return opened()


def put(place: Place, files: dict[str, bytes]) -> None:
    """Puts nothing but these files into the place's repo."""
    there = place.repo.commits[place.repo.branches["main"]].files
    place.repo.commit({**dict.fromkeys(there), **files})


def brought(place: Place, match: str) -> int:
    """Bytes of matching files that went over the wire."""
    return sum(seen.sent for seen in place.hub.seen(match=match, method="GET") if seen.server != "hub")


def actions(report: SyncReport) -> list[tuple[str, str]]:
    """What happened to each model, as the report tells it."""
    return [(change.name, change.action) for change in report.changes]


def chosen_file(context: Context, project: Project, variant: str | None = "auto") -> str:
    """The file that `path` gives."""
    return path.files(context, "tiny", lambda: project, variant=variant).model.name

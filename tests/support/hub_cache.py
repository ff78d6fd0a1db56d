"""A project whose models are given to the Hugging Face cache of the test's home."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.context import CallOptions
from modelsync.install.report import SyncReport
from modelsync.ops import sync
from tests.support.project import MANIFEST, REPO, Opened, Place

GIVE = CallOptions(hf_cache=True)
FILE = "tiny-Q4_K_M.gguf"


@pytest.fixture
def hub_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tools have their cache; huggingface_hub, once imported, has its own idea."""
    from huggingface_hub import constants

    folder = home / ".cache" / "huggingface" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


@pytest.fixture
def synced(opened: Opened, place: Place, hub_folder: Path) -> Callable[..., SyncReport]:
    """Syncs the place's project as it is then, into the cache too."""

    def run(manifest: str = MANIFEST, options: CallOptions = GIVE) -> SyncReport:
        written = place.folder / "models.toml"
        same = written.exists() and written.read_text() == manifest
        return sync.sync(opened(options), place.project if same else place.write(manifest))

    return run


def repo_of(hub_folder: Path) -> Path:
    return hub_folder / ("models--" + REPO.replace("/", "--"))


def offline(path: str, revision: str | None = None) -> Path:
    """A file as huggingface_hub finds it without a network."""
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(REPO, path, revision=revision, local_files_only=True))

"""What is taken back from the Hugging Face cache: our own names, whatever else has happened there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.install.report import SyncReport
from modelsync.ops import prune as pruning
from modelsync.store import given, prune
from tests.support.hub_cache import FILE, offline, repo_of
from tests.support.hub_cache import hub_folder as hub_folder
from tests.support.hub_cache import synced as synced
from tests.support.project import REPO, Opened, Place


@pytest.fixture
def pruned(opened: Opened, place: Place) -> Callable[[], int]:
    """Prunes once the lock is gone; how many files were taken back."""

    def run() -> int:
        (place.folder / "models.lock").unlink(missing_ok=True)
        store = opened().store
        return pruning.execute(store, prune.prune(store, at_once=True, unseen=True))[1]

    return run


def has_no_fault(hub_folder: Path) -> bool:
    """Whether the tools' own code has nothing against the cache."""
    from huggingface_hub import scan_cache_dir

    return scan_cache_dir(hub_folder).warnings == []


@pytest.mark.parametrize("elsewhere", [False, True], ids=["marked", "elsewhere"])
def test_a_repo_that_has_anything_else_keeps_its_folders(
    elsewhere: bool,
    synced: Callable[..., SyncReport],
    place: Place,
    hub_folder: Path,
    pruned: Callable[[], int],
    tmp_path: Path,
) -> None:
    """A mark of a file that is not there, or a person's link to another disk: without `snapshots` it is corrupted."""
    repo = repo_of(hub_folder)
    if elsewhere:
        hub_folder.mkdir(parents=True)
        (tmp_path / "disk").mkdir()
        repo.symlink_to(tmp_path / "disk", target_is_directory=True)
    assert synced().given == 1
    mark = repo / ".no_exist" / place.commit / "adapter_config.json"
    if not elsewhere:
        mark.parent.mkdir(parents=True)
        mark.touch()
    assert pruned() == 1
    assert (repo / "snapshots").is_dir()
    assert [path for path in repo.rglob("*") if path.is_file()] == ([] if elsewhere else [mark])
    assert has_no_fault(hub_folder)


@pytest.mark.parametrize("shape", ["up/../hub", "alias"])
def test_a_cache_may_have_any_path(
    shape: str,
    synced: Callable[..., SyncReport],
    hub_folder: Path,
    pruned: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `..` in it, or by a link: no link is left that leads nowhere."""
    (hub_folder.parent / "up").mkdir(parents=True)
    (hub_folder.parent / "alias").symlink_to("hub")
    hub_folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", os.fspath(hub_folder.parent) + f"/{shape}")
    assert synced().given == 1
    assert pruned() == 1
    assert not repo_of(hub_folder).exists()
    assert has_no_fault(hub_folder)


def test_a_cache_that_is_not_there_now_is_left_alone(
    synced: Callable[..., SyncReport], hub_folder: Path, pruned: Callable[[], int]
) -> None:
    """A disk that is not mounted: nothing is made in its place, and what is ours goes another time."""
    synced()
    away = hub_folder.rename(hub_folder.with_name("away"))
    assert pruned() == 0
    assert not hub_folder.exists()
    away.rename(hub_folder)
    assert pruned() == 1
    assert not repo_of(hub_folder).exists()


@pytest.mark.parametrize("what", [".", "refs", "blobs", "snapshots"])
def test_a_file_in_the_place_of_a_folder_is_no_obstacle(
    what: str, synced: Callable[..., SyncReport], hub_folder: Path, pruned: Callable[[], int]
) -> None:
    """What another program has put there stays, and a prune goes on."""
    synced()
    place = repo_of(hub_folder) / what
    shutil.rmtree(place)
    place.write_text("theirs")
    pruned()
    assert place.read_text() == "theirs"


def test_a_link_whose_file_is_gone_goes(
    synced: Callable[..., SyncReport], hub_folder: Path, pruned: Callable[[], int]
) -> None:
    """A person removed the file: our link to it, and our branch, are taken back all the same."""
    synced()
    (blob,) = (repo_of(hub_folder) / "blobs").iterdir()
    blob.unlink()
    assert pruned() == 0
    assert not repo_of(hub_folder).exists()


@pytest.mark.parametrize("branch", ["aux", "a<b|c", "nested/one", "ümlaut"])
def test_any_branch_is_recorded_and_taken_back(
    branch: str,
    synced: Callable[..., SyncReport],
    place: Place,
    hub_folder: Path,
    opened: Opened,
    pruned: Callable[[], int],
) -> None:
    """Also one that could be no file's name on another system."""
    place.repo.branches[branch] = place.commit
    manifest = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nrevision = {json.dumps(branch)}\n'
    assert synced(manifest).given == 1
    assert offline(FILE, branch).is_file()
    (known,) = given.read_all(opened().store)
    assert list(known.refs) == [f"{repo_of(hub_folder).name}/refs/{branch}"]
    assert pruned() == 1
    assert not repo_of(hub_folder).exists()


@pytest.mark.parametrize("path", ["../out", "/out", "models--a--b/../../out", ""])
def test_a_record_cannot_name_what_is_outside(
    path: str, synced: Callable[..., SyncReport], opened: Opened, hub_folder: Path
) -> None:
    """It would be removed."""
    synced()
    (record,) = (opened().store.root / "given-v1").iterdir()
    value = json.loads(record.read_text())
    value["files"][path] = next(iter(value["files"].values()))
    record.write_text(json.dumps(value))
    assert given.read(opened().store, hub_folder).files == {}

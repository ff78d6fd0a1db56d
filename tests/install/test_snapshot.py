"""What is here already: in the project, in the store, in a store of others."""

import shutil
from pathlib import Path

import pytest

from modelsync.context import Context
from modelsync.errors import (
    StoreError,
)
from modelsync.ops import sync
from modelsync.project import discovery
from modelsync.store import blobs, prune
from tests.support.content import gguf, sha256
from tests.support.project import LINKED, MANIFEST, Opened, Place, actions, sync_options


def test_what_was_here_already_is_told_as_reused(place: Place, context: Context, tmp_path: Path) -> None:
    """A second project says what it did not have to fetch, with a folder of its own or without."""
    sync.sync(context, place.write(MANIFEST))
    for name, text in (("plain", MANIFEST), ("linked", LINKED)):
        manifest = tmp_path / name / "models.toml"
        manifest.parent.mkdir()
        manifest.write_text(text)
        report = sync.sync(context, discovery.find(manifest_path=manifest))
        assert actions(report) == [("tiny", "added")]
        assert (report.bytes_fetched, report.bytes_reused) == (0, 3000)


def test_files_of_the_project_are_taken_before_the_network(
    place: Place, context: Context, store_root: Path
) -> None:
    """Where `dir` came back from a CI cache and the store did not, the files are hashed, not fetched again."""
    project = place.write(LINKED)
    sync.sync(context, project)
    shutil.rmtree(store_root)
    place.hub.clear()
    report = sync.sync(context, project)
    assert (report.bytes_fetched, report.bytes_reused) == (0, 3000)
    assert place.hub.seen() == []
    shutil.rmtree(store_root)
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    linked.chmod(0o644)
    linked.write_bytes(gguf("q4")[:-1] + b"!")
    linked.unlink()
    linked.write_bytes(gguf("q4")[:-1] + b"!")
    with pytest.raises(StoreError):  # the wrong bytes are no copy, and not ours to replace
        sync.sync(context, project)
    assert blobs.find(context.store, sha256(gguf("q4"))) is not None


def test_two_projects_hold_a_file_once(
    place: Place, context: Context, tmp_path: Path, store_root: Path
) -> None:
    """Two projects share one blob on disk; when both are gone, `prune --now` frees it."""
    first = place.write(LINKED)
    sync.sync(context, first)
    second = tmp_path / "second"
    second.mkdir()
    shutil.copy(place.folder / "models.toml", second)
    place.hub.clear()
    report = sync.sync(context, discovery.find(manifest_path=second), sync_options(link_mode="hardlink"))
    assert (report.bytes_fetched, place.hub.seen("cdn")) == (0, [])
    blob = context.store.blob_path(sha256(gguf("q4")))
    assert (second / "models/tiny/tiny-Q4_K_M.gguf").stat().st_ino == blob.stat().st_ino
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert blob.exists()
    shutil.rmtree(place.folder)
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert blob.exists()
    shutil.rmtree(second)
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert not blob.exists()
    assert not list((store_root / "views-v1").glob("*/*.gguf"))


def test_a_read_only_store_is_used_and_not_written(
    place: Place,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store_root: Path,
    opened: Opened,
) -> None:
    """What a team's store has is neither fetched nor copied, and nothing is written there."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    team = tmp_path / "team"
    store_root.rename(team)
    before = sorted((path, path.lstat().st_mtime_ns) for path in team.rglob("*"))
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(team))
    place.hub.clear()
    assert sync.sync(opened(), project).bytes_fetched == 0
    assert place.hub.seen() == []
    assert sorted((path, path.lstat().st_mtime_ns) for path in team.rglob("*")) == before

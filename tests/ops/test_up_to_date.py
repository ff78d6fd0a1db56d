"""Memos: what the last sync found is only answered while it is still so."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.context import Context
from modelsync.ops import lock as ops_lock
from modelsync.ops import path, sync, up_to_date, verify
from modelsync.project import discovery
from modelsync.store import leftovers, prune, sync_memo
from tests.support.content import damage, gguf, sha256
from tests.support.project import LINKED, MANIFEST, REPO, Opened, Place, sync_options


def test_what_is_remembered_is_only_believed_while_nothing_changed(
    place: Place, context: Context, store_root: Path
) -> None:
    """After a sync the answer is remembered; a changed manifest, lock, file, link record or receipt ends that."""
    project = place.write(LINKED)
    sync.sync(context, project)

    def remembered() -> bool:
        return up_to_date.nothing_to_do(context, project, None)

    assert remembered()
    assert up_to_date.files(context, project, "tiny", None) is not None
    blob = context.store.blob_path(sha256(gguf("q4")))
    changes: list[Callable[[], object]] = [
        lambda: place.write(LINKED + "# a comment\n"),
        lambda: (place.folder / "models.lock").write_text(place.lock_text + "# merged\n"),
        lambda: (place.folder / "models/.modelsync.json").unlink(),
        lambda: (place.folder / "models/tiny/tiny-Q4_K_M.gguf").unlink(),
        lambda: os.utime(blob, (1, 1)),
        lambda: context.store.receipt_path(sha256(gguf("q4"))).unlink(),
        lambda: shutil.rmtree(store_root / "views-v1"),
        lambda: shutil.rmtree(store_root / "memos-v1"),
    ]
    for change in changes:
        change()
        assert not remembered()
        sync.sync(context, project)
        assert remembered()


def test_what_another_version_found_is_not_believed(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older modelsync on the same store may have to refuse the manifest: it reads that for itself."""
    project = place.write(LINKED)
    sync.sync(context, project)
    assert up_to_date.nothing_to_do(context, project, None)
    monkeypatch.setattr(sync_memo, "_VERSION", f"{sync_memo._VERSION}.post1")
    assert not up_to_date.nothing_to_do(context, project, None)
    assert up_to_date.files(context, project, "tiny", None) is None


def test_a_day_later_a_sync_with_nothing_to_do_tidies_up(place: Place, context: Context) -> None:
    """Once a day it notes that the project is in use, and removes what a killed process left; it is still nothing."""
    project = place.write(LINKED)
    sync.sync(context, project)
    left = [
        place.folder / name
        for name in (
            ".models.lock.0123456789abcdef",
            ".models.toml.0123456789abcdef",
            "models/.modelsync-0123456789abcdef.tmp",
        )
    ]
    for each in left:
        each.write_text("half")
    (root,) = (context.store.root / "roots-v1").iterdir()
    place.hub.clear()
    for days, stay in ((0, True), (1.1, False)):
        before = time.time() - days * 86_400
        os.utime(root, (before, before))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(leftovers, "_DAY", -1e9 if days else 86_400.0)  # they are old
            assert up_to_date.nothing_to_do(context, project, None)
        assert (root.stat().st_mtime > before + 1) is not stay
        assert [each.exists() for each in left] == [stay] * 3
    assert up_to_date.nothing_to_do(context, project, None)
    assert place.hub.seen() == []


def test_asking_for_a_path_tells_that_the_project_is_in_use(place: Place, context: Context) -> None:
    """A program that only asks for paths keeps what it needs from prune, with a memo and without one."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    (root,) = (context.store.root / "roots-v1").iterdir()
    for memos in (True, False):
        if not memos:
            shutil.rmtree(context.store.root / "memos-v1")
        os.utime(root, (1, 1))
        assert path.files(context, "tiny", lambda: project).model.exists()
        assert root.stat().st_mtime > 1


def test_a_memo_that_names_anything_else_is_not_believed(
    place: Place, context: Context, tmp_path: Path
) -> None:
    """A memo in a store that somebody else wrote to cannot hand out a file of another folder."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    right = path.files(context, "tiny", lambda: project).model
    stranger = tmp_path / "stranger.gguf"
    stranger.write_bytes(right.read_bytes())
    os.utime(stranger, ns=(right.stat().st_atime_ns, right.stat().st_mtime_ns))
    (memo,) = (context.store.root / "memos-v1").iterdir()
    value = json.loads(memo.read_text())
    seen = stranger.stat()
    value[4][str(stranger)] = [seen.st_size, seen.st_mtime_ns, seen.st_ino]
    value[6]["tiny"][2][0][1] = str(stranger)
    memo.write_text(json.dumps(value))
    assert path.files(context, "tiny", lambda: project).model == right


def test_rot_that_verify_finds_is_not_remembered_away(place: Place, context: Context) -> None:
    """A blob whose bytes changed under the same size and time is found by verify, and mended by the next sync."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    blob = context.store.blob_path(sha256(gguf("q4")))
    damage(blob, 2999)
    assert sync.sync(context, project).changes == ()  # nothing shows it yet
    assert [row.status for row in verify.verify(context, project)] == ["damaged"]
    assert sync.sync(context, project).bytes_fetched == 3000
    assert [row.status for row in verify.verify(context, project, full=True)] == ["ok"]


def test_variants_are_remembered_as_what_they_are(
    place: Place, opened: Opened, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memo of one variant never answers for another."""
    text = f'[models]\nother = "hf:{REPO}:Q8_0"\n[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n'
    project = place.write(text + f'[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    found = up_to_date.files(context, project, "tiny", None)
    assert found is not None
    assert found.model.name == "tiny-Q4_K_M.gguf"
    assert up_to_date.files(context, project, "tiny", "server") is None
    monkeypatch.setenv("MODELSYNC_VARIANT", "server")
    server = opened()
    assert up_to_date.files(server, project, "tiny", None) is None
    sync.sync(server, project)
    for asked in (server, context):
        found = up_to_date.files(asked, project, "tiny", "server")
        assert found is not None
        assert found.model.name == "tiny-Q8_0.gguf"
    found = up_to_date.files(context, project, "tiny", None)
    assert found is not None
    assert found.model.name == "tiny-Q8_0.gguf", "what was synced last is meant where nothing is asked"
    assert up_to_date.files(context, project, "other", None) is not None


def test_a_memo_is_of_one_way_to_ask(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store_root: Path
) -> None:
    """What a package's sync found says nothing of a sync of the same files by their path; nor do other stores."""
    project = place.write(LINKED)
    ops_lock.lock(opened(), project)
    shipped = project._replace(package="shipped")
    sync.sync(opened(), shipped)
    assert up_to_date.nothing_to_do(opened(), shipped, None)
    sync.sync(opened(), project)
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").is_file()
    store_root.rename(tmp_path / "team")
    with monkeypatch.context() as patch:
        patch.setenv("MODELSYNC_READONLY_STORES", str(tmp_path / "team"))
        sync.sync(opened(), shipped)
        assert up_to_date.files(opened(), shipped, "tiny", None) is not None
    assert up_to_date.files(opened(), shipped, "tiny", None) is None


def test_a_sync_sees_to_its_root_again(place: Place, context: Context, tmp_path: Path) -> None:
    """A lock that was away during a prune, and came back as it was, is needed from the next sync on."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    second = tmp_path / "second"
    second.mkdir()
    shutil.copy(place.folder / "models.toml", second)
    sync.sync(context, discovery.find(manifest_path=second))
    lock = project.lock_path
    lock.rename(tmp_path / "away")
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    (tmp_path / "away").rename(lock)
    sync.sync(context, project)
    shutil.rmtree(second)
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert context.store.blob_path(sha256(gguf("q4"))).exists()


def test_a_lock_of_the_same_size_time_and_inode_is_another(place: Place, context: Context) -> None:
    """`cp -a` of another checkout over this one, with times that the checkout made equal: the memo is not believed."""
    project = place.write(MANIFEST)
    for name in ("models.toml", "models.lock"):
        sync.sync(context, project)
        assert up_to_date.nothing_to_do(context, project, None)
        file = place.folder / name
        before = file.stat()
        file.write_bytes(file.read_bytes())
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = file.stat()
        assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
            before.st_size,
            before.st_mtime_ns,
            before.st_ino,
        )
        assert not up_to_date.nothing_to_do(context, project, None)
        assert up_to_date.files(context, project, "tiny", None) is None


def test_another_name_of_a_blob_ends_no_memo(place: Place, context: Context) -> None:
    """Other projects link the same blob, which changes its change time: this one still has nothing to do."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    sync.sync(context, project)
    assert up_to_date.nothing_to_do(context, project, None)
    os.link(context.store.blob_path(sha256(gguf("q4"))), place.folder / "other.gguf")
    assert up_to_date.nothing_to_do(context, project, None)
    assert up_to_date.files(context, project, "tiny", None) is not None

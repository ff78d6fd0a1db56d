"""A plan carried out: links, damage, room made before the first byte."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    NotAModelError,
    StoreError,
)
from modelsync.ops import sync, verify
from modelsync.project import discovery
from modelsync.store import blobs, links, prune, views
from modelsync.store.link_record import LinkMode
from modelsync.transfer.progress import Event
from tests.support.content import damage, gguf, sha256
from tests.support.project import LINKED, MANIFEST, REPO, Opened, Place, sync_options


def test_a_strangers_file_is_never_overwritten(place: Place, context: Context) -> None:
    """A file in the way that modelsync did not put there is an error with a hint, and stays."""
    mine = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(StoreError) as refused:
        sync.sync(context, place.write(LINKED))
    assert refused.value.hint
    assert mine.read_text() == "mine"


def test_damage_in_the_store_is_mended_by_the_next_sync(place: Place, context: Context) -> None:
    """A blob whose time changed is checked: good, it stays without a request; bad, it is fetched again."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    blob = context.store.blob_path(sha256(gguf("q4")))
    os.utime(blob, (1, 1))
    place.hub.clear()
    sync.sync(context, project)
    assert place.hub.seen() == []
    blob.chmod(0o644)
    blob.write_bytes(gguf("rot"))
    report = sync.sync(context, project)
    assert report.bytes_fetched == 3000
    assert blob.read_bytes() == gguf("q4")
    assert any("damaged" in note for note in report.notes)


@pytest.mark.parametrize("where", [(views, "make"), (links, "place")], ids=["view", "link"])
@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_a_store_that_is_emptied_meanwhile_is_filled_again(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str], mode: LinkMode
) -> None:
    """`cache clean` beside a sync: what went is fetched again, the view and the links are there, and it is no error."""
    module, name = where
    work, times = getattr(module, name), 0

    def after_a_clean(*args: Any, **more: Any) -> Any:
        nonlocal times
        times += 1
        if times == 1:
            prune.execute(context.store, prune.clean(context.store))
        return work(*args, **more)

    monkeypatch.setattr(module, name, after_a_clean)
    sync.sync(context, place.write(LINKED), sync_options(link_mode=mode))
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").read_bytes() == gguf("q4")
    assert {row.status for row in verify.verify(context, place.project)} == {"ok"}
    assert list((context.store.root / "views-v1").glob("*/tiny-Q4_K_M.gguf"))


def test_one_failure_does_not_stop_the_others(place: Place, context: Context) -> None:
    """What can arrive arrives; the error names what did not."""
    place.repo.commit({"page-Q4_0.gguf": b"<html>" + b"x" * 5000})
    project = place.write(f'[models]\npage = "hf:{REPO}:Q4_0"\ntiny = "hf:{REPO}/tiny-Q4_K_M.gguf"\n')
    with pytest.raises(NotAModelError, match="page"):
        sync.sync(context, project)
    assert blobs.find(context.store, sha256(gguf("q4"))) is not None
    assert blobs.find(context.store, sha256(b"<html>" + b"x" * 5000)) is None


def test_replace_frees_the_old_version_before_the_first_byte(
    place: Place, opened: Opened, tmp_path: Path
) -> None:
    """`replace` makes room first: the old bytes are gone from store and project before the new ones come."""
    present: list[bool] = []
    project = place.write(LINKED)
    first = opened()
    sync.sync(first, project)
    blob = first.store.blob_path(sha256(gguf("q4")))
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})

    def watch(event: Event) -> None:
        if event.phase == "fetching":
            present.append(linked.exists() or blob.exists())

    context = opened(listener=watch)
    report = sync.sync(context, project, sync_options(upgrade=True, replace=True))
    assert report.bytes_fetched == 3000
    assert present
    assert not any(present)
    assert linked.read_bytes() == gguf("new")


def test_replace_leaves_what_another_project_needs(place: Place, opened: Opened, tmp_path: Path) -> None:
    """What another lock or a pull names stays, whoever replaces."""
    project = place.write(MANIFEST)
    sync.sync(opened(), project)
    second = tmp_path / "second"
    second.mkdir()
    for name in ("models.toml", "models.lock"):
        shutil.copy(place.folder / name, second)
    sync.sync(opened(), discovery.find(manifest_path=second))
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    context = opened()
    sync.sync(context, project, sync_options(upgrade=True, replace=True))
    assert context.store.blob_path(sha256(gguf("q4"))).exists()
    assert sync.sync(opened(), discovery.find(manifest_path=second), sync_options(check=True)).changes == ()


def test_a_repaired_blob_is_linked_anew(place: Place, context: Context) -> None:
    """Where the damaged blob was hard-linked into the project, one sync mends both."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    damage(linked, 2999)
    assert "damaged" in [row.status for row in verify.verify(context, project)]
    sync.sync(context, project)
    assert linked.read_bytes() == gguf("q4")
    assert {row.status for row in verify.verify(context, project, full=True)} == {"ok"}
    assert sync.sync(context, project).plan.steps == ()


def test_another_link_mode_makes_the_links_anew(place: Place, context: Context) -> None:
    """A mode that is asked for is had, whatever the links were; `auto` leaves them."""
    project = place.write(LINKED)
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    sync.sync(context, project, sync_options(link_mode="copy"))
    assert linked.stat().st_nlink == 1
    assert sync.sync(context, project).plan.steps == ()
    assert sync.sync(context, project, sync_options(link_mode="copy")).plan.steps == ()
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    assert linked.stat().st_nlink > 1


def test_a_blob_that_is_checked_again_tells_of_it_and_can_be_cancelled(
    place: Place, context: Context, opened: Opened
) -> None:
    """Hashing a large blob takes a while: it is progress like any other."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    blob = context.store.blob_path(sha256(gguf("q4")))
    os.utime(blob, (1, 1))
    cancelled = opened()
    cancelled.cancel.set()
    with pytest.raises(CancelledError):
        sync.sync(cancelled, project)
    events: list[Event] = []
    sync.sync(opened(listener=events.append), project)
    assert events == [Event("done", "tiny: tiny-Q4_K_M.gguf", 3000, 3000)]


def test_a_copy_that_rotted_unseen_is_mended_after_verify(place: Place, context: Context) -> None:
    """A copy in the project's folder whose bytes changed under one size and time: verify finds it, sync mends it."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    copy = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    damage(copy, 2999)
    assert [row.status for row in verify.verify(context, project)] == ["ok", "damaged"]
    place.hub.clear()
    sync.sync(context, project, sync_options(link_mode="copy"))
    assert copy.read_bytes() == gguf("q4")
    assert place.hub.seen() == []

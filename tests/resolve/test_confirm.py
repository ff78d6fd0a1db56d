"""`lock --verify` of what has no published sha256: read once, and then confirmed by what its source says."""

import pytest

from modelsync.context import Context
from modelsync.errors import DriftError
from modelsync.ops import lock, sync
from modelsync.ops.options import Upgrade
from tests.hub import Hub
from tests.support.content import gguf, sha256
from tests.support.project import REPO, Opened, Place


def bodies(hub: Hub) -> list[str]:
    """The files of which bytes were given."""
    return [
        seen.file for seen in hub.seen(method="GET") if seen.sent > 1000 and "/api/models" not in seen.path
    ]


def url_project(place: Place, data: bytes = gguf("direct"), etag: str = "strong") -> str:
    """A file at a plain URL, and the manifest that names it."""
    return f'[models]\ndirect = "{place.hub.file("/files/direct.gguf", data, etag=etag)}"\n'


def pieces_project(place: Place) -> str:
    """A file of two pieces on a hub, and the manifest that names it."""
    whole = gguf("pieces", 4000)
    place.repo.commit({"big.Q8_0.gguf.part1of2": whole[:2500], "big.Q8_0.gguf.part2of2": whole[2500:]})
    return f'[models]\nbig = "hf:{REPO}/big.Q8_0.gguf.part1of2"\n'


def small_project(place: Place) -> str:
    """A file that the hub keeps in git itself, and the manifest that names it."""
    place.hub.repo("user/small").commit({"small.gguf": gguf("small")}, lfs=False)
    return '[models]\nsmall = "hf:user/small/small.gguf"\n'


@pytest.mark.parametrize("manifest", [url_project, pieces_project, small_project])
def test_what_was_read_to_be_locked_is_not_read_again(
    place: Place, context: Context, opened: Opened, manifest: object
) -> None:
    """The store has it, and the source says what it said: nothing is fetched."""
    assert callable(manifest)
    project = place.write(manifest(place))
    lock.lock(context, project)
    place.hub.clear()
    report = lock.verify(opened(), project)
    assert report.bytes_fetched == 0
    assert bodies(place.hub) == []


@pytest.mark.parametrize("manifest", [url_project, pieces_project, small_project])
def test_what_a_sync_fetched_is_not_read_again(
    place: Place, context: Context, opened: Opened, monkeypatch: pytest.MonkeyPatch, manifest: object
) -> None:
    """On a machine that did not write the lock, a sync's fetch is the reading."""
    assert callable(manifest)
    project = place.write(manifest(place))
    lock.lock(context, project)
    monkeypatch.setenv("MODELSYNC_STORE", str(place.folder / "another"))
    sync.sync(opened(), project)
    place.hub.clear()
    lock.verify(opened(), project)
    assert bodies(place.hub) == []


def test_pieces_are_confirmed_at_another_commit(place: Place, context: Context, opened: Opened) -> None:
    """Their published sha256 are what is compared, whatever the commit is that a pin moved to."""
    project = place.write(pieces_project(place))
    lock.lock(context, project)
    place.repo.squash()
    lock.lock(opened(), project, Upgrade(every_model=True))
    place.hub.clear()
    lock.verify(opened(), project)
    assert bodies(place.hub) == []


def test_a_weak_etag_confirms_nothing(place: Place, context: Context, opened: Opened) -> None:
    """It does not promise the same bytes: the file is read anew."""
    project = place.write(url_project(place, etag="weak"))
    lock.lock(context, project)
    assert lock.verify(opened(), project).bytes_fetched == 3000


def test_a_changed_file_is_read_and_told(place: Place, context: Context, opened: Opened) -> None:
    """Another ETag at the URL: what it has now is read, and the lock is not what upstream says."""
    project = place.write(url_project(place))
    lock.lock(context, project)
    url_project(place, gguf("changed"))
    with pytest.raises(DriftError, match=sha256(gguf("changed"))):
        lock.verify(opened(), project)


def test_an_edited_lock_does_not_pass_for_what_the_store_has(
    place: Place, context: Context, opened: Opened
) -> None:
    """Neither another file of the store, nor an older version of the same URL under its new ETag, is confirmed."""
    project = place.write(url_project(place, gguf("old")))
    old = lock.lock(context, project).lock.models[0].files[0]
    place.write(url_project(place, gguf("new")))
    new = lock.lock(opened(), project, Upgrade(every_model=True)).lock.models[0].files[0]
    assert old.etag != new.etag
    lock.verify(opened(), project)
    path = place.folder / "models.lock"
    path.write_text(path.read_text().replace(new.sha256, old.sha256))
    with pytest.raises(DriftError, match=f"{old.sha256} in the lock, {new.sha256} upstream"):
        lock.verify(opened(), project)


def test_a_blob_that_changed_since_is_read_anew(place: Place, context: Context, opened: Opened) -> None:
    """A receipt that is of another file says nothing of this one."""
    project = place.write(url_project(place))
    (file,) = lock.lock(context, project).lock.models[0].files
    blob = context.store.blob_path(file.sha256)
    blob.chmod(0o644)
    blob.write_bytes(gguf("rotten"))
    assert lock.verify(opened(), project).bytes_fetched == 3000

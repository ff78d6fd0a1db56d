"""Digests of what nobody publishes one for: read once, and checked."""

from pathlib import Path
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.errors import (
    DriftError,
    HashMismatchError,
    NotAModelError,
)
from modelsync.fetch.wanted import blob_of
from modelsync.ops import lock, outdated, sync
from modelsync.ops.options import Upgrade
from modelsync.resolve import pin
from tests.hub import Chunked
from tests.support.content import gguf, sha256
from tests.support.project import REPO, Place


def test_a_pinned_url_is_not_read_to_be_locked(place: Place, context: Context) -> None:
    """Where the manifest says what a URL's file must be, locking asks for its size alone, and sync checks it."""
    url = place.hub.file("/files/direct.gguf", gguf("direct"))
    entry = f'[models.direct]\nuri = "{url}"\nsha256 = "'
    project = place.write(entry + sha256(gguf("direct")) + '"\n')
    report = lock.lock(context, project)
    assert (report.bytes_fetched, report.lock.models[0].files[0].size) == (0, 3000)
    assert sync.sync(context, project).bytes_fetched == 3000
    project = place.write(entry + "0" * 64 + '"\n')
    with pytest.raises(HashMismatchError, match="0000"):
        sync.sync(context, project)


def test_a_direct_url_is_read_once(place: Place, context: Context) -> None:
    """What has no published hash is read to be locked, says so, and is in the store then; a 304 spares it later."""
    url = place.hub.file("/files/direct.gguf", gguf("direct"), etag="strong")
    project = place.write(f'[models]\ndirect = "{url}"\n')
    report = lock.lock(context, project)
    assert report.bytes_fetched == 3000
    assert any("read once" in note for note in report.notes)
    place.hub.clear()
    again = lock.lock(context, project, Upgrade(every_model=True))
    assert [change.action for change in again.changes] == ["unchanged"]
    assert [seen.method for seen in place.hub.seen("plain")] == ["HEAD"]
    place.hub.file("/files/direct.gguf", gguf("changed"), etag="strong")
    assert [one.change.action for one in outdated.outdated(context, project).models] == ["updated"]
    assert [change.action for change in lock.lock(context, project, Upgrade(every_model=True)).changes] == [
        "updated"
    ]


def test_a_pinned_file_that_goes_meanwhile_is_fetched_again(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is not told, so the store's file is asked; `cache clean` beside it costs a fetch, not the lock."""
    url = place.hub.file("/files/direct.gguf", gguf("direct"))
    place.hub.misbehave(Chunked(), where="plain", times=None)
    project = place.write(f'[models.direct]\nuri = "{url}"\nsha256 = "{sha256(gguf("direct"))}"\n')
    lock.lock(context, project)
    blob = context.store.blob_path(sha256(gguf("direct")))
    gone: list[Path] = []

    def emptied(context: Context, file: Any) -> Path | None:
        if not gone:
            gone.append(blob)
            blob.unlink()
        return blob_of(context, file)

    monkeypatch.setattr(pin, "blob_of", emptied)
    (place.folder / "models.lock").unlink()
    (file,) = lock.lock(context, project).lock.models[0].files
    assert (file.size, blob.read_bytes()) == (3000, gguf("direct"))
    assert gone


def test_pieces_are_joined_and_each_is_checked(place: Place, context: Context) -> None:
    """`.part1of2` pieces are one file in the lock, with the pieces it is joined from."""
    whole = gguf("pieces", 4000)
    place.repo.commit(
        {"big.Q8_0.gguf.part1of2": whole[:2500], "big.Q8_0.gguf.part2of2": whole[2500:]}, lfs=True
    )
    project = place.write(f'[models]\nbig = "hf:{REPO}/big.Q8_0.gguf.part1of2"\n')
    report = lock.lock(context, project)
    (file,) = report.lock.models[0].files
    assert (file.path, file.size, file.url) == ("big.Q8_0.gguf", 4000, None)
    assert [piece.size for piece in file.pieces] == [2500, 1500]
    assert lock.lock(context, project, Upgrade(every_model=True)).bytes_fetched == 0


def test_a_pinned_hash_decides(place: Place, context: Context) -> None:
    """A `sha256` of the manifest that upstream does not have is refused, and nothing is locked."""
    project = place.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(HashMismatchError, match="0000"):
        lock.lock(context, project)
    assert not (place.folder / "models.lock").exists()


def test_a_login_page_is_never_locked(place: Place, context: Context) -> None:
    """What does not begin like a GGUF is refused with what it looks like, and stays out of the store."""
    url = place.hub.file("/files/login.gguf", b"<!DOCTYPE html><title>Sign in</title>" * 100)
    with pytest.raises(NotAModelError, match="web page"):
        lock.lock(context, place.write(f'[models]\nlogin = "{url}"\n'))


def test_verify_reads_what_has_no_published_digest(place: Place, context: Context) -> None:
    """An edited hash of a direct URL or a local file is found too: nobody publishes it, so the bytes are read."""
    url = place.hub.file("/files/direct.gguf", gguf("direct"), etag="strong")
    (place.folder / "local.gguf").write_bytes(gguf("local"))
    project = place.write(f'[models]\ndirect = "{url}"\nlocal = "./local.gguf"\n')
    locked = lock.lock(context, project).lock
    lock.verify(context, project)
    right = place.lock_text
    for model in locked.models:
        (place.folder / "models.lock").write_text(right.replace(model.files[0].sha256, "1" * 64))
        with pytest.raises(DriftError, match=rf"{model.name}: {model.name}\.gguf has sha256 1111"):
            lock.verify(context, project)

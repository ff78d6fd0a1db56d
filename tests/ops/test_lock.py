"""The lock: what it pins, when it moves, and that it tells the truth."""

import signal
import subprocess
import sys
import time

import pytest

from modelsync.context import Context
from modelsync.errors import (
    DriftError,
    HashMismatchError,
    LockfileError,
    NotAModelError,
    NotFoundError,
    OfflineError,
    RefusedError,
    StaleLockError,
    UsageError,
)
from modelsync.ops import lock
from tests.hub import Stall
from tests.support.project import REPO, Opened, Place, gguf

MANIFEST = f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'


def test_a_lock_pins_commit_size_and_hash(place: Place, context: Context) -> None:
    """The lock names the commit, and a URL of that commit at the canonical hub, never the endpoint that was asked."""
    report = lock.lock(context, place.write(MANIFEST))
    (model,) = report.lock.models
    (file,) = model.files
    assert report.written
    assert [change.action for change in report.changes] == ["added"]
    assert model.revision == place.commit
    assert file.size == 3000
    assert file.url == f"https://huggingface.co/{REPO}/resolve/{place.commit}/tiny-Q4_K_M.gguf"
    assert place.hub.endpoint not in place.lock_text


def test_the_lock_is_the_same_bytes_on_every_machine(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    """The same request at the same upstream gives the same bytes, whoever locks, through whatever endpoint."""
    lock.lock(context, place.write(MANIFEST))
    first = place.lock_text
    (place.folder / "models.lock").unlink()
    monkeypatch.delenv("HF_ENDPOINT")
    monkeypatch.setenv("MODEL_ENDPOINT", place.hub.endpoint + "/")
    monkeypatch.setenv("MODELSYNC_STORE", str(place.folder / "elsewhere"))
    lock.lock(opened(), place.project)
    assert place.lock_text == first


def test_a_fresh_lock_asks_nobody(place: Place, context: Context) -> None:
    """An entry that the lock answers stays as it is, byte for byte, whatever upstream has now."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    before = place.lock_text
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    place.hub.clear()
    report = lock.lock(context, project)
    assert not report.written
    assert place.lock_text == before
    assert place.hub.seen() == []


def test_an_upgrade_moves_what_moved(place: Place, context: Context) -> None:
    """`-U` asks about everything, `-P` about the names given; `outdated` says it without writing."""
    project = place.write(MANIFEST + f'other = "hf:{REPO}:Q8_0"\n')
    lock.lock(context, project)
    before = place.lock_text
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})

    said = lock.outdated(context, project)
    assert {change.name: change.action for change in said.changes} == {"tiny": "updated", "other": "updated"}
    assert place.lock_text == before

    named = lock.lock(context, project, upgrade_models=["tiny"])
    assert {change.name: change.action for change in named.changes} == {
        "tiny": "updated",
        "other": "unchanged",
    }
    everything = lock.lock(context, project, upgrade=True)
    assert {change.name: change.action for change in everything.changes} == {
        "tiny": "unchanged",
        "other": "updated",
    }
    with pytest.raises(NotFoundError, match="tinny"):
        lock.lock(context, project, upgrade_models=["tinny"])


def test_a_changed_manifest_makes_the_lock_stale(place: Place, context: Context) -> None:
    """A request that differs, a name that is missing and one that is extra are each a reason; other keys are none."""
    project = place.write(MANIFEST)
    with pytest.raises(StaleLockError, match="tiny is not in the lock"):
        lock.check(project)
    lock.lock(context, project)
    place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\ngroups = ["chat"]\n[models.tiny.load]\nn_ctx = 8\n'
    )
    lock.check(project)
    place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    with pytest.raises(StaleLockError, match=r"tiny changed in the manifest \(uri\)") as stale:
        lock.check(project)
    assert "modelsync lock" in str(stale.value.hint)
    place.write("")
    with pytest.raises(StaleLockError, match="tiny is no longer in the manifest"):
        lock.check(project)
    report = lock.lock(context, project)
    assert [(change.name, change.action) for change in report.changes] == [("tiny", "removed")]


def test_a_dry_run_writes_nothing(place: Place, context: Context) -> None:
    """The report says what would change; no lock is written, and no file read."""
    report = lock.lock(context, place.write(MANIFEST), dry_run=True)
    assert [change.action for change in report.changes] == ["added"]
    assert not (place.folder / "models.lock").exists()
    assert place.hub.seen("cdn") == []


def test_all_variants_are_locked(place: Place, context: Context) -> None:
    """A variant is a model of its own in the lock, under the same name."""
    project = place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    report = lock.lock(context, project)
    assert [(m.name, m.variant, m.files[0].path) for m in report.lock.models] == [
        ("tiny", None, "tiny-Q4_K_M.gguf"),
        ("tiny", "server", "tiny-Q8_0.gguf"),
    ]


def test_a_direct_url_is_read_once(place: Place, context: Context) -> None:
    """What has no published hash is read to be locked, says so, and is in the store then; a 304 spares it later."""
    url = place.hub.file("/files/direct.gguf", gguf("direct"), etag="strong")
    project = place.write(f'[models]\ndirect = "{url}"\n')
    report = lock.lock(context, project)
    assert report.bytes_fetched == 3000
    assert any("read once" in note for note in report.notes)
    place.hub.clear()
    again = lock.lock(context, project, upgrade=True)
    assert [change.action for change in again.changes] == ["unchanged"]
    assert [seen.method for seen in place.hub.seen("plain")] == ["HEAD"]
    place.hub.file("/files/direct.gguf", gguf("changed"), etag="strong")
    assert [change.action for change in lock.outdated(context, project).changes] == ["updated"]
    assert [change.action for change in lock.lock(context, project, upgrade=True).changes] == ["updated"]


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
    assert lock.lock(context, project, upgrade=True).bytes_fetched == 0


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


def test_verify_asks_upstream_again(place: Place, context: Context) -> None:
    """A lock that was edited is told apart from one that is merely behind."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    lock.verify(context, project)
    text = place.lock_text
    (place.folder / "models.lock").write_text(text.replace("size = 3000", "size = 3001"))
    with pytest.raises(DriftError, match="3001 bytes in the lock, 3000 upstream"):
        lock.verify(context, project)
    sha256 = lock.check(place.project).models[0].files[0].sha256
    (place.folder / "models.lock").write_text(text.replace(sha256, "1" * 64))
    with pytest.raises(DriftError, match="sha256"):
        lock.verify(context, project)


def test_an_edited_url_is_refused(place: Place, context: Context) -> None:
    """A lock whose URL is not what repo, commit and path give is refused before anything is asked."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    (place.folder / "models.lock").write_text(
        place.lock_text.replace("https://huggingface.co/", "https://evil.example/")
    )
    place.hub.clear()
    with pytest.raises(RefusedError, match=r"evil\.example"):
        lock.check(project)
    assert place.hub.seen() == []


def test_locking_needs_the_network_only_for_what_is_stale(place: Place, opened: Opened) -> None:
    """Offline, a fresh lock is fine, and a stale one is an error that names the switch."""
    project = place.write(MANIFEST)
    with pytest.raises(OfflineError, match="network"):
        lock.lock(opened(offline=True), project)
    lock.lock(opened(), project)
    lock.lock(opened(offline=True), project)


def adapted(place: Place, *loras: str) -> str:
    """A manifest of a model with adapters, from two repos that call theirs the same."""
    for repo in ("user/one", "user/two"):
        place.hub.repo(repo).commit({"adapter.gguf": gguf(repo)})
    return f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = {list(loras)}\n'


def test_verify_holds_each_adapter_against_upstream(place: Place, context: Context) -> None:
    """Two adapters of one name from two repos are two files: a hash edited in either is seen."""
    project = place.write(adapted(place, "hf:user/one", "hf:user/two"))
    (locked,) = lock.lock(context, project).lock.models
    lock.verify(context, project)
    for file in locked.files[1:]:
        written = place.lock_text
        (place.folder / "models.lock").write_text(
            "".join(
                line.replace(f'sha256 = "{file.sha256}"', f'sha256 = "{"1" * 64}"')
                for line in written.splitlines(keepends=True)
            )
        )
        with pytest.raises(DriftError, match=r"adapter\.gguf has sha256 1111"):
            lock.verify(context, project)
        (place.folder / "models.lock").write_text(written)


def test_nothing_is_locked_that_could_not_be_read_again(place: Place, context: Context) -> None:
    """Two URIs that mean the same adapter are an error at once, not a lock that nobody can read."""
    with pytest.raises(UsageError, match=r"adapter\.gguf twice"):
        lock.lock(context, place.write(adapted(place, "hf:user/one", "hf:user/one/adapter.gguf")))
    assert not (place.folder / "models.lock").exists()


def test_a_lock_that_cannot_be_believed_says_what_mends_it(place: Place, context: Context) -> None:
    """`lock` refuses it too, for it must not move every model unasked; the hint is one that helps."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    right = place.lock_text
    (place.folder / "models.lock").write_text(right.replace("size = 3000", "size = -1"))
    with pytest.raises(LockfileError) as refused:
        lock.lock(context, project)
    assert "delete it" in str(refused.value.hint)
    (place.folder / "models.lock").unlink()
    lock.lock(context, project)
    assert place.lock_text == right


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


@pytest.mark.skipif(sys.platform == "win32", reason="there, a signal is sent otherwise")
def test_ctrl_c_ends_a_lock_that_waits_for_a_server(place: Place) -> None:
    """Who interrupts a lock does not wait for the answers that it was waiting for, nor for its retries."""
    place.hub.misbehave(Stall(0, seconds=60), where="hub", times=100)
    place.write(MANIFEST)
    command = [sys.executable, "-m", "modelsync", "lock"]
    with subprocess.Popen(command, cwd=place.folder, stderr=subprocess.DEVNULL) as process:
        while not place.hub.seen("hub"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130

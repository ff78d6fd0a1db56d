"""What prune keeps, and what it frees: on real stores."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from modelsync.store import atomic, blobs, inventory, links, prune, pulled, roots, verify, views
from modelsync.store.digest_lock import hold
from modelsync.store.layout import Store, url_key
from modelsync.store.prune import Freed
from modelsync.store.receipts import BlobOrigin
from modelsync.system import disks
from tests.support.content import sha256
from tests.support.store import DAY, arrive, locked, publish, write_lock

ONE, TWO, THREE = (name * 5000 for name in (b"GGUF one", b"GGUF two", b"GGUF three"))


def project(store: Store, folder: Path, *contents: bytes) -> Path:
    """What a sync leaves: a lock, a root, blobs, a view, hard links in `models/`. Returns the lock's path."""
    digests = write_lock(folder / "models.lock", *contents)
    roots.write(store, folder / "models.lock", digests)
    for data in contents:
        blob = publish(store, data)
        views.make(store, [locked(data)])
        want = links.NewLink(f"{sha256(data)[:8]}/model.gguf", blob, sha256(data), len(data))
        links.place(folder / "models", [want], mode="hardlink")
    return folder / "models.lock"


def run(store: Store, days: float = 0.0, *, at_once: bool = False) -> Freed:
    """Prunes as if it were so many days later."""
    return prune.execute(store, prune.prune(store, at_once=at_once, now=time.time() + days * DAY))


def here(store: Store) -> set[bytes]:
    return {data for data in (ONE, TWO, THREE) if blobs.find(store, sha256(data), len(data))}


def test_what_a_living_lock_names_stays(store: Store, tmp_path: Path) -> None:
    """Whatever its age, and with --now too, nothing goes that a lock names."""
    project(store, tmp_path / "a", ONE, TWO)
    for days, at_once in ((0, False), (1000, False), (0, True), (1000, True)):
        assert run(store, days, at_once=at_once) == (0, 0, 0, ())
    assert here(store) == {ONE, TWO}
    assert views.ready(store, [locked(ONE)]) is not None


def test_a_shared_file_is_on_the_disk_once_and_freed_with_the_last_project(
    store: Store, tmp_path: Path
) -> None:
    """Two projects share one blob; when both are deleted, `prune --now` gives its bytes back, and not before."""
    project(store, tmp_path / "a", ONE)
    project(store, tmp_path / "b", ONE, TWO)
    blob = store.blob_path(sha256(ONE))
    assert blob.stat().st_nlink == 4  # itself, the view, two projects
    assert inventory.size(store).blob_bytes == len(ONE) + len(TWO)
    shutil.rmtree(tmp_path / "a")
    assert run(store, at_once=True).blobs == 0
    assert here(store) == {ONE, TWO}
    shutil.rmtree(tmp_path / "b")
    freed = run(store, at_once=True)
    assert freed == (2, len(ONE) + len(TWO), 0, ())
    assert here(store) == set()
    left = [path for path in store.root.rglob("*") if path.is_file()]
    assert {path.relative_to(store.root).parts[0] for path in left} <= {"CACHEDIR.TAG", "locks-v1"}


def test_what_a_killed_removal_of_a_claim_left_goes(store: Store) -> None:
    """The right to remove an old claim is a small file too: a day later the next prune removes it."""
    publish(store, ONE)
    (store.root / "locks-v1").mkdir(exist_ok=True)
    left = store.root / "locks-v1" / f"{'ab' * 32}.claim.{'0' * 16}"
    other = left.with_name("mine.claim.txt")
    for path in (left, other):
        path.write_text("{")
        os.utime(path, (0, 0))
    prune.execute(store, prune.prune(store))
    assert not left.exists()
    assert other.exists()


def test_a_lock_that_is_gone_has_thirty_days(store: Store, tmp_path: Path) -> None:
    """The days count from when a prune first saw that the lock was gone, not from when it went."""
    lock = project(store, tmp_path / "a", ONE)
    text = lock.read_text()
    lock.unlink()
    assert run(store, 100).blobs == 0
    assert run(store, 129).blobs == 0
    lock.write_text(text)  # back, as after a switch of branches
    assert run(store, 140).blobs == 0
    lock.unlink()
    assert run(store, 150).blobs == 0
    assert run(store, 179).blobs == 0
    assert run(store, 180.1).blobs == 1
    assert here(store) == set()


def test_a_lock_that_changed_has_thirty_days(store: Store, tmp_path: Path) -> None:
    """What an older version of a lock named stays 30 days; `--now` keeps only what it names now."""
    lock = project(store, tmp_path / "a", ONE, TWO)
    project(store, tmp_path / "a", TWO, THREE)
    assert run(store, 29).blobs == 0
    assert here(store) == {ONE, TWO, THREE}
    assert run(store, 30.1).blobs == 1
    assert here(store) == {TWO, THREE}
    write_lock(lock, THREE)  # nobody has synced this version yet
    assert run(store, at_once=True).blobs == 1
    assert here(store) == {THREE}


def away(store: Store, folder: Path, *contents: bytes) -> None:
    """What a container leaves that is on this machine too, whose folders have the same paths inside of it."""
    lock = project(store, folder, *contents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disks, "place_id", lambda: "another-container")
        for path in (store.root / "roots-v1").iterdir():
            path.unlink()
        roots.write(store, lock, {sha256(data) for data in contents})


@pytest.mark.parametrize("seen", ["no folder", "another project's lock"])
def test_what_another_container_uses_stays_until_it_was_not_used_for_thirty_days(
    store: Store, tmp_path: Path, seen: str
) -> None:
    """Its lock cannot be seen from here: neither time nor --now takes what it needs, 30 days of rest or --all do."""
    away(store, tmp_path / "app", ONE)
    shutil.rmtree(tmp_path / "app")
    if seen != "no folder":
        write_lock(tmp_path / "app/models.lock", TWO)
    for days in (0, 29):
        assert run(store, days).blobs == 0
        assert run(store, days, at_once=True).blobs == 0
    assert prune.prune(store, at_once=True, unseen=True).blobs == 1
    (root,) = (store.root / "roots-v1").iterdir()
    os.utime(root, (time.time() - 20 * DAY,) * 2)
    assert run(store, 9, at_once=True).blobs == 0
    roots.use(
        store, tmp_path / "app/models.lock", {sha256(ONE)}
    )  # as a program in the container that asks for a path
    assert run(store, 29, at_once=True).blobs == 0
    assert run(store, 31, at_once=True).blobs == 1


def test_a_lock_of_an_older_version_whose_folder_is_not_there_stays_too(store: Store, tmp_path: Path) -> None:
    """Older roots do not say where they were written: without its folder, a lock may be another container's."""
    lock = project(store, tmp_path / "app", ONE)
    path = roots.place(store, lock, {sha256(ONE)})
    path.write_text(json.dumps({"digests": [sha256(ONE)], "lock": str(lock)}))
    shutil.rmtree(tmp_path / "app")
    assert run(store, 29, at_once=True).blobs == 0
    (tmp_path / "app").mkdir()  # the folder is here, and the lock is not
    assert run(store, at_once=True).blobs == 1


def test_a_root_of_another_container_with_the_same_lock_is_shared(store: Store, tmp_path: Path) -> None:
    """Containers of one image take turns: the root is not written anew each time, and keeps what they need."""
    away(store, tmp_path / "app", ONE)
    (root,) = (store.root / "roots-v1").iterdir()
    before = root.read_bytes()
    roots.write(store, tmp_path / "app/models.lock", {sha256(ONE)})
    assert root.read_bytes() == before
    assert run(store, 1000, at_once=True).blobs == 0


def test_now_keeps_what_a_lock_names_though_no_root_does(store: Store, tmp_path: Path) -> None:
    """A lock that names a file which only another project's root knew keeps it."""
    lock = project(store, tmp_path / "a", ONE)
    project(store, tmp_path / "b", TWO)
    shutil.rmtree(tmp_path / "b")
    write_lock(lock, ONE, TWO)
    assert run(store, at_once=True).blobs == 0
    assert here(store) == {ONE, TWO}


def test_a_lock_in_the_middle_of_a_merge_keeps_its_files(store: Store, tmp_path: Path) -> None:
    """A lock that cannot be read may need all that its root names: with --now too."""
    lock = project(store, tmp_path / "a", ONE)
    lock.write_text("<<<<<<< HEAD\n")
    assert run(store, 100).blobs == 0
    assert run(store, 1000, at_once=True).blobs == 0
    assert here(store) == {ONE}


def test_what_was_pulled_stays_until_now(store: Store) -> None:
    """A pull has no lock that could be gone: it stays until `--now`, and is then forgotten too."""
    publish(store, ONE)
    pulled.remember(store, "hf:user/model", [locked(ONE)])
    assert run(store, 1000).blobs == 0
    assert run(store, at_once=True).blobs == 1
    assert pulled.recall(store, "hf:user/model") is None


def test_what_no_root_names_goes_after_a_day(store: Store, tmp_path: Path) -> None:
    """A blob is read to be locked before anything names it: a day it stays, or until --now."""
    publish(store, ONE)
    assert run(store, 0.9).blobs == 0
    assert run(store, 1.1).blobs == 1
    publish(store, ONE)
    assert run(store, at_once=True).blobs == 1


def test_bytes_that_a_project_still_has_are_not_counted_as_freed(store: Store, tmp_path: Path) -> None:
    """A hard link in a project whose lock is gone keeps the bytes: they are told apart."""
    project(store, tmp_path / "a", ONE).unlink()
    assert run(store, at_once=True) == (1, 0, len(ONE), ())
    (left,) = (tmp_path / "a" / "models").glob("*/*.gguf")
    assert left.read_bytes() == ONE


def test_a_plan_that_is_not_carried_out_changes_nothing(store: Store, tmp_path: Path) -> None:
    """A dry run writes nothing, not even what it noticed."""
    project(store, tmp_path / "a", ONE).unlink()
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in store.root.rglob("*") if path.is_file())
    steps = prune.prune(store, at_once=True)
    assert (steps.blobs, steps.bytes) == (1, len(ONE))
    assert len(prune.prune(store).noticed) == 1
    after = sorted((str(path), path.lstat().st_mtime_ns) for path in store.root.rglob("*") if path.is_file())
    assert before == after


def test_a_sync_that_begins_meanwhile_is_safe(store: Store, tmp_path: Path) -> None:
    """Between plan and removal a sync wrote its root: what it needs stays."""
    for data in (ONE, TWO):
        publish(store, data)
        views.make(store, [locked(data)])
    steps = prune.prune(store, at_once=True)
    assert steps.blobs == 2
    lock = tmp_path / "models.lock"
    roots.write(store, lock, write_lock(lock, ONE))
    assert prune.execute(store, steps).blobs == 1
    assert here(store) == {ONE}
    assert views.ready(store, [locked(ONE)]) is not None


def test_a_root_that_came_back_meanwhile_stays(store: Store, tmp_path: Path) -> None:
    """A root that was to go, and was written anew since, stays with all it names."""
    lock = project(store, tmp_path / "a", ONE)
    text = lock.read_text()
    lock.unlink()
    run(store)
    steps = prune.prune(store, now=time.time() + 31 * DAY)
    assert steps.roots
    lock.write_text(text)
    roots.write(store, lock, {sha256(ONE)})
    assert prune.execute(store, steps).blobs == 0
    assert here(store) == {ONE}
    assert len(roots.read_all(store)) == 1


# --- what is on its way ------------------------------------------------------------------------------


def test_partials_in_use_stay(store: Store) -> None:
    """A partial whose lock is held stays, with --now and when everything is cleaned; then it goes."""
    unknown = url_key("https://files.example/a.gguf")
    with hold(store, sha256(ONE)) as one, hold(store, unknown) as two:
        assert one is not None
        assert two is not None
        for held in (one, two):
            held.folder.mkdir(parents=True)
            (held.folder / "data").write_bytes(b"half")
        run(store, 1000, at_once=True)
        prune.execute(store, prune.clean(store))
        assert (one.folder / "data").exists()
        assert (two.folder / "data").exists()
        assert store.claim_path(sha256(ONE)).exists()
    freed = run(store, at_once=True)
    assert freed.bytes > 0
    assert list((store.root / "partials-v1").iterdir()) == []


def test_a_partial_that_comes_into_use_stays(store: Store) -> None:
    """Planned to go, and taken up by a process before it went: it stays."""
    data = arrive(store, ONE)
    steps = prune.prune(store, at_once=True)
    assert [thing.kind for thing in steps.things] == ["partial"]
    with hold(store, sha256(ONE)) as held:
        assert held is not None
        prune.execute(store, steps)
        assert (held.folder / "data").exists()
    assert data.exists()


def test_half_a_file_that_a_lock_names_stays(store: Store, tmp_path: Path) -> None:
    """What has arrived of a file that a living lock names is kept for the next sync, with --now too."""
    lock = tmp_path / "models.lock"
    roots.write(store, lock, write_lock(lock, ONE))
    data = arrive(store, ONE)
    run(store, 1000, at_once=True)
    assert data.exists()
    publish(store, ONE)
    arrive(store, ONE)  # and what is left over when the blob is here goes
    run(store)
    assert not data.parent.exists()


def test_other_partials_wait_thirty_days(store: Store) -> None:
    """An interrupted fetch that no root names can be resumed for 30 days."""
    data = arrive(store, ONE)
    run(store, 29)
    assert data.exists()
    run(store, 31)
    assert not data.parent.exists()


def test_leftovers_are_swept_after_a_day(store: Store) -> None:
    """Receipts without blobs, unused locks, temporary names and half views go, but not while they may be new."""
    publish(store, ONE)
    store.blob_path(sha256(ONE)).unlink()
    of_old_versions = store.claim_path(sha256(ONE)).with_name(f"{sha256(ONE)}.lock")
    of_old_versions.parent.mkdir()
    of_old_versions.touch()
    killed = store.claim_path(sha256(TWO))
    killed.write_text("{")
    os.utime(killed, (time.time() - 2 * 3600,) * 2)
    atomic.temporary(store).write_bytes(b"half")
    atomic.temporary(store).mkdir()
    half = store.view_path("0123456789abcdef")
    half.mkdir(parents=True)
    (half / "model.gguf").write_bytes(b"GGUF")
    private = store.partial_path(f"{sha256(TWO)}.00000000-00000000-1-00000000")
    private.mkdir(parents=True)
    (private / "data").write_bytes(b"half")
    leftovers = [store.receipt_path(sha256(ONE)), of_old_versions, killed, half, private]
    leftovers += (store.root / "tmp-v1").iterdir()
    run(store, 0.9, at_once=True)
    assert all(path.exists() for path in leftovers)
    run(store, 1.1, at_once=True)
    assert not any(path.exists() for path in leftovers)


def test_receipts_about_readonly_blobs_stay(store: Store, tmp_path: Path) -> None:
    """What was found out about a blob of a read-only store is kept while the blob is there."""
    publish(store, ONE)
    store.receipt_path(sha256(ONE)).unlink()
    mine = Store(tmp_path / "mine", (store.root,))
    verify.recheck(mine, sha256(ONE))
    run(mine, 1000)
    assert blobs.state(mine, sha256(ONE)) == "here"
    blobs.discard(store, sha256(ONE))
    run(mine, 1000)
    assert not mine.receipt_path(sha256(ONE)).exists()


def test_foreign_files_in_the_store_are_left_alone(store: Store, tmp_path: Path) -> None:
    """What has no name of ours stays, when everything is cleaned too."""
    project(store, tmp_path / "a", ONE)
    foreign = [
        store.root / "notes.txt",
        store.root / "blobs-v2" / "ab" / ("ab" * 32),
        store.root / "blobs-v1" / "ab" / "notes.txt",
        store.root / "blobs-v1" / "cd" / ("ab" * 32),
        store.root / "receipts-v1" / "ab" / ("ab" * 32),
        store.root / "views-v1" / "mine" / "model.gguf",
        next((store.root / "views-v1").glob("*/")) / "mine.txt",
        store.root / "partials-v1" / "mine" / "data",
        store.root / "roots-v1" / "mine.json",
        store.root / "locks-v1" / "mine.lock",
        store.root / "tmp-v1" / "mine",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    run(store, 1000, at_once=True)
    prune.execute(store, prune.clean(store, now=time.time() + 1000 * DAY))
    assert all(path.read_text() == "mine" for path in foreign)
    left = {path for path in store.root.rglob("*") if path.is_file()}
    assert left == {*foreign, store.root / "CACHEDIR.TAG"}
    assert (tmp_path / "a" / "models.lock").exists()


def test_a_root_that_cannot_be_read_keeps_all_files(store: Store, tmp_path: Path) -> None:
    """Nobody can tell what a senseless root needs: all files stay for 30 days, and the plan names it. Then it goes."""
    publish(store, ONE)
    roots.write(store, tmp_path / "models.lock", {sha256(ONE)})
    (key,) = roots.read_all(store)
    store.root_path(key).write_text("{")
    for days in (0, 29):
        steps = prune.prune(store, at_once=True, now=time.time() + days * DAY)
        assert steps.illegible == (key,)
        assert prune.execute(store, steps).blobs == 0
        assert here(store) == {ONE}
    assert prune.prune(store, at_once=True, unseen=True).blobs == 1
    assert prune.clean(store).blobs == 1
    assert run(store, 31, at_once=True).blobs == 1
    assert roots.read_all(store) == {}


def test_a_store_that_is_not_there_can_be_pruned(store: Store) -> None:
    """There is nothing to do, and nothing is made."""
    assert prune.prune(store).things == ()
    assert prune.clean(store).things == ()
    assert inventory.rows(store) == ()
    assert inventory.size(store) == (0, 0, 0, 0, 0)
    assert not store.root.exists()


# --- what a person sees ------------------------------------------------------------------------------


def test_rows_tell_what_a_blob_is_and_who_needs_it(store: Store, tmp_path: Path) -> None:
    """The list has each blob with its size, where it came from and what needs it: the largest first."""
    lock = project(store, tmp_path / "a", ONE, THREE)
    origin = BlobOrigin("one.gguf", "user/model", "0" * 40)
    publish(store, ONE, origin)
    pulled.remember(store, "hf:user/model", [locked(ONE)])
    large, small = inventory.rows(store)
    assert (large.sha256, large.size, large.needed_by) == (sha256(THREE), len(THREE), (str(lock),))
    assert small == (
        sha256(ONE),
        len(ONE),
        store.blob_path(sha256(ONE)),
        (origin,),
        (str(lock), "hf:user/model"),
    )
    data = arrive(store, TWO)
    size = inventory.size(store)
    assert size[:3] == (2, len(ONE) + len(THREE), 1)
    assert size.partial_bytes >= data.stat().st_size
    assert size.bytes >= size.blob_bytes + size.partial_bytes

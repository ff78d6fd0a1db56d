"""Verify with repair, and a sync that finds damage: of a damaged file, only what broke is fetched."""

import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.context import CallOptions, Context
from modelsync.errors import HashMismatchError, HttpStatusError, OfflineError
from modelsync.fit import variants
from modelsync.ops import ensure, repair, sync, verify
from modelsync.ops.export import mirror
from modelsync.project.project import Project
from modelsync.spec.blocks import SIZE
from modelsync.store import blobs, digest_lock, receipts
from modelsync.store.layout import Store
from modelsync.store.links import LinkMode
from tests.hub import Hub, faults
from tests.support.content import damage, sha256
from tests.support.project import REPO, Opened, Place, sync_options
from tests.support.store import blocks
from tests.support.waiting import wait_until

LAST = 5 << 20
TOTAL = 3 * SIZE + LAST  # bytes: four blocks, the last one shorter
BIG = b"GGUF" + random.Random(6).randbytes(TOTAL - 4)
SHA = sha256(BIG)
SMALL = 64 << 10  # bytes that may be asked beside the blocks
MANIFEST = f'[models]\nbig = "hf:{REPO}/big.gguf"\n'
LINKED = f'[modelsync]\ndir = "models"\n{MANIFEST}'


@pytest.fixture
def big(place: Place, context: Context) -> Project:
    """A project whose model of four blocks is synced; the hub remembers nothing."""
    place.repo.commit({"big.gguf": BIG})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    place.hub.clear()
    return project


def sent(hub: Hub) -> int:
    """Bytes that the hub's CDN has sent."""
    return sum(each.sent for each in hub.seen("cdn"))


def statuses(rows: Sequence[verify.VerifiedFile]) -> list[str]:
    return [row.status for row in rows]


def test_one_flipped_bit_costs_one_block(place: Place, context: Context, big: Project) -> None:
    """Verify says which block is damaged; the repair fetches that block, and proves the whole by its sha256."""
    blob = context.store.blob_path(SHA)
    damage(blob, SIZE + 5)
    (row,) = verify.verify(context, big)
    assert (row.status, row.damaged, row.sha256) == ("damaged", ((SIZE, 2 * SIZE),), SHA)
    done = repair.repair(context, big)
    assert done.error is None
    assert statuses(done.rows) == ["repaired"]
    assert done.rows[0].damaged == ((SIZE, 2 * SIZE),)
    assert blob.read_bytes() == BIG
    assert sent(place.hub) <= SIZE + SMALL
    assert (done.fetched, done.reused) == (SIZE, TOTAL - SIZE)
    assert statuses(verify.verify(context, big, full=True)) == ["ok"]
    assert not list((context.store.root / "partials-v1").iterdir())
    place.hub.clear()
    assert statuses(repair.repair(context, big).rows) == ["ok"]
    assert place.hub.seen() == []


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    offsets=st.lists(st.integers(0, TOTAL - 1), max_size=3),
    length=st.sampled_from([None, 0, 1, SIZE - 1, SIZE, 2 * SIZE + 9, TOTAL - 1, TOTAL + 1, TOTAL + SIZE]),
    drift=st.booleans(),
)
def test_any_damage_is_mended_by_what_it_broke(
    place: Place, context: Context, big: Project, offsets: list[int], length: int | None, drift: bool
) -> None:
    """Whatever bits flip, and wherever the file ends: the original is there again, and no good block was fetched."""
    place.hub.clear()
    blob = context.store.blob_path(SHA)
    damage(blob, *set(offsets), drift=drift)
    if length is not None:
        blob.chmod(0o644)
        with blob.open("r+b") as file:
            file.truncate(length)
    there = TOTAL if length is None else min(length, TOTAL)
    broken = {offset // SIZE for offset in offsets} | set(range(there // SIZE if there < TOTAL else 4, 4))
    done = repair.repair(context, big)
    assert done.error is None
    assert blob.read_bytes() == BIG
    assert sent(place.hub) <= sum(min(SIZE, TOTAL - block * SIZE) for block in broken) + SMALL
    assert statuses(verify.verify(context, big)) == ["ok"]


@pytest.mark.parametrize("drift", [False, True])
def test_a_sync_that_finds_damage_fetches_what_is_damaged(
    place: Place, context: Context, big: Project, drift: bool
) -> None:
    """Rot that verify found, or a blob whose time changed: the next sync fetches the damaged blocks."""
    blob = context.store.blob_path(SHA)
    damage(blob, 7, 3 * SIZE + 1, drift=drift)
    if not drift:
        verify.verify(context, big)
    report = sync.sync(context, big)
    assert blob.read_bytes() == BIG
    assert sent(place.hub) <= SIZE + LAST + SMALL
    assert (report.bytes_fetched, report.bytes_reused) == (SIZE + LAST, 2 * SIZE)
    assert report.notes == (
        "big.gguf: 2 of 4 blocks (0 to 16, 48 to 53 MiB) damaged in the store, fetched again",
    )
    assert sync.sync(context, big).plan.steps == ()


def test_a_sync_goes_on_where_a_repair_was_broken_off(place: Place, context: Context, big: Project) -> None:
    """A network that fails in the middle: nobody gets the damaged file meanwhile, and what came is not asked again."""
    blob = context.store.blob_path(SHA)
    damage(blob, SIZE, 2 * SIZE)
    place.hub.misbehave(faults.Cut(SIZE // 2), times=1)
    place.hub.misbehave(faults.Status(404), times=None)
    done = repair.repair(context, big)
    assert isinstance(done.error, HttpStatusError)
    assert statuses(done.rows) == ["damaged"]
    assert blobs.state(context.store, SHA, TOTAL) == "suspect"
    came = sent(place.hub)
    place.hub.behave()
    place.hub.clear()
    done = repair.repair(context, big)
    assert (statuses(done.rows), done.error) == (["repaired"], None)
    assert blob.read_bytes() == BIG
    assert came + sent(place.hub) <= 2 * SIZE + 3 * SMALL


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("command", ["verify --repair", "sync"])
def test_a_kill_in_the_middle_of_a_repair_loses_nothing(
    place: Place, context: Context, big: Project, command: str
) -> None:
    """The damaged file stays suspect and in its place; the next run goes on, and leaves nothing behind."""
    blob = context.store.blob_path(SHA)
    damage(blob, 2 * SIZE, drift=command == "sync")
    place.hub.misbehave(faults.Slow(4 << 20), times=None)
    words = [sys.executable, "-m", "modelsync", "-q", *command.split()]
    child = subprocess.Popen(words, cwd=place.folder, stdout=subprocess.DEVNULL)

    def arrived() -> int:
        journal = digest_lock.partial_of(context.store, SHA) / "journal"
        return journal.read_text().count("+ ") if journal.exists() else 0

    wait_until(lambda: arrived() > 2)
    assert child.poll() is None
    child.kill()
    child.wait()
    assert blobs.state(context.store, SHA, TOTAL) == "suspect"
    assert blob.stat().st_size == TOTAL
    place.hub.behave()
    place.hub.clear()
    report = sync.sync(context, big)
    assert blob.read_bytes() == BIG
    assert report.bytes_fetched <= SIZE
    assert sent(place.hub) <= SIZE + SMALL
    folders = ("partials-v1", "tmp-v1")
    assert [left for name in folders for left in (context.store.root / name).iterdir()] == []


def test_a_source_that_has_other_bytes_now_repairs_nothing(
    place: Place, context: Context, big: Project
) -> None:
    """Where the promised sha256 cannot be had any more: an error, and the damaged file is never given out."""
    damage(context.store.blob_path(SHA), 9)
    other = BIG[:-1] + b"!"
    place.hub.misbehave(faults.Replaced(b"GGUF" + bytes(8) + other[12:]), times=None)
    done = repair.repair(context, big)
    assert isinstance(done.error, HashMismatchError)
    assert done.error.exit_code == 1
    assert statuses(done.rows) == ["damaged"]
    assert blobs.find(context.store, SHA, TOTAL) is None
    assert not list((context.store.root / "partials-v1").iterdir())
    place.hub.behave()
    assert repair.repair(context, big).error is None


@pytest.mark.parametrize("lie", ["garbage", "another", "short", "none"])
def test_hashes_of_blocks_that_are_not_the_seals_are_not_believed(
    place: Place, context: Context, big: Project, lie: str
) -> None:
    """Then nothing tells where the damage is: all is fetched, and that is said. A good blob gets its hashes anew."""
    blob, receipt = context.store.blob_path(SHA), context.store.receipt_path(SHA)
    first, second, _ = receipt.read_text().split("\n")
    right = blocks(BIG).hashes.hex()
    second = {
        "garbage": "{" * 5000,
        "another": second.replace(right[:64], "0" * 64),
        "short": second.replace(right[:64], ""),
        "none": "",
    }[lie]
    receipt.write_text(f"{first}\n{second}")
    assert statuses(verify.verify(context, big)) == ["ok"]
    assert receipts.blocks(context.store, SHA) == blocks(BIG)
    receipt.write_text(f"{first}\n{second}")
    damage(blob, SIZE)
    done = repair.repair(context, big)
    assert (done.rows[0].status, done.rows[0].damaged) == ("repaired", ())
    assert done.notes == ("big.gguf: damaged in the store, fetched again",)
    assert blob.read_bytes() == BIG
    assert (done.fetched, done.reused) == (TOTAL, 0)


def test_an_older_receipt_is_honoured_and_renewed(place: Place, context: Context, big: Project) -> None:
    """One with the BLAKE3 of the whole file: verify believes it, finds rot by it, and adds the hashes of the blocks."""
    from blake3 import blake3

    blob = context.store.blob_path(SHA)
    old = receipts.Receipt(TOTAL, blob.stat().st_mtime_ns, blake3(BIG).hexdigest())
    receipts.write(context.store, SHA, old)
    assert blobs.state(context.store, SHA, TOTAL) == "here"
    assert statuses(verify.verify(context, big)) == ["ok"]
    assert receipts.blocks(context.store, SHA) == blocks(BIG)
    receipts.write(context.store, SHA, old)
    damage(blob, 3)
    assert statuses(verify.verify(context, big)) == ["damaged"]
    assert blobs.state(context.store, SHA, TOTAL) == "suspect"


def test_a_seal_that_rotted_is_no_damage(context: Context, big: Project) -> None:
    """Where it is the receipt that changed and not the file, the sha256 says so, and the receipt is written anew."""
    receipt = context.store.receipt_path(SHA)
    seal = blocks(BIG).seal
    receipt.write_text(receipt.read_text().replace(seal, "0" * 64))
    assert statuses(verify.verify(context, big)) == ["ok"]
    assert seal in receipt.read_text()


def test_a_damaged_blob_of_a_read_only_store_is_repaired_into_the_own(
    place: Place,
    big: Project,
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store_root: Path,
) -> None:
    """Its good blocks are used, nothing is written there, and the repaired blob is in the user's own store."""
    team = tmp_path / "team"
    shutil.move(store_root, team)
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(team))
    damage(Store(team).blob_path(SHA), 2 * SIZE)
    before = {path: path.lstat().st_mtime_ns for path in team.rglob("*")}
    context = opened()
    assert statuses(verify.verify(context, big)) == ["damaged"]
    done = repair.repair(context, big)
    assert (statuses(done.rows), done.rows[0].path) == (["repaired"], context.store.blob_path(SHA))
    assert context.store.blob_path(SHA).read_bytes() == BIG
    assert sent(place.hub) <= SIZE + SMALL
    assert {path: path.lstat().st_mtime_ns for path in team.rglob("*")} == before


def test_what_a_readonly_store_shows_alone_is_verified_and_given_on(
    place: Place,
    big: Project,
    opened: Opened,
    store_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blobs are gone and the view is whole: `path` gives that, so it is hashed, mirrored, and mended when it rots."""
    shutil.rmtree(store_root / "blobs-v1")
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(store_root))
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "own"))
    (row,) = verify.verify(opened(), big, full=True)
    assert row.status == "ok"
    assert row.path is not None
    assert row.path.is_relative_to(store_root / "views-v1")
    assert sync.sync(opened(), big).changes == ()
    assert mirror.write(opened(), big, sync_options().selection, tmp_path / "mirror").put == (SHA,)
    assert (tmp_path / "mirror" / SHA).read_bytes() == BIG
    assert place.hub.seen() == []
    damage(row.path, SIZE + 5)
    (row,) = verify.verify(opened(), big)
    assert (row.status, row.damaged) == ("damaged", ((SIZE, 2 * SIZE),))
    sync.sync(opened(), big)
    assert blobs.find(opened().store, SHA, TOTAL) == tmp_path / "own" / "blobs-v1" / SHA[:2] / SHA
    assert statuses(verify.verify(opened(), big, full=True)) == ["ok"]


def test_without_the_network_damage_is_an_error(context: Context, big: Project, opened: Opened) -> None:
    """Offline, a repair says what it would need; where the source is a local file, it needs no network."""
    damage(context.store.blob_path(SHA), 1)
    done = repair.repair(opened(CallOptions(offline=True)), big)
    assert isinstance(done.error, OfflineError)
    assert done.error.hint is not None
    assert statuses(done.rows) == ["damaged"]


def test_nobody_gets_the_path_of_a_damaged_blob(context: Context, big: Project, opened: Opened) -> None:
    """Offline, a path is refused as long as the blob is damaged; with the network it is mended first."""
    blob = context.store.blob_path(SHA)
    damage(blob, 1, drift=True)
    known = variants.find(context, big, "big")
    for _ in range(2):  # hashed by its name, then by its blocks alone
        with pytest.raises(HashMismatchError, match="is damaged"):
            ensure.files(opened(CallOptions(offline=True)), big, known)
    assert ensure.files(context, big, known).model.read_bytes() == BIG


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
def test_nobody_gets_the_projects_link_to_a_damaged_blob(
    place: Place, context: Context, opened: Opened, mode: LinkMode
) -> None:
    """It has the size and the time that it had, and is refused all the same; a copy is not the blob, and is given."""
    place.repo.commit({"big.gguf": BIG})
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode=mode))
    damage(context.store.blob_path(SHA), SIZE)
    known = variants.find(context, project, "big")
    linked = place.folder / "models/big/big.gguf"
    assert ensure.files(context, project, known).model == linked  # nobody has looked
    verify.verify(context, project)
    with pytest.raises(HashMismatchError):
        ensure.files(opened(CallOptions(offline=True)), project, known)
    sync.sync(context, project, sync_options(link_mode=mode))
    assert ensure.files(context, project, known).model == linked
    assert linked.read_bytes() == BIG
    sync.sync(context, project, sync_options(link_mode="copy"))
    damage(context.store.blob_path(SHA), SIZE)
    verify.verify(context, project)
    assert ensure.files(opened(CallOptions(offline=True)), project, known).model == linked


def test_a_local_source_repairs_offline(place: Place, opened: Opened) -> None:
    """What came from a file of this machine is repaired from it."""
    (place.folder / "mine.gguf").write_bytes(BIG)
    context = opened(CallOptions(offline=True))
    project = place.write('[models]\nbig = "file:mine.gguf"\n')
    sync.sync(context, project)
    blob = context.store.blob_path(SHA)
    damage(blob, 1)
    assert statuses(repair.repair(context, project).rows) == ["repaired"]
    assert blob.read_bytes() == BIG


def test_what_is_missing_is_fetched(place: Place, context: Context, big: Project) -> None:
    """As a sync would: a repair leaves nothing missing."""
    blobs.discard(context.store, SHA)
    done = repair.repair(context, big)
    assert (statuses(done.rows), done.fetched) == (["repaired"], TOTAL)
    assert done.rows[0].path == context.store.blob_path(SHA)


def test_a_blob_that_was_removed_by_hand_is_restored_from_its_view(
    place: Place, context: Context, big: Project, opened: Opened
) -> None:
    """A program is given the view's file, which is right: verify, sync and repair say so, and nothing is fetched."""
    blob = context.store.blob_path(SHA)
    blob.unlink()
    assert sync.sync(opened(), big).plan.steps == ()
    assert statuses(verify.verify(opened(), big)) == ["ok"]
    assert blob.read_bytes() == BIG
    blob.unlink()
    assert statuses(repair.repair(opened(), big).rows) == ["ok"]
    assert blob.read_bytes() == BIG
    blob.unlink()
    sync.sync(opened(), place.write(LINKED))
    assert (place.folder / "models" / "big" / "big.gguf").samefile(blob)
    assert sent(place.hub) == 0


def test_a_rotten_view_does_not_stand_for_a_blob_that_was_removed(context: Context, big: Project) -> None:
    """What is restored is hashed as any blob: the damage is found, and repaired."""
    blob = context.store.blob_path(SHA)
    damage(blob, SIZE + 5)
    blob.unlink()
    assert statuses(verify.verify(context, big)) == ["damaged"]
    assert statuses(repair.repair(context, big).rows) == ["repaired"]
    assert blob.read_bytes() == BIG


@pytest.mark.parametrize("drift", [False, True])
def test_hard_links_to_a_damaged_blob_are_made_anew(place: Place, context: Context, drift: bool) -> None:
    """The view and the project's link show the repaired file, though the damaged one had the same name and inode."""
    place.repo.commit({"big.gguf": BIG})
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    linked = place.folder / "models/big/big.gguf"
    damage(linked, SIZE + 1, drift=drift)
    place.hub.clear()
    done = repair.repair(context, project)
    assert (statuses(done.rows), done.error) == (["repaired"], None)
    assert linked.read_bytes() == BIG
    (view,) = (context.store.root / "views-v1").glob("*/big.gguf")
    assert view.samefile(context.store.blob_path(SHA))
    assert sent(place.hub) <= SIZE + SMALL
    assert sync.sync(context, project).plan.steps == ()


def test_a_damaged_copy_in_the_project_is_put_anew_from_the_good_blob(place: Place, context: Context) -> None:
    """That needs no network; the row says where the copy was damaged."""
    place.repo.commit({"big.gguf": BIG})
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    linked = place.folder / "models/big/big.gguf"
    damage(linked, TOTAL - 1)
    place.hub.clear()
    done = repair.repair(context, project)
    assert statuses(done.rows) == ["ok", "repaired"]
    assert done.rows[1].damaged == ((3 * SIZE, TOTAL),)
    assert linked.read_bytes() == BIG
    assert place.hub.seen() == []


def test_a_users_own_file_is_not_replaced(place: Place, context: Context) -> None:
    """A file that was in the project before modelsync, and is right no more, stays; the others are repaired."""
    place.repo.commit({"big.gguf": BIG})
    mine = place.folder / "models/big/big.gguf"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(BIG)
    project = place.write(LINKED)
    sync.sync(context, project)
    damage(mine, 5)
    damage(context.store.blob_path(SHA), 6)
    broken = mine.read_bytes()
    done = repair.repair(context, project)
    assert done.error is not None
    assert statuses(done.rows) == ["repaired", "damaged"]
    assert mine.read_bytes() == broken
    assert context.store.blob_path(SHA).read_bytes() == BIG


def test_each_part_of_a_split_model_is_repaired_by_itself(place: Place, context: Context) -> None:
    """Of a damaged part its damaged block is fetched; the other parts are left as they are."""
    names = [f"split-0000{i}-of-00002.gguf" for i in (1, 2)]
    data = [BIG, b"GGUF" + BIG[::-1]]
    place.repo.commit(dict(zip(names, data, strict=True)))
    project = place.write(f'[models]\nbig = "hf:{REPO}/{names[0]}"\n')
    sync.sync(context, project)
    place.hub.clear()
    damage(context.store.blob_path(sha256(data[1])), 4)
    done = repair.repair(context, project)
    assert statuses(done.rows) == ["ok", "repaired"]
    assert context.store.blob_path(sha256(data[1])).read_bytes() == data[1]
    assert sent(place.hub) <= SIZE + SMALL


def test_one_that_cannot_be_repaired_does_not_keep_another_from_it(place: Place, context: Context) -> None:
    """What can be had is repaired, view and link included, and the error is of what cannot."""
    other = b"GGUF" + BIG[100:]
    place.repo.commit({"big.gguf": BIG})
    place.hub.repo("user/other").commit({"other.gguf": other})
    project = place.write(f'{LINKED}other = "hf:user/other/other.gguf"\n')
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    for data in (BIG, other):
        damage(context.store.blob_path(sha256(data)), SIZE)
    place.hub.remove("user/other")
    done = repair.repair(context, project)
    assert done.error is not None
    assert {row.name: row.status for row in done.rows} == {"big": "repaired", "other": "damaged"}
    assert (place.folder / "models/big/big.gguf").read_bytes() == BIG


def test_a_disk_without_room_for_both_holds_the_good_one(
    place: Place, context: Context, big: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the damaged file and the one in its place do not fit together, the damaged one goes first."""
    from modelsync.system import disks

    blob = context.store.blob_path(SHA)
    damage(blob, 1)
    verify.verify(context, big)
    free = disks.free_bytes
    monkeypatch.setattr(disks, "free_bytes", lambda path: TOTAL - 1 if blob.exists() else free(path))
    done = repair.repair(context, big)
    assert (statuses(done.rows), done.fetched) == (["repaired"], TOTAL)

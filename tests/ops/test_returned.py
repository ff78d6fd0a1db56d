"""What is returned is what is locked, whatever became of the files; and what became of them can be repaired."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import ModelsyncError, StoreError
from modelsync.fit import variants
from modelsync.ops import ensure, listing, lock, path, repair, sync, verify
from modelsync.ops.doctor import project as doctor_project
from modelsync.ops.options import Upgrade
from modelsync.project.project import Project
from modelsync.store import checked, hashing, link_record, prune
from modelsync.store import verify as store_verify
from modelsync.store.link_record import LinkMode
from tests.support.content import damage, gguf, sha256
from tests.support.processes import TREE
from tests.support.project import LINKED, REPO, Opened, Place, sync_options

RIGHT = gguf("q4")
MODES: tuple[LinkMode, ...] = ("reflink", "hardlink", "copy", "symlink")


def edit(file: Path, change: Callable[[Path], object]) -> None:
    """Writes to a file in place, though it is read-only, as a program of the user's would."""
    file.chmod(0o644)
    change(file)


def flip(file: Path) -> None:
    damage(file, 2000, drift=True)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 5_000_000_000))


EDITS: dict[str, Callable[[Path], object]] = {
    "flip": flip,
    "cut": lambda file: os.truncate(file, 1000),
    "longer": lambda file: file.write_bytes(RIGHT + b"more"),
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest, place: Place, context: Context) -> LinkMode:
    """Each mode that the disk has; the project's model is linked so."""
    try:
        sync.sync(context, place.write(LINKED), sync_options(link_mode=request.param))
    except StoreError:
        pytest.skip(f"this disk has no {request.param}")
    wanted: LinkMode = request.param
    return wanted


def linked(place: Place) -> Path:
    return place.folder / "models/tiny/tiny-Q4_K_M.gguf"


def given(context: Context, project: Project) -> bytes:
    return path.files(context, "tiny", lambda: project).model.read_bytes()


def refused_or_right(context: Context, project: Project) -> None:
    """A path without the network: an error, or the right bytes."""
    try:
        found = given(context, project)
    except ModelsyncError:
        return
    assert found == RIGHT


def another_process() -> None:
    """What this process remembers is forgotten."""
    checked._here.clear()


@pytest.mark.parametrize("how", EDITS)
@pytest.mark.usefixtures("mode")
def test_an_edit_in_place_is_never_returned(place: Place, context: Context, opened: Opened, how: str) -> None:
    """Of whatever size: without the network it is refused, or the store's file is given; with it, the right one."""
    edit(linked(place), EDITS[how])
    for _ in range(2):
        refused_or_right(opened(CallOptions(offline=True)), place.project)
        another_process()
    for _ in range(2):
        assert given(context, place.project) == RIGHT
        another_process()


@pytest.mark.usefixtures("mode")
def test_rot_that_verify_found_is_never_returned_again(place: Place, context: Context) -> None:
    """A bit flips and the time stays: once verify has seen it, the file in the project is not the answer any more."""
    damage(linked(place), 2000)
    assert "damaged" in {row.status for row in verify.verify(context, place.project)}
    for _ in range(3):
        assert given(context, place.project) == RIGHT
        another_process()


@pytest.mark.parametrize("finder", ["tiny", "other"])
@pytest.mark.parametrize("mode", ["symlink", "hardlink"])
def test_rot_of_a_store_that_is_only_read_is_never_returned_again(
    place: Place,
    opened: Opened,
    store_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: LinkMode,
    finder: str,
) -> None:
    """The good one comes into the store beside it, and no link or view of any project gives the rotten one."""
    other = Place(tmp_path / "other", place.hub)
    other.folder.mkdir()
    wanted = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = ["hf:{REPO}/tiny-Q8_0.gguf"]\n'
    sync.sync(opened(), place.write(LINKED))
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(store_root))
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "own"))
    context = opened()
    shutil.rmtree(place.folder / "models")
    sync.sync(context, place.project, sync_options(link_mode=mode))
    sync.sync(context, other.write(wanted))
    damage(store_root / "blobs-v1" / sha256(RIGHT)[:2] / sha256(RIGHT), 2000)
    projects = {"tiny": place.project, "other": other.project}
    assert "damaged" in {row.status for row in verify.verify(context, projects[finder])}
    for _ in range(2):
        for project in projects.values():
            assert given(context, project) == RIGHT
            another_process()


@pytest.mark.skipif(sys.platform != "linux", reason="root may write everywhere, unless it renounces that")
@pytest.mark.parametrize("store", ["new", "old"])
def test_rot_that_verify_found_where_it_may_not_write_is_never_returned_again(
    place: Place, context: Context, store_root: Path, tmp_path: Path, store: str
) -> None:
    """A copy in a folder that is only read: the finding is kept elsewhere, and a repair that cannot be says so."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    damage(linked(place), 2000)
    kept = store_root if store == "old" else tmp_path / "another"
    environment = os.environ | {"PYTHONPATH": str(TREE), "MODELSYNC_STORE": str(kept)}
    (place.folder / "models").chmod(0o555)
    try:
        command = [sys.executable, "-c", ONLY_READ, str(project.manifest_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        (place.folder / "models").chmod(0o755)
    damaged, found, repaired, again = done.stdout.splitlines()
    assert damaged == "damaged"
    assert Path(found).read_bytes() == Path(again).read_bytes() == RIGHT
    assert "permission denied" in repaired


ONLY_READ = """
import sys
import modelsync
from tests.support.processes import renounce
renounce()
where = {"manifest": sys.argv[1]}
print(*{row.status for row in modelsync.verify(**where)} & {"damaged"})
print(modelsync.path("tiny", **where))
try:
    print(*(row.status for row in modelsync.verify(repair=True, **where)))
except modelsync.ModelsyncError as error:
    print(error)
print(modelsync.path("tiny", **where))
"""


@pytest.mark.parametrize("how", ["rot", "flip", "cut"])
@pytest.mark.parametrize(
    "before", ["", "sync", "path", "verify", "path sync", "verify path", "sync path verify"]
)
def test_a_repair_comes_in_any_order(
    place: Place, context: Context, mode: LinkMode, before: str, how: str
) -> None:
    """Whatever ran before, `verify --repair` puts the locked bytes there, as they were linked, and keeps an edit."""
    edit(linked(place), EDITS.get(how, lambda file: damage(file, 2000)))
    edited = linked(place).read_bytes()
    project = place.project
    for word in before.split():
        if word == "sync":
            if mode != "symlink" and how != "rot":
                with pytest.raises(StoreError) as caught:
                    sync.sync(context, project)
                assert "verify --repair tiny" in str(caught.value.hint)
                assert linked(place).read_bytes() == edited
            else:
                sync.sync(context, project)
        elif word == "path":
            found = given(context, project)
            assert found == RIGHT or how == "rot"  # which no stat can see
        else:
            verify.verify(context, project)
    done = repair.repair(context, project)
    assert done.error is None
    assert linked(place).read_bytes() == RIGHT
    assert {row.status for row in verify.verify(context, project, full=True)} == {"ok"}
    kept = [file for file in linked(place).parent.iterdir() if ".modified" in file.name]
    if how != "rot":
        assert [file.read_bytes() for file in kept] == [edited]
        if mode in ("copy", "reflink"):
            assert link_record.owned(place.folder / "models")["tiny/tiny-Q4_K_M.gguf"].mode in (
                mode,
                "reflink",
            )
        if "sync" not in before and "path" not in before:
            assert any(kept[0].name in note for note in done.notes)
    else:
        assert kept == []
    assert given(context, project) == RIGHT
    assert sync.sync(context, project).plan.steps == ()


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_verify_beside_a_clean_is_no_error(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Another process empties the store meanwhile: what is gone is missing, what is here is as it is."""
    check = store_verify.verify

    def beside(*args: object, **more: object) -> object:
        found = check(*args, **more) if when == "after" else None  # type: ignore[arg-type]
        prune.execute(context.store, prune.clean(context.store))
        return found or check(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store_verify, "verify", beside)
    rows = verify.verify(context, place.project)
    assert {row.status for row in rows} <= {"ok", "missing"}


def test_what_a_person_edited_gets_a_free_name(place: Place, context: Context) -> None:
    """`sync` leaves it and places all others; each repair keeps it under a name that nothing has."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project, sync_options(link_mode="copy"))
    for number, name in enumerate((".modified", ".modified-2", ".modified-3")):
        edit(linked(place), lambda file, number=number: file.write_text(f"mine {number}"))  # type: ignore[misc]
        (place.folder / "models/other/tiny-Q8_0.gguf").unlink()
        with pytest.raises(StoreError, match="changed since"):
            sync.sync(context, project)
        assert (place.folder / "models/other/tiny-Q8_0.gguf").exists()
        assert linked(place).read_text() == f"mine {number}"
        done = repair.repair(context, project)
        assert done.error is None
        assert any(name in note for note in done.notes)
        assert linked(place).with_name(linked(place).name + name).read_text() == f"mine {number}"
        assert linked(place).read_bytes() == RIGHT


def test_what_modelsync_never_put_there_is_not_touched(place: Place, context: Context) -> None:
    """Not by a repair either; the message says what to do."""
    linked(place).parent.mkdir(parents=True)
    linked(place).write_bytes(RIGHT[:-1] + b"!")
    project = place.write(LINKED)
    with pytest.raises(StoreError, match="did not put it there") as caught:
        sync.sync(context, project)
    assert "move it away" in str(caught.value.hint)
    assert given(context, project) == RIGHT
    done = repair.repair(context, project)
    assert isinstance(done.error, StoreError)
    assert linked(place).read_bytes() == RIGHT[:-1] + b"!"


@pytest.mark.parametrize("right", [True, False])
def test_a_file_that_no_one_recorded_is_hashed_once(
    place: Place, context: Context, opened: Opened, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """Its size alone tells nothing; what it was found to be is kept for every other process, right or not."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    (place.folder / "models/.modelsync.json").unlink()
    if not right:
        linked(place).write_bytes(RIGHT[:-1] + b"!")
    sha256_of = Mock(wraps=hashing.sha256_of)
    monkeypatch.setattr(hashing, "sha256_of", sha256_of)
    known = variants.find(context, project, "tiny")
    for _ in range(3):
        another_process()
        found = ensure.files(opened(CallOptions(offline=True)), project, known).model
        assert found.read_bytes() == RIGHT
        assert (found == linked(place)) is right
    assert sha256_of.call_count == 1


def test_whoever_built_the_image_may_go_by_the_size(
    place: Place, context: Context, opened: Opened, monkeypatch: pytest.MonkeyPatch, store_root: Path
) -> None:
    """`MODELSYNC_VERIFY=size` takes a file of the right size; a word of another meaning is refused."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    shutil.rmtree(store_root)
    os.utime(linked(place), ns=(0, 0))
    monkeypatch.setattr(hashing, "sha256_of", Mock(side_effect=AssertionError))
    monkeypatch.setenv("MODELSYNC_VERIFY", "size")
    known = variants.find(context, project, "tiny")
    assert ensure.files(opened(), project, known, download=False).model == linked(place)
    monkeypatch.setenv("MODELSYNC_VERIFY", "no")
    with pytest.raises(ModelsyncError, match="MODELSYNC_VERIFY"):
        opened()


def test_a_time_in_whole_seconds_is_the_recorded_one(
    place: Place, context: Context, opened: Opened, monkeypatch: pytest.MonkeyPatch, store_root: Path
) -> None:
    """An image layer keeps seconds alone: its files are still known, and nothing is hashed."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    shutil.rmtree(store_root)
    seconds = linked(place).stat().st_mtime_ns // 1_000_000_000
    os.utime(linked(place), (seconds, seconds))
    monkeypatch.setattr(hashing, "sha256_of", Mock(side_effect=AssertionError))
    known = variants.find(context, project, "tiny")
    assert ensure.files(opened(CallOptions(offline=True)), project, known).model == linked(place)


@pytest.mark.usefixtures("mode")
def test_what_the_lock_has_moved_on_from_is_superseded(place: Place, context: Context) -> None:
    """After `lock -U` without `sync` the old file is right, and said to be; if it rots, it is damaged."""
    project = place.project
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("nw")})
    lock.lock(context, project, Upgrade(every_model=True))
    rows = {row.status: row for row in verify.verify(context, project)}
    assert rows.keys() == {"missing", "superseded"}
    assert (rows["superseded"].path, rows["superseded"].sha256) == (linked(place), sha256(RIGHT))
    assert path.files(context, "tiny", lambda: project).model.read_bytes() == gguf("nw")
    assert {row.status for row in verify.verify(context, project)} == {"ok", "superseded"}
    damage(linked(place), 7)
    assert {row.status for row in verify.verify(context, project)} == {"ok", "damaged"}
    sync.sync(context, project)
    assert {row.status for row in verify.verify(context, project)} == {"ok"}


def test_a_damaged_variant_that_is_here_is_found_and_repaired(place: Place, context: Context) -> None:
    """Whichever variant was synced: it is hashed, and what is not here of another is not missing."""
    text = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
    project = place.write(text)
    sync.sync(context, project, sync_options(variant="large"))
    assert [(row.variant, row.status) for row in verify.verify(context, project)] == [("large", "ok")]
    sync.sync(context, project)
    damage(context.store.blob_path(sha256(gguf("q8", 5000))), 9)
    found = [(row.variant, row.status) for row in verify.verify(context, project)]
    assert found == [(None, "ok"), ("large", "damaged")]
    assert {row.variant: row.state for row in listing.rows(context, project)} == {
        None: "here",
        "large": "damaged",
    }
    done = repair.repair(context, project)
    assert (done.error, [row.status for row in done.rows]) == (None, ["ok", "repaired"])
    assert context.store.blob_path(sha256(gguf("q8", 5000))).read_bytes() == gguf("q8", 5000)


@pytest.mark.usefixtures("mode")
def test_doctor_and_list_say_what_a_stat_can_see(place: Place, context: Context) -> None:
    """An edited file, and a damaged one: with the command that settles it."""
    project = place.project.loaded()
    edit(linked(place), flip)
    told = [
        each for each in doctor_project.project(context, project, project.manifest) if each.name == "files"
    ]
    assert told
    assert {each.hint for each in told} == {"`modelsync verify --repair tiny`"}
    assert all(each.state == "warning" for each in told)
    repair.repair(context, project)
    told = [
        each for each in doctor_project.project(context, project, project.manifest) if each.name == "files"
    ]
    assert told == []


IN_A_CONTAINER = """
import sys
import modelsync
from tests.support.processes import renounce
renounce()
print(modelsync.path("tiny", manifest=sys.argv[1], download=False))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="root may write everywhere, unless it renounces that")
def test_where_nothing_can_be_written_a_warning_names_the_mends(
    place: Place, context: Context, store_root: Path, tmp_path: Path
) -> None:
    """Each process hashes then, and says how to spare it; the user's runtime folder remembers where there is one."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    (place.folder / "models/.modelsync.json").unlink()
    shutil.rmtree(store_root)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = {**kept, "PYTHONPATH": str(TREE), "HOME": "/proc", "MODELSYNC_STORE": "/proc/none"}
    command = [sys.executable, "-c", IN_A_CONTAINER, str(project.manifest_path)]
    (place.folder / "models").chmod(0o555)
    try:
        for variables, told in (
            (environment, True),
            (environment, True),
            (environment | {"MODELSYNC_VERIFY": "size"}, False),
            (environment | {"XDG_RUNTIME_DIR": str(runtime)}, False),
        ):
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
            assert done.stdout.strip() == str(linked(place))
            assert ("--link-mode copy" in done.stderr and "MODELSYNC_VERIFY=size" in done.stderr) is told
        assert [*runtime.rglob("*.json")] != []
    finally:
        (place.folder / "models").chmod(0o755)


@pytest.mark.parametrize("how", ["checked", "files"])
@pytest.mark.parametrize("way", ["file", "folder"])
def test_a_record_is_not_believed_of_a_link_that_leads_out(
    place: Place, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, way: str
) -> None:
    """A repository may bring a link to a file of the locked size and a known time, and a record of it: it is hashed."""
    project = place.write(LINKED)
    lock.lock(context, project)
    other = tmp_path / "other" / (sha256(RIGHT) if way == "file" else linked(place).name)
    other.parent.mkdir()
    other.write_bytes(RIGHT[:-1] + b"!")
    os.utime(other, ns=(0, 10**18))
    if way == "file":
        linked(place).parent.mkdir(parents=True)
        linked(place).symlink_to(other)
    else:
        linked(place).parent.parent.mkdir()
        linked(place).parent.symlink_to(other.parent)
    entry = {"sha256": sha256(RIGHT), "size": len(RIGHT), "mtime_ns": 10**18}
    forged = {
        "files": {},
        how: {"tiny/tiny-Q4_K_M.gguf": entry | {"mode": "symlink" if way == "file" else "copy"}},
    }
    (place.folder / "models/.modelsync.json").write_text(json.dumps(forged))
    refused_or_right(context, project)
    other.write_bytes(RIGHT)
    os.utime(other, ns=(0, 10**18 + 7 * 10**9))
    another_process()
    known = variants.find(context, project, "tiny")
    sha256_of = Mock(wraps=hashing.sha256_of)
    monkeypatch.setattr(hashing, "sha256_of", sha256_of)
    for _ in range(3):
        another_process()
        assert ensure.files(context, project, known).model == linked(place)
    assert sha256_of.call_count == 1


def test_damage_that_was_found_outlives_the_store(
    place: Place, context: Context, opened: Opened, store_root: Path
) -> None:
    """A hard link rots, and another project repairs the blob: the rotten name is not returned, without a store too."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="hardlink"))
    damage(linked(place), 2000)
    blob = context.store.blob_path(sha256(RIGHT))
    blob.unlink()
    blob.write_bytes(RIGHT)
    assert store_verify.recheck(context.store, sha256(RIGHT)).state == "good"
    assert given(context, project) == RIGHT
    shutil.rmtree(store_root)
    another_process()
    refused_or_right(opened(CallOptions(offline=True)), project)

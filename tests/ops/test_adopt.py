"""What other tools, or the project's own folder, have is taken from there: hashed, and nothing of theirs changes."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import NotSyncedError
from modelsync.ops import path as ops_path
from modelsync.ops import pull, sync
from modelsync.store import blobs
from tests.support import any_files, neighbours
from tests.support.content import damage, gguf, sha256
from tests.support.neighbours import BUILDERS, Wanted, put, snapshot
from tests.support.project import LINKED, MANIFEST, REPO, Opened, Place, brought, sync_options

WANTED = Wanted(gguf("q4"), "tiny-Q4_K_M.gguf", REPO)
URI = f"hf:{REPO}:Q4_K_M"


@pytest.fixture
def other(home: Path) -> Path:
    """A folder on the store's file system where other tools have their caches: the home."""
    return home


def seen_of(home: Path) -> dict[str, neighbours.Looks]:
    """The neighbours' files, without our own store."""
    return {path: looks for path, looks in snapshot(home).items() if Path(path).parts[0] != "store"}


def blob(context: Context, data: bytes = WANTED.data) -> Path:
    """The blob, which must be here and right."""
    found = blobs.find(context.store, sha256(data), len(data))
    assert found is not None
    assert found.read_bytes() == data
    return found


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_what_a_neighbour_has_is_not_downloaded(
    build: Callable[[Path, Wanted], Path], place: Place, context: Context, home: Path
) -> None:
    """No byte comes over the network, one line says from where, and the neighbour's file stays as it is."""
    file = build(home, WANTED)
    before = seen_of(home)
    report = sync.sync(context, place.write(LINKED))
    assert brought(place, "*Q4_K_M*") == 0
    assert report.bytes_fetched == 0
    (one,) = report.brought
    assert (one.sha256, one.bytes, one.taken_from) == (WANTED.sha256, len(WANTED.data), file)
    assert [note for note in report.notes if f"taken from {one.place}" in note] == list(report.notes)
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").read_bytes() == WANTED.data
    assert seen_of(home) == before
    linked = blob(context).stat().st_ino == file.stat().st_ino
    assert linked is (one.way == "hardlink")
    assert not list((home / "store" / "partials-v1").glob("*"))


def test_a_file_that_was_linked_keeps_mode_and_times_through_all_we_do(
    place: Place, context: Context, opened: Opened, home: Path, store_root: Path
) -> None:
    """Verifying, a delta update, pruning and emptying the store touch no inode that another tool has."""
    from modelsync.ops import verify
    from modelsync.store import prune

    file = neighbours.hugging_face(home, WANTED)
    before = seen_of(home)
    project = place.write(LINKED)
    (one,) = sync.sync(context, project).brought
    if one.way != "hardlink":
        pytest.skip("this disk has reflinks: nothing is shared")
    rows = verify.verify(context, project, sync_options().selection, full=True)
    assert [row.status for row in rows] == ["ok" for _ in rows]
    place.repo.commit({WANTED.path: WANTED.data + b"more"})
    sync.sync(opened(), place.project, sync_options(upgrade=True))
    assert seen_of(home) == before
    prune.execute(context.store, prune.clean(context.store))
    assert file.stat().st_nlink == 1
    assert seen_of(home) == before


def test_a_mode_that_its_owner_chose_stays(place: Place, context: Context, home: Path) -> None:
    """Our blobs are read-only; one that is another tool's too has that tool's mode."""
    file = neighbours.hugging_face(home, WANTED)
    file.chmod(0o660)
    (one,) = sync.sync(context, place.write(MANIFEST)).brought
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert stat.S_IMODE(blob(context).stat().st_mode) == (0o660 if one.way == "hardlink" else 0o444)


def test_nothing_is_looked_for_while_everything_is_here(place: Place, context: Context, home: Path) -> None:
    """A sync with nothing to do has no business in other folders."""
    import subprocess
    import sys

    sync.sync(context, place.write(LINKED))
    code = "import sys, modelsync; modelsync.sync(); print([m for m in sys.modules if '.caches' in m])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place.folder, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("way", ["call", "variable"])
def test_adoption_can_be_ruled_out(
    way: str, place: Place, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--no-adopt` and MODELSYNC_ADOPT=0: the network has it."""
    neighbours.hugging_face(home, WANTED)
    options = CallOptions(adopt=False) if way == "call" else CallOptions()
    if way == "variable":
        monkeypatch.setenv("MODELSYNC_ADOPT", "0")
    report = sync.sync(opened(options), place.write(MANIFEST))
    assert [one.place for one in report.brought] == [None]
    assert report.bytes_fetched == len(WANTED.data)


def test_offline_a_neighbour_suffices(place: Place, context: Context, opened: Opened, home: Path) -> None:
    """What a neighbour has needs no network; `download=False` takes nothing."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    shutil.rmtree(home / "store")
    offline = opened(CallOptions(offline=True))
    with pytest.raises(NotSyncedError):
        ops_path.files(offline, "tiny", lambda: project)
    neighbours.hugging_face(home, WANTED)
    with pytest.raises(NotSyncedError):
        ops_path.files(opened(), "tiny", lambda: project, download=False)
    place.hub.clear()
    found = ops_path.files(opened(CallOptions(offline=True)), "tiny", lambda: project)
    assert found.model.read_bytes() == WANTED.data
    assert place.hub.seen() == []


def rotten(home: Path) -> str:
    damage(neighbours.hugging_face(home, WANTED), 1000)
    return "its bytes are others"


def short(home: Path) -> str:
    file = neighbours.hugging_face(home, WANTED)
    put(file, WANTED.data[:-1])
    return "bytes, not"


def unfinished(home: Path) -> str:
    file = neighbours.ollama(home, WANTED)
    file.rename(f"{file}-partial")
    put(file.parent / f"sha256-{WANTED.sha256}-partial", bytes(len(WANTED.data)))
    return ""


def incomplete(home: Path) -> str:
    """A link of the Hugging Face cache whose file is still on its way."""
    file = neighbours.hugging_face(home, WANTED)
    file.rename(f"{file}.0123abcd.incomplete")
    file.symlink_to(f"{file.name}.0123abcd.incomplete")
    return "not finished"


def preallocated(home: Path) -> str:
    put(neighbours.ollama(home, WANTED), bytes(len(WANTED.data)))
    return "its bytes are others"


def circle(home: Path) -> str:
    file = neighbours.hugging_face(home, WANTED)
    file.unlink()
    file.symlink_to(file.name)
    return "circle"


def out(home: Path) -> str:
    file = neighbours.hugging_face(home, WANTED)
    file.unlink()
    file.symlink_to(put(home / "elsewhere", WANTED.data))
    return "leads out"


def pipe(home: Path) -> str:
    file = neighbours.hugging_face(home, WANTED)
    file.unlink()
    os.mkfifo(file)
    return "no regular file"


@pytest.mark.parametrize("spoil", [rotten, short, unfinished, incomplete, preallocated, circle, out, pipe])
def test_a_bad_neighbour_costs_nothing_but_time(
    spoil: Callable[[Path], str], place: Place, opened: Opened, home: Path
) -> None:
    """The network has the file, a detail says why, and nothing of the neighbour's changes."""
    words = spoil(home)
    before = seen_of(home)
    told: list[str] = []
    report = sync.sync(opened(detail=told.append), place.write(MANIFEST))
    assert report.bytes_fetched == len(WANTED.data)
    assert [one.place for one in report.brought] == [None]
    said = [line for line in told if ": from http" not in line]  # where the bytes came from then
    assert words in " ".join(said)
    assert bool(said) is bool(words)
    assert seen_of(home) == before


@pytest.mark.parametrize(
    "refusal", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")]
)
def test_a_file_that_cannot_be_read_is_fetched(
    refusal: OSError, place: Place, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's file, or a disk that fails: the network has it, a detail says why."""
    file, real = neighbours.hugging_face(home, WANTED), os.open
    before = seen_of(home)

    def refused(path: str, *arguments: int, **named: int) -> int:
        if str(path) == str(file):
            raise refusal
        return real(path, *arguments, **named)

    told: list[str] = []
    monkeypatch.setattr(os, "open", refused)
    report = sync.sync(opened(detail=told.append), place.write(MANIFEST))
    assert report.bytes_fetched == len(WANTED.data)
    assert str(refusal.strerror) in " ".join(told)
    assert seen_of(home) == before


@pytest.mark.parametrize("moment", ["before it is opened", "before it is linked", "while it is hashed"])
def test_a_file_that_vanishes_or_changes_meanwhile_is_fetched(
    moment: str, place: Place, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tool removes it, or writes to it, in that moment; nothing of it is published, and a detail says so."""
    from modelsync.store import clone

    file, real_open, real_link = neighbours.ollama(home, WANTED), os.open, os.link

    def vanishing(path: str, *arguments: int, **named: int) -> int:
        if str(path) == str(file) and moment == "before it is opened":
            file.unlink(missing_ok=True)
        return real_open(path, *arguments, **named)

    def linking(source: Path, target: Path, **named: bool) -> None:
        if str(source) == str(file) and moment == "before it is linked":
            file.unlink()
        real_link(source, target, **named)
        if str(source) == str(file) and moment == "while it is hashed":
            file.write_bytes(WANTED.data[:-1] + b"?")

    def no_reflink(source: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported", str(target))

    told: list[str] = []
    monkeypatch.setattr(clone, "reflink", no_reflink)
    monkeypatch.setattr(os, "open", vanishing)
    monkeypatch.setattr(os, "link", linking)
    report = sync.sync(opened(detail=told.append), place.write(MANIFEST))
    assert report.bytes_fetched == len(WANTED.data)
    assert blob(opened())
    assert any("is not taken" in line for line in told)
    assert not list((home / "store" / "partials-v1").glob("*"))
    if file.exists():
        assert file.read_bytes() == WANTED.data[:-1] + b"?"
        assert file.stat().st_nlink == 1


def test_one_bad_neighbour_does_not_hide_a_good_one(place: Place, context: Context, home: Path) -> None:
    """All that have the digest are tried."""
    damage(neighbours.hugging_face(home, WANTED), 1000)
    good = neighbours.ollama(home, WANTED)
    (one,) = sync.sync(context, place.write(MANIFEST)).brought
    assert one.taken_from == good


def test_where_no_link_is_allowed_the_file_is_copied(
    place: Place, context: Context, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EPERM, as for another user's file, and another file system: nothing is lost."""
    file = neighbours.ollama(home, WANTED)
    before = seen_of(home)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    real = os.link
    monkeypatch.setattr(
        os, "link", lambda src, dst, **more: refused() if str(src) == str(file) else real(src, dst, **more)
    )
    (one,) = sync.sync(context, place.write(MANIFEST)).brought
    assert one.way in ("copy", "reflink")
    assert blob(context).stat().st_ino != file.stat().st_ino
    assert stat.S_IMODE(blob(context).stat().st_mode) == 0o444
    assert seen_of(home) == before


def test_what_the_network_had_brought_is_dropped_once_a_neighbour_has_it_all(
    place: Place, context: Context, home: Path, store_root: Path
) -> None:
    """An unfinished download of the same digest is not left behind."""
    project = place.write(MANIFEST)
    partial = context.store.partial_path(WANTED.sha256)
    partial.mkdir(parents=True)
    (partial / "data").write_bytes(WANTED.data[:1000])
    neighbours.hugging_face(home, WANTED)
    (one,) = sync.sync(context, project).brought
    assert one.place is not None
    assert not list((store_root / "partials-v1").iterdir())


def test_a_dry_run_says_what_would_be_taken(place: Place, context: Context, home: Path) -> None:
    """The plan names the place, and nothing would be fetched."""
    from modelsync.install.plan import describe

    neighbours.hugging_face(home, WANTED)
    report = sync.sync(context, place.write(MANIFEST), sync_options(dry_run=True))
    (step,) = report.plan.of("adopt")
    assert report.plan.bytes_to_fetch == 0
    assert "from the Hugging Face cache" in describe(step)
    assert blobs.find(context.store, WANTED.sha256) is None


def test_a_full_disk_is_no_obstacle_to_a_link(
    place: Place, context: Context, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is linked needs no room."""
    from modelsync.system import disks

    neighbours.hugging_face(home, WANTED)
    monkeypatch.setattr(disks, "free_bytes", lambda path: 1000)
    (one,) = sync.sync(context, place.write(MANIFEST)).brought
    assert one.place == "the Hugging Face cache"


def test_a_folder_of_the_users_config_is_looked_through(
    place: Place, opened: Opened, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`extra-caches`: by name and size, copied."""
    file = put(tmp_path / "data" / "deep" / WANTED.path, WANTED.data)
    (tmp_path / "config.toml").write_text(f'extra-caches = ["{(tmp_path / "data").as_posix()}"]\n')
    monkeypatch.setenv("MODELSYNC_CONFIG", str(tmp_path / "config.toml"))
    (one,) = sync.sync(opened(), place.write(MANIFEST)).brought
    assert (one.taken_from, one.place) == (file, str(tmp_path / "data"))
    assert file.stat().st_nlink == 1


@pytest.mark.parametrize("lacking", [None, "a piece", "its bytes"])
def test_pieces_of_a_joined_file_are_taken_and_joined(
    lacking: str | None, place: Place, opened: Opened, home: Path
) -> None:
    """`.part1of2`: pieces from two caches make the file, at lock and from a lock; without one the network has all."""
    whole = gguf("joined", 5000)
    names = ("big.Q8_0.gguf.part1of2", "big.Q8_0.gguf.part2of2")
    pieces = [
        Wanted(data, name, REPO) for name, data in zip(names, (whole[:3000], whole[3000:]), strict=True)
    ]
    place.repo.commit({one.path: one.data for one in pieces})
    first, second = neighbours.ollama(home, pieces[0]), neighbours.hugging_face(home, pieces[1])
    if lacking == "a piece":
        second.unlink()
    elif lacking == "its bytes":
        damage(second, 1000)
    before = seen_of(home)
    project = place.write(f'[models]\nbig = "hf:{REPO}/{names[0]}"\n')
    told: list[str] = []
    for _ in range(2):
        place.hub.clear()
        sync.sync(opened(detail=told.append), project)
        assert blob(opened(), whole)
        sent = brought(place, "*part*")
        assert (sent >= len(whole)) if lacking else (sent == 0)
        shutil.rmtree(home / "store")
    assert any("taken from" not in line for line in told)
    assert any("its bytes are others" in line for line in told) is (lacking == "its bytes")
    report = sync.sync(opened(), project)
    assert [one.taken_from for one in report.brought] == [None if lacking else first]
    if not lacking:
        assert [one.place for one in report.brought] == ["Ollama's store and the Hugging Face cache"]
    assert seen_of(home) == before


def test_a_joined_file_is_taken_whole_where_a_tool_has_joined_it(
    place: Place, opened: Opened, home: Path
) -> None:
    """node-llama-cpp joins the pieces, under the whole's name."""
    whole = gguf("joined", 5000)
    names = ("big.Q8_0.gguf.part1of2", "big.Q8_0.gguf.part2of2")
    place.repo.commit({names[0]: whole[:3000], names[1]: whole[3000:]})
    project = place.write(f'[models]\nbig = "hf:{REPO}/{names[0]}"\n')
    sync.sync(opened(), project)
    shutil.rmtree(home / "store")
    file = put(home / ".node-llama-cpp" / "models" / "hf_user_big.Q8_0.gguf", whole)
    place.hub.clear()
    (one,) = sync.sync(opened(), project).brought
    assert one.taken_from == file
    assert place.hub.seen() == []


# --- the project's own folder -----------------------------------------------------------------------


def test_a_kept_folder_feeds_a_sync(place: Place, opened: Opened, home: Path) -> None:
    """A CI cache kept `models/` alone: nothing is fetched, and the words say from where."""
    project = place.write(LINKED)
    sync.sync(opened(), project, sync_options(link_mode="copy"))
    shutil.rmtree(home / "store")
    place.hub.clear()
    report = sync.sync(opened(), project, sync_options(link_mode="copy"))
    assert place.hub.seen() == []
    assert report.bytes_fetched == 0
    assert [note for note in report.notes if "taken from models/" in note]
    assert [(one.place, one.bytes) for one in report.brought] == [("models/", len(WANTED.data))]


@pytest.mark.parametrize("record", [True, False])
def test_a_kept_folder_feeds_a_pull(
    record: bool, place: Place, opened: Opened, home: Path, tmp_path: Path
) -> None:
    """`pull --dir models URI` fetches nothing of what stands there under its name."""
    folder = tmp_path / "models"
    pull.pull(opened(), [URI], directory=folder, link_mode="copy")
    shutil.rmtree(home / "store")
    if not record:
        (folder / ".modelsync.json").unlink()
    place.hub.clear()
    report = pull.pull(opened(), [URI], directory=folder)
    assert brought(place, "*") == 0
    assert report.bytes_fetched == 0
    assert [one.place for one in report.brought] == ["models/"]
    assert report.pulled[0].files.model.read_bytes() == WANTED.data


def test_path_answers_from_a_folder_and_fills_it(
    place: Place, opened: Opened, home: Path, tmp_path: Path
) -> None:
    """`path(uri, dir=…)`: what stands there is the answer, what is not there is put there."""
    folder = tmp_path / "mine"
    found = ops_path.files(opened(), URI, lambda: place.project, directory=folder).model
    assert found == folder / REPO / WANTED.path
    assert found.read_bytes() == WANTED.data
    place.hub.clear()
    found.unlink()
    assert ops_path.files(opened(), URI, lambda: place.project, directory=folder).model == found
    assert found.read_bytes() == WANTED.data
    assert place.hub.seen() == []


def test_path_of_a_name_fills_a_folder_too(place: Place, opened: Opened, tmp_path: Path) -> None:
    """The lock says what it is; the folder is the caller's."""
    project = place.write(MANIFEST)
    sync.sync(opened(), project)
    place.hub.clear()
    found = ops_path.files(opened(), "tiny", lambda: project, directory=tmp_path / "mine").model
    assert found == tmp_path / "mine" / "tiny" / WANTED.path
    assert found.read_bytes() == WANTED.data
    assert place.hub.seen() == []


# --- the Hugging Face tools' own work ---------------------------------------------------------------


@pytest.mark.parametrize("links", [True, False])
def test_what_huggingface_hub_downloaded_is_taken(
    links: bool, place: Place, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that the library itself filled, with symlinks and without; small files by their git ids."""
    hub = pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", not links)
    place.repo.commit({"small.gguf": gguf("small")}, lfs=False)
    cache = home / ".cache" / "huggingface" / "hub"
    for name in (WANTED.path, "small.gguf"):
        hub.hf_hub_download(REPO, name, cache_dir=cache, endpoint=place.hub.endpoint)
    hub.snapshot_download(REPO, cache_dir=cache, endpoint=place.hub.endpoint)
    before = seen_of(home)
    place.hub.clear()
    manifest = f'[models]\ntiny = "{URI}"\nsmall = "hf:{REPO}/small.gguf"\n'
    report = sync.sync(opened(), place.write(manifest))
    assert {one.place for one in report.brought} == {"the Hugging Face cache"}
    assert report.bytes_fetched == 0
    assert brought(place, "*") == 0
    assert seen_of(home) == before


def test_the_shared_store_of_huggingface_hub_is_taken_from(place: Place, opened: Opened, home: Path) -> None:
    """What the library moved into its cache-wide store is found behind the links, and may be linked."""
    pytest.importorskip("huggingface_hub")
    shared = pytest.importorskip("huggingface_hub.utils._shared_blobs")
    blob_path = neighbours.hugging_face(home, WANTED)
    shared.publish_blob_to_shared_store(
        blob_path=blob_path,
        xet_hash="ab" * 32,
        cache_dir=home / ".cache" / "huggingface" / "hub",
        expected_size=len(WANTED.data),
    )
    assert blob_path.is_symlink()
    before = seen_of(home)
    (one,) = sync.sync(opened(), place.write(MANIFEST)).brought
    assert one.taken_from == blob_path.resolve()
    assert seen_of(home) == before


# --- on purpose -------------------------------------------------------------------------------------


def test_cache_adopt_lists_and_takes_what_a_lock_needs(place: Place, opened: Opened, home: Path) -> None:
    """All models of a lock, without a network; what nobody has is said to be lacking."""
    from modelsync.ops import adopt

    manifest = f'[models]\ntiny = "{URI}"\nlarge = "hf:{REPO}:Q8_0"\n'
    project = place.write(manifest)
    sync.sync(opened(), project)
    shutil.rmtree(home / "store")
    file = neighbours.ollama(home, WANTED)
    before = seen_of(home)
    place.hub.clear()
    listed = adopt.adopt_locked(opened(), [project], dry_run=True)
    assert {row.model: row.found for row in listed.rows} == {"tiny": file, "large": None}
    assert listed.taken == ()
    assert not (home / "store").exists()
    done = adopt.adopt_locked(opened(), [project])
    assert [one.sha256 for one in done.taken] == [WANTED.sha256]
    assert blob(opened())
    assert adopt.adopt_locked(opened(), [project]).taken == ()
    assert seen_of(home) == before
    assert place.hub.seen() == []


def test_cache_adopt_passes_over_what_is_rotten(place: Place, opened: Opened, home: Path) -> None:
    """Nothing wrong is taken, and that is no error."""
    from modelsync.ops import adopt

    project = place.write(MANIFEST)
    sync.sync(opened(), project)
    shutil.rmtree(home / "store")
    damage(neighbours.ollama(home, WANTED), 1000)
    told: list[str] = []
    done = adopt.adopt_locked(opened(detail=told.append), [project])
    assert done.taken == ()
    assert any("its bytes are others" in line for line in told)
    assert not list((home / "store" / "partials-v1").glob("*"))


@pytest.mark.parametrize("says", ["nothing", "allow-code", "deny-code", "no manifest"])
def test_cache_adopt_takes_code_only_where_it_is_permitted(
    says: str, place: Place, opened: Opened, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pickle: the entry's `allow-code` permits it, the user's `deny-code` wins, and a lock alone permits nothing."""
    from modelsync.ops import adopt

    place.repo.commit({"speaker.ckpt": any_files.PICKLE})
    entry = f'[models.tiny]\nuri = "hf:{REPO}/speaker.ckpt"\n'
    project = place.write(f'{entry}allow-code = ["*.ckpt"]\n')
    sync.sync(opened(), project)
    shutil.rmtree(home / "store")
    neighbours.ollama(home, Wanted(any_files.PICKLE))
    before = seen_of(home)
    if says == "nothing":
        place.write(entry)
    elif says == "no manifest":
        project.manifest_path.unlink()
    elif says == "deny-code":
        (tmp_path / "config.toml").write_text("deny-code = true\n")
        monkeypatch.setenv("MODELSYNC_CONFIG", str(tmp_path / "config.toml"))
    done = adopt.adopt_locked(opened(), [project])
    permitted = says == "allow-code"
    assert [one.path for one in done.taken] == (["speaker.ckpt"] if permitted else [])
    assert any("left out: " in note and "speaker.ckpt" in note for note in done.notes) is not permitted
    assert (blobs.find(opened().store, sha256(any_files.PICKLE)) is not None) is permitted
    assert not list((home / "store" / "partials-v1").glob("*"))
    assert seen_of(home) == before


def test_prune_keeps_what_was_adopted(place: Place, opened: Opened, home: Path) -> None:
    """The lock is known to need it from then on."""
    from modelsync.ops import adopt
    from modelsync.store import prune

    project = place.write(MANIFEST)
    sync.sync(opened(), project)
    shutil.rmtree(home / "store")
    neighbours.ollama(home, WANTED)
    context = opened()
    adopt.adopt_locked(context, [project])
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert blob(context)

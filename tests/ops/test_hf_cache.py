"""What is synced is there for the tools of Hugging Face and llama.cpp: shown by their own code."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelsync.caches import hub_writer
from modelsync.caches.hub_lock import locked
from modelsync.context import CallOptions
from modelsync.install.report import SyncReport
from modelsync.ops import hf_cache, pull, repair, sync, verify
from modelsync.ops import path as ops_path
from modelsync.ops import prune as pruning
from modelsync.ops.options import SyncOptions, Upgrade
from modelsync.store import blobs, hashing, prune
from tests.support.content import gguf
from tests.support.hub_cache import FILE, GIVE, offline, repo_of
from tests.support.hub_cache import hub_folder as hub_folder
from tests.support.hub_cache import synced as synced
from tests.support.neighbours import git_id, snapshot
from tests.support.project import MANIFEST, QUANTS, REPO, Opened, Place, put

CONFIG = b'{"model_type": "llama"}'
FOLDER = f'[models.tiny]\nuri = "hf:{REPO}"\ninclude = ["*.json", "sub/*"]\n'


def whole(place: Place, opened: Opened) -> bool:
    """Whether all that the store has of the project is right."""
    return all(row.status == "ok" for row in verify.verify(opened(), place.project, full=True))


def test_huggingface_hub_finds_what_was_synced_by_branch_and_by_commit(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, store_root: Path
) -> None:
    """Without a network; the bytes are the store's own, and no list of the commit is made up."""
    assert synced().given == 1
    for revision in (None, "main", place.commit):
        assert offline(FILE, revision).read_bytes() == QUANTS[FILE]
    (blob,) = (repo_of(hub_folder) / "blobs").iterdir()
    assert blob.name == hashlib.sha256(QUANTS[FILE]).hexdigest()
    assert blob.samefile(store_root / "blobs-v1" / blob.name[:2] / blob.name)
    link = repo_of(hub_folder) / "snapshots" / place.commit / FILE
    assert str(link.readlink()) == f"../../blobs/{blob.name}"
    assert (repo_of(hub_folder) / "refs" / "main").read_bytes() == place.commit.encode()
    assert not (repo_of(hub_folder) / "trees").exists()


def test_a_folder_model_is_a_snapshot(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small files are found by their git ids; the folder loads whole, and a mark that says "no such file" is gone."""
    from huggingface_hub import scan_cache_dir, snapshot_download

    commit = place.repo.commit(
        {"config.json": CONFIG, "sub/deep/merges.txt": b"a b\n" * 9, "README.md": b"#"}
    )
    mark = repo_of(hub_folder) / ".no_exist" / commit / "config.json"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert synced(FOLDER).given == 2
    folder = Path(snapshot_download(REPO, local_files_only=True))
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert found.keys() == {"config.json", "sub/deep/merges.txt"}
    assert str(found["config.json"].readlink()) == f"../../blobs/{git_id(CONFIG)}"
    assert str(found["sub/deep/merges.txt"].readlink()).startswith("../../../../blobs/")
    assert not mark.exists()
    info = scan_cache_dir(hub_folder)
    assert info.warnings == []
    assert [(repo.repo_id, sorted(repo.refs)) for repo in info.repos] == [(REPO, ["main"])]


def test_transformers_finds_it(synced: Callable[..., SyncReport], place: Place, hub_folder: Path) -> None:
    """By its own hub utilities, without a network."""
    hub = pytest.importorskip("transformers.utils.hub", reason="transformers is not installed")
    place.repo.commit({"config.json": CONFIG, "sub/x.json": CONFIG})
    synced(FOLDER)
    for revision in ("main", None):
        found = hub.cached_file(
            REPO, "config.json", revision=revision, cache_dir=hub_folder, local_files_only=True
        )
        assert Path(found).read_bytes() == CONFIG


def test_the_hf_command_reads_and_removes_it_and_our_store_stays_whole(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened
) -> None:
    """`hf download` without a network, `hf cache ls`, `rm` and `prune`; afterwards a sync gives it anew."""
    hf = Path(sys.executable).with_name("hf")
    if not hf.exists():
        pytest.skip("the hf command is not installed")

    def run(*words: str, **variables: str) -> str:
        done = subprocess.run(
            [hf, *words],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    synced()
    printed = run("download", REPO, FILE, "--quiet", HF_HUB_OFFLINE="1")
    assert str(repo_of(hub_folder) / "snapshots" / place.commit / FILE) in printed
    assert REPO in run("cache", "ls")
    run("cache", "prune", "-y")
    assert offline(FILE).is_file()
    run("cache", "rm", f"model/{REPO}", "-y")
    assert not repo_of(hub_folder).exists()
    assert whole(place, opened)
    assert synced().given == 1
    assert offline(FILE).read_bytes() == QUANTS[FILE]


def llama_cpp_offline(hub_folder: Path, tag: str) -> Path:
    """The file that llama.cpp's `-hf user/repo:tag --offline` takes.

    The rule of common/hf-cache.cpp and download.cpp: files directly in `refs/`, `main` first, with 40 hex digits in
    their first line; all of `snapshots/<commit>`; a name that is no projector or draft head, and has the tag.
    """
    refs = sorted((repo_of(hub_folder) / "refs").iterdir(), key=lambda ref: ref.name != "main")
    lines = [ref.read_text().splitlines()[0] for ref in refs if ref.is_file()]
    commit = next(line for line in lines if re.fullmatch("[0-9a-f]{40}", line))
    snapshot_folder = repo_of(hub_folder) / "snapshots" / commit
    names = [path for path in snapshot_folder.rglob("*") if path.suffix == ".gguf"]
    return next(
        path for path in names if re.search(rf"(?i){tag}[.-]", str(path.relative_to(snapshot_folder)))
    )


def test_llama_cpp_lists_it(synced: Callable[..., SyncReport], hub_folder: Path) -> None:
    """llama.cpp's `-hf` without a network needs a branch and an entry whose name matches."""
    synced()
    assert llama_cpp_offline(hub_folder, "Q4_K_M").read_bytes() == QUANTS[FILE]


def test_a_sync_with_nothing_to_do_makes_no_request_and_gives_what_was_removed(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path
) -> None:
    """Whether the cache has what it is to have is told by stats."""
    synced()
    before = snapshot(hub_folder)
    place.hub.clear()
    assert synced().given is None
    assert snapshot(hub_folder) == before
    shutil.rmtree(repo_of(hub_folder))
    assert synced(options=CallOptions()).given is None
    assert not repo_of(hub_folder).exists()
    assert synced().given == 1
    assert offline(FILE).is_file()
    assert place.hub.requests == []


def test_what_the_hub_said_when_it_was_locked_is_known_without_a_network(
    synced: Callable[..., SyncReport], hub_folder: Path, store_root: Path
) -> None:
    """A sync without the cache, then one with it and no network; what nobody learnt is left out with a word."""
    synced(options=CallOptions())
    assert synced(options=CallOptions(hf_cache=True, offline=True)).given == 1
    shutil.rmtree(repo_of(hub_folder))
    shutil.rmtree(store_root / "published-v1")
    done = synced(options=CallOptions(hf_cache=True, offline=True))
    assert done.given == 0
    assert [note for note in done.notes if "left out" in note and "the network is ruled out" in note]
    assert not repo_of(hub_folder).exists()
    assert synced().given == 1  # it is not settled: with a network it is asked for


def test_a_manifests_hub_vouches_for_nothing(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub that only the manifest names publishes the file; the user's own is another, and has not said so."""
    monkeypatch.delenv("HF_ENDPOINT")
    manifest = f'[modelsync]\nendpoint = "{place.hub.endpoint}"\n{MANIFEST}'
    synced(manifest, CallOptions())
    done = synced(manifest, CallOptions(hf_cache=True, offline=True))
    assert done.given == 0
    assert any("nothing here tells that https://huggingface.co publishes it" in note for note in done.notes)
    assert not repo_of(hub_folder).exists()


def test_an_edited_lock_gives_no_other_bytes(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened
) -> None:
    """The lock calls one file of the store by another's path: the hub publishes other bytes there."""
    synced(f'{MANIFEST}other = "hf:{REPO}:Q8_0"\n', CallOptions())
    mine, other = (QUANTS[name] for name in (FILE, "tiny-Q8_0.gguf"))
    text = place.lock_text.replace(hashlib.sha256(mine).hexdigest(), hashlib.sha256(other).hexdigest())
    (place.folder / "models.lock").write_text(text.replace(f"size = {len(mine)}", f"size = {len(other)}"))
    done = hf_cache.give(opened(), place.project.loaded().lock.models)  # type: ignore[union-attr]
    assert [path.name for path in done.put] == ["tiny-Q8_0.gguf"]
    assert any("publishes other bytes" in note for note in done.notes)


def test_a_mirrors_word_gives_no_other_bytes(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened, tmp_path: Path
) -> None:
    """A lock calls a mirror's file by the path of another: its digest is the lock's, so it is synced, and not given."""
    evil = gguf("evil", len(QUANTS[FILE]))
    digest = hashlib.sha256(evil).hexdigest()
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / digest).write_bytes(evil)
    synced(options=CallOptions())
    lock = place.folder / "models.lock"
    lock.write_text(lock.read_text().replace(hashlib.sha256(QUANTS[FILE]).hexdigest(), digest))
    options = CallOptions(hf_cache=True, mirrors=(str(tmp_path / "mirror"),))
    done = sync.sync(opened(options), place.project, SyncOptions(frozen=True))
    assert done.given == 0
    assert any("publishes other bytes" in note for note in done.notes)
    assert blobs.find(opened().store, digest) is not None
    assert not list(hub_folder.rglob(FILE))


def test_a_commit_that_is_not_the_branch_is_found_by_its_commit_alone(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, store_root: Path
) -> None:
    """A lock may name any commit, a pull request's too: only the hub says what a branch is."""
    synced(options=CallOptions())
    put(place, {FILE: gguf("newer")})
    shutil.rmtree(store_root / "published-v1")
    done = synced()
    assert done.given == 1
    assert any("found by its commit" in note for note in done.notes)
    assert not any((repo_of(hub_folder) / "refs").iterdir())
    assert offline(FILE, place.commit).read_bytes() == QUANTS[FILE]


def test_a_branch_of_others_stays_and_our_own_moves(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened
) -> None:
    """To move `main` would lead other programs to another commit; what we alone wrote follows the lock."""

    def upgraded(data: bytes) -> SyncReport:
        put(place, {FILE: data})
        return sync.sync(opened(GIVE), place.project, SyncOptions(upgrade=Upgrade(every_model=True)))

    synced()
    upgraded(gguf("second"))
    assert offline(FILE).read_bytes() == gguf("second")
    theirs = (
        repo_of(hub_folder) / "snapshots" / (repo_of(hub_folder) / "refs" / "main").read_text() / "README.md"
    )
    theirs.write_text("of another program")
    done = upgraded(gguf("third"))
    assert offline(FILE).read_bytes() == gguf("second")
    assert any("found by its commit" in note for note in done.notes)


def test_updates_and_repairs_never_touch_what_was_given(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened, store_root: Path
) -> None:
    """A repair replaces the store's name, and not the bytes under it; the next sync gives the new ones."""
    synced()
    (given,) = (repo_of(hub_folder) / "blobs").iterdir()
    before = (given.stat().st_ino, given.stat().st_mtime_ns, given.read_bytes())
    blob = store_root / "blobs-v1" / given.name[:2] / given.name
    rotten = blob.with_name("rotten")
    rotten.write_bytes(QUANTS[FILE][:-1] + b"?")
    rotten.replace(blob)
    assert repair.repair(opened(CallOptions(adopt=False)), place.project).error is None
    assert blob.read_bytes() == QUANTS[FILE]
    assert (given.stat().st_ino, given.stat().st_mtime_ns, given.read_bytes()) == before
    assert not blob.samefile(given)
    assert synced().given == 1
    assert blob.samefile(given)
    before = (given.stat().st_ino, given.stat().st_mtime_ns, given.read_bytes())
    put(place, {FILE: QUANTS[FILE] + b"more"})
    sync.sync(opened(), place.project, SyncOptions(upgrade=Upgrade(every_model=True)))
    assert (given.stat().st_ino, given.stat().st_mtime_ns, given.read_bytes()) == before


def test_prune_takes_its_own_names_back_and_no_other(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened
) -> None:
    """What another program has put there, or leads to with a link of its own, stays."""
    from huggingface_hub import scan_cache_dir

    synced(f'{MANIFEST}other = "hf:{REPO}:Q8_0"\n')
    repo = repo_of(hub_folder)
    theirs = repo / "snapshots" / ("d" * 40) / "mine.gguf"
    theirs.parent.mkdir()
    theirs.symlink_to(f"../../blobs/{hashlib.sha256(QUANTS[FILE]).hexdigest()}")
    before = snapshot(hub_folder)
    (place.folder / "models.lock").unlink()
    store = opened().store
    freed, taken = pruning.execute(store, prune.prune(store, at_once=True, unseen=True))
    assert (freed.blobs, taken) == (2, 1)
    gone = before.keys() - snapshot(hub_folder).keys()
    assert {Path(name).name for name in gone} == {
        "tiny-Q8_0.gguf",
        hashlib.sha256(QUANTS["tiny-Q8_0.gguf"]).hexdigest(),
    }
    assert theirs.read_bytes() == QUANTS[FILE]
    theirs.unlink()
    assert scan_cache_dir(hub_folder).warnings == []


def test_prune_leaves_nothing_of_a_repo_that_was_ours_alone(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened
) -> None:
    """Its branch goes with the last file: a branch without its commit makes the tools call the repo corrupted."""
    synced()
    (place.folder / "models.lock").unlink()
    store = opened().store
    assert pruning.execute(store, prune.prune(store, at_once=True, unseen=True))[1] == 1
    assert not repo_of(hub_folder).exists()
    assert list((store.root / "given-v1").iterdir()) == []


def test_without_links_the_file_itself_is_in_the_snapshot(
    synced: Callable[..., SyncReport],
    place: Place,
    hub_folder: Path,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Windows: no blob, a real file; prune takes it back."""
    monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    assert synced().given == 1
    entry = repo_of(hub_folder) / "snapshots" / place.commit / FILE
    assert not entry.is_symlink()
    assert list((repo_of(hub_folder) / "blobs").iterdir()) == []
    assert offline(FILE) == entry
    (place.folder / "models.lock").unlink()
    store = opened().store
    assert pruning.execute(store, prune.prune(store, at_once=True, unseen=True))[1] == 1
    assert not entry.exists()


def test_a_pull_gives_what_its_uri_means(place: Place, hub_folder: Path, opened: Opened) -> None:
    """Into the cache as sync does; what was pulled once is given without a network too."""
    uri = f"hf:{REPO}:Q4_K_M"
    done = pull.pull(opened(GIVE), [uri])
    assert (done.given, done.left_out) == (1, ())
    assert offline(FILE).read_bytes() == QUANTS[FILE]
    assert pull.pull(opened(GIVE), [uri]).given == 0
    shutil.rmtree(repo_of(hub_folder))
    assert pull.pull(opened(), [uri]).given is None
    assert not repo_of(hub_folder).exists()
    place.hub.clear()
    assert pull.pull(opened(CallOptions(hf_cache=True, offline=True)), [uri]).given == 1
    assert offline(FILE, place.commit).read_bytes() == QUANTS[FILE]
    assert place.hub.requests == []


def test_a_path_gives_what_it_is_the_path_of(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path, opened: Opened
) -> None:
    """Of a URI and of a name; where nothing asks for it, nothing is given."""
    uri = f"hf:{REPO}:Q4_K_M"
    for text in (uri, "tiny"):
        if text == "tiny":
            synced(options=CallOptions())
        ops_path.files(opened(), text, lambda: place.project)
        assert not repo_of(hub_folder).exists()
        ops_path.files(opened(GIVE), text, lambda: place.project)
        assert offline(FILE).read_bytes() == QUANTS[FILE]
        shutil.rmtree(repo_of(hub_folder))


def test_the_users_config_speaks_of_what_a_path_fetches(
    place: Place, hub_folder: Path, home: Path, opened: Opened
) -> None:
    """`link-into`: what comes is given; the path of a file that is here is told without a look at the cache."""
    config = home / ".config" / "modelsync" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('link-into = ["hf-cache"]\n')
    uri = f"hf:{REPO}:Q4_K_M"
    ops_path.files(opened(), uri, lambda: place.project)
    assert offline(FILE).read_bytes() == QUANTS[FILE]
    shutil.rmtree(repo_of(hub_folder))
    ops_path.files(opened(), uri, lambda: place.project)
    assert not repo_of(hub_folder).exists()


def test_a_path_says_what_it_leaves_out(
    place: Place, hub_folder: Path, opened: Opened, store_root: Path
) -> None:
    """Once asked by the call, a word of what the hub does not confirm."""
    uri = f"hf:{REPO}:Q4_K_M"
    pull.pull(opened(), [uri])
    shutil.rmtree(store_root / "published-v1")
    told: list[str] = []
    context = opened(CallOptions(hf_cache=True, offline=True), warn=told.append)
    assert ops_path.files(context, uri, lambda: place.project).model.read_bytes() == QUANTS[FILE]
    assert [line for line in told if "left out" in line and "network is ruled out" in line] == told
    assert told
    assert not repo_of(hub_folder).exists()


def test_the_users_config_asks_for_it_and_a_manifest_cannot(
    synced: Callable[..., SyncReport],
    place: Place,
    hub_folder: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`link-into = ["hf-cache"]`; a change of the config is seen by a sync with nothing else to do."""
    from modelsync.errors import ManifestError

    with pytest.raises(ManifestError, match="link-into"):
        synced(f'[modelsync]\nlink-into = ["hf-cache"]\n{MANIFEST}', CallOptions())
    assert synced(options=CallOptions()).given is None
    config = home / ".config" / "modelsync" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('link-into = ["hf-cache"]\n')
    assert synced(options=CallOptions(hf_cache=False)).given is None
    assert synced(options=CallOptions()).given == 1
    shutil.rmtree(repo_of(hub_folder))
    monkeypatch.setenv("MODELSYNC_HF_CACHE", "0")
    assert synced(options=CallOptions()).given is None


def test_a_lock_that_another_program_holds_is_respected(
    synced: Callable[..., SyncReport], hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who downloads the same file has its lock: it is left out with a word, and given by the next sync."""
    monkeypatch.setattr(hub_writer, "PATIENCE", 0.1)
    digest = hashlib.sha256(QUANTS[FILE]).hexdigest()
    with locked(hub_folder / ".locks" / repo_of(hub_folder).name / f"{digest}.lock", 0):
        done = synced()
    assert done.given == 0
    assert any("another program is at work on it" in note for note in done.notes)
    assert synced().given == 1


@pytest.mark.parametrize(
    ("put_there", "why"),
    [
        (b"half", "something else has its place"),
        (b"", "something else has its place"),
        (QUANTS[FILE][:-1] + b"?", "the file in its place has other bytes"),
        (QUANTS[FILE], None),
    ],
    ids=["half", "empty", "rotten", "same"],
)
def test_what_is_there_stays_as_it_is(
    put_there: bytes, why: str | None, synced: Callable[..., SyncReport], place: Place, hub_folder: Path
) -> None:
    """A blob of another program is used where it is right, and else left with a word: it is not ours."""
    blob = repo_of(hub_folder) / "blobs" / hashlib.sha256(QUANTS[FILE]).hexdigest()
    blob.parent.mkdir(parents=True)
    blob.write_bytes(put_there)
    seen = blob.stat()
    done = synced(options=CallOptions(hf_cache=True, adopt=False))
    assert (blob.stat().st_ino, blob.stat().st_mtime_ns, blob.read_bytes()) == (
        seen.st_ino,
        seen.st_mtime_ns,
        put_there,
    )
    assert done.given == (1 if why is None else 0)
    assert [note for note in done.notes if "left out" in note and (why or "") in note] == list(done.notes)
    entry = repo_of(hub_folder) / "snapshots" / place.commit / FILE
    assert os.path.lexists(entry) is (repo_of(hub_folder) / "refs" / "main").exists() is (why is None)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("right", [True, False], ids=["right", "rotten"])
def test_what_another_program_has_put_there_is_hashed_once(
    right: bool,
    links: bool,
    synced: Callable[..., SyncReport],
    place: Place,
    hub_folder: Path,
    opened: Opened,
    store_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is "there" only with the right bytes; told from then on by a stat, until it is another file."""
    if not links:
        monkeypatch.setenv("HF_HUB_DISABLE_SYMLINKS", "1")
    synced(options=CallOptions())
    models = place.project.loaded().lock.models  # type: ignore[union-attr]
    repo, data = repo_of(hub_folder), QUANTS[FILE] if right else QUANTS[FILE][:-1] + b"?"
    entry, blob = repo / "snapshots" / place.commit / FILE, repo / "blobs" / "etag"
    for path in (entry, blob):
        path.parent.mkdir(parents=True, exist_ok=True)
    (blob if links else entry).write_bytes(data)
    if links:
        entry.symlink_to("../../blobs/etag")
    hashed: list[Path] = []
    sha256_of = hashing.sha256_of

    def counted(path: Path, **options: Any) -> str:
        hashed.append(path)
        return sha256_of(path, **options)

    monkeypatch.setattr(hashing, "sha256_of", counted)
    for _ in range(3):
        done = hf_cache.give(opened(), models)
        assert (done.put, done.there) == ((), (entry,) if right else ())
        assert any("has other bytes" in note for note in done.notes) is not right
    assert len(hashed) == 1
    os.utime(entry)
    hf_cache.give(opened(), models)
    assert len(hashed) == 2
    (place.folder / "models.lock").unlink()
    pruning.execute(opened().store, prune.prune(opened().store, at_once=True, unseen=True))
    assert entry.read_bytes() == data
    assert not list((store_root / "given-v1").iterdir()) or (repo / "refs" / "main").exists()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nothing tells here how much is read")
def test_giving_reads_nothing_of_a_file(
    synced: Callable[..., SyncReport], place: Place, hub_folder: Path
) -> None:
    """Its size does not matter: the store knows what it is, and it gets one more name."""
    put(place, {FILE: gguf("large", 32 << 20)})
    synced(options=CallOptions())
    before = _bytes_read()
    assert synced().given == 1
    assert _bytes_read() - before < 8 << 20


def _bytes_read() -> int:
    """How much this process has read so far."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


def test_a_full_disk_leaves_nothing_half_written(
    synced: Callable[..., SyncReport], hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync is right all the same, and says what could not be put."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modelsync.store.clone.appear", full)
    done = synced()
    assert [note for note in done.notes if "No space left on device" in note]
    assert list(hub_folder.rglob("*.incomplete")) == []

"""Sync: from a manifest to files that are here."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    DriftError,
    HashMismatchError,
    NotAModelError,
    OfflineError,
    RefusedError,
    StaleLockError,
    StoreError,
    UsageError,
)
from modelsync.install import report as install_report
from modelsync.ops import lock, pull, sync, verify
from modelsync.project import discovery
from modelsync.project.selection import Groups
from modelsync.store import blobs, prune
from modelsync.store.links import LinkMode
from modelsync.transfer.progress import Event
from tests.support.project import REPO, Opened, Place, gguf

MANIFEST = f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'
LINKED = f'[modelsync]\ndir = "models"\n{MANIFEST}'


def actions(report: install_report.SyncReport) -> list[tuple[str, str]]:
    return [(change.name, change.action) for change in report.changes]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_sync_locks_fetches_and_shows(place: Place, context: Context, store_root: Path) -> None:
    """From a manifest alone: a lock, a verified blob of its own name, and a view under the file's own name."""
    report = sync.sync(context, place.write(MANIFEST))
    assert actions(report) == [("tiny", "added")]
    assert (report.bytes_fetched, report.lock_written) == (3000, True)
    blob = blobs.find(context.store, digest(gguf("q4")), 3000)
    assert blob is not None
    assert blob.read_bytes() == gguf("q4")
    (view,) = (store_root / "views-v1").glob("*/tiny-Q4_K_M.gguf")
    assert view.samefile(blob)
    assert (store_root / "CACHEDIR.TAG").is_file()


def test_nothing_to_do_makes_no_request(place: Place, context: Context) -> None:
    """A second sync changes nothing and asks nobody."""
    project = place.write(LINKED)
    sync.sync(context, project)
    place.hub.clear()
    report = sync.sync(context, project)
    assert (report.changes, report.plan.steps, report.bytes_fetched) == ((), (), 0)
    assert place.hub.seen() == []


def test_the_lock_decides_not_upstream(place: Place, context: Context, store_root: Path) -> None:
    """A new version upstream changes nothing; an empty store gets the locked bytes, from the locked commit."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    shutil.rmtree(store_root)
    sync.sync(context, project, locked=True)
    assert blobs.find(context.store, digest(gguf("q4"))) is not None
    assert blobs.find(context.store, digest(gguf("new"))) is None
    report = sync.sync(context, project, upgrade=True)
    assert actions(report) == [("tiny", "updated")]
    assert blobs.find(context.store, digest(gguf("new"))) is not None


def test_locked_and_frozen(place: Place, context: Context) -> None:
    """`locked` fails on a stale lock; `frozen` does not compare; neither writes it."""
    project = place.write(MANIFEST)
    with pytest.raises(StaleLockError):
        sync.sync(context, project, locked=True)
    with pytest.raises(StaleLockError, match="there is no"):
        sync.sync(context, project, frozen=True)
    sync.sync(context, project)
    before = place.lock_text
    place.write(MANIFEST.replace("Q4_K_M", "Q8_0"))
    with pytest.raises(StaleLockError):
        sync.sync(context, project, locked=True)
    assert sync.sync(context, project, frozen=True).changes == ()
    assert place.lock_text == before
    with pytest.raises(UsageError):
        sync.sync(context, project, locked=True, frozen=True)


def test_check_changes_nothing_and_says_what_differs(
    place: Place, context: Context, store_root: Path
) -> None:
    """`check` names the input that differs: the lock, a blob, a link."""
    project = place.write(LINKED)
    with pytest.raises(DriftError, match="tiny is not in the lock"):
        sync.sync(context, project, check=True)
    assert not store_root.exists()
    sync.sync(context, project)
    sync.sync(context, project, check=True)
    (place.folder / "models/tiny/tiny-Q4_K_M.gguf").unlink()
    with pytest.raises(DriftError, match=r"link tiny/tiny-Q4_K_M\.gguf"):
        sync.sync(context, project, check=True)
    shutil.rmtree(store_root)
    with pytest.raises(DriftError, match=r"fetch tiny: tiny-Q4_K_M\.gguf"):
        sync.sync(context, project, check=True)
    assert not store_root.exists()


def test_a_dry_run_is_a_plan(place: Place, context: Context, store_root: Path) -> None:
    """`dry_run` gives the plan with its bytes, and changes nothing."""
    report = sync.sync(context, place.write(MANIFEST), dry_run=True)
    assert report.plan.bytes_to_fetch == 3000
    assert [step.verb for step in report.plan.steps] == ["fetch", "view"]
    assert not store_root.exists()
    assert not (place.folder / "models.lock").exists()


def test_files_are_linked_into_the_project(place: Place, context: Context) -> None:
    """`dir` has `<name>/<file>`, out of git's sight; what is wanted no more goes, and nothing else does."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    folder = place.folder / "models"
    assert (folder / "tiny/tiny-Q4_K_M.gguf").read_bytes() == gguf("q4")
    assert (folder / ".gitignore").read_text() == "*\n"
    (folder / "notes.txt").write_text("mine")
    (folder / "other/mine.gguf").write_text("mine")
    place.write(LINKED)
    report = sync.sync(context, project)
    assert actions(report) == [("other", "removed")]
    assert not (folder / "other/tiny-Q8_0.gguf").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "other/mine.gguf").read_text() == "mine"


@pytest.mark.parametrize("mode", ["auto", "copy", "symlink"])
def test_a_folder_that_the_manifest_names_no_more_is_cleared(
    place: Place, context: Context, mode: LinkMode
) -> None:
    """`dir` is another, or gone: what was linked into the old one goes, and nothing else does."""
    project = place.write(LINKED)
    sync.sync(context, project, link_mode=mode)
    old = place.folder / "models"
    (old / "notes.txt").write_text("mine")
    place.write(LINKED.replace('"models"', '"other"'))
    with pytest.raises(DriftError, match="remove models/tiny/"):
        sync.sync(context, project, check=True)
    report = sync.sync(context, project, link_mode=mode)
    assert report.notes == ("models/ is not the manifest's dir any more: 1 removed from it",)
    assert [step.target for step in report.plan.of("unlink")] == ["models/tiny/tiny-Q4_K_M.gguf"]
    assert not (old / "tiny").exists()
    assert (old / "notes.txt").read_text() == "mine"
    new = place.folder / "other/tiny/tiny-Q4_K_M.gguf"
    assert new.read_bytes() == gguf("q4")
    place.write(MANIFEST)
    sync.sync(context, project, link_mode=mode)
    assert not new.parent.exists()
    assert sync.sync(context, project).plan.steps == ()


def test_a_flag_a_part_and_a_change_of_yours_keep_the_old_folder(place: Place, context: Context) -> None:
    """`--dir`, names and `inexact` clear nothing; a file that was changed stays, and a note says so."""
    project = place.write(LINKED)
    sync.sync(context, project, link_mode="copy")
    old = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    place.write(MANIFEST)
    sync.sync(context, project, directory=place.folder / "elsewhere")
    sync.sync(context, project, ["tiny"])
    sync.sync(context, project, inexact=True)
    assert old.exists()
    old.write_text("mine now")
    (note,) = sync.sync(context, project).notes
    assert (
        note
        == "models/ is not the manifest's dir any more: 0 removed from it; 1 stay, they were changed since"
    )
    assert old.read_text() == "mine now"
    assert sync.sync(context, project).notes == ()
    assert (place.folder / "elsewhere/tiny/tiny-Q4_K_M.gguf").exists()


def test_an_old_folder_that_leads_out_of_the_project_is_left_alone(place: Place, context: Context) -> None:
    """A repository that puts a link in its place cannot have another project's files removed."""
    project = place.write(LINKED)
    sync.sync(context, project, link_mode="copy")
    theirs = place.folder.parent / "theirs/models"
    theirs.parent.mkdir()
    (place.folder / "models").rename(theirs)
    (place.folder / "models").symlink_to(theirs, target_is_directory=True)
    place.write(MANIFEST)
    sync.sync(context, project)
    assert (theirs / "tiny/tiny-Q4_K_M.gguf").is_file()


@pytest.mark.parametrize("manifest", ['[modelsync]\ndir = "models"\n', LINKED.replace("Q4_K_M", "Q8_0")])
@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_leads_out_of_the_project_is_refused(
    place: Place, context: Context, manifest: str, replace: bool
) -> None:
    """A repository whose `dir` is a link to another project's cannot have that one's files removed or replaced."""
    project = place.write(LINKED)
    sync.sync(context, project, link_mode="copy")
    theirs = place.folder.parent / "theirs/models"
    theirs.parent.mkdir()
    (place.folder / "models").rename(theirs)
    (place.folder / "models").symlink_to(theirs, target_is_directory=True)
    place.write(manifest)
    with pytest.raises(RefusedError, match="leads out of"):
        sync.sync(context, project, replace=replace)
    assert (theirs / "tiny/tiny-Q4_K_M.gguf").read_bytes() == gguf("q4")


def test_a_part_of_a_sync_removes_nothing(place: Place, context: Context) -> None:
    """`inexact`, names and group flags keep links that this sync does not want."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    other = place.folder / "models/other/tiny-Q8_0.gguf"
    place.write(LINKED.replace("[models]", "[models]\n# gone: other"))
    sync.sync(context, project, inexact=True)
    sync.sync(context, project, ["tiny"])
    sync.sync(context, project, groups=Groups(everything=True))
    assert other.exists()
    sync.sync(context, project)
    assert not other.exists()


def test_what_was_here_already_is_told_as_reused(place: Place, context: Context, tmp_path: Path) -> None:
    """A second project says what it did not have to fetch, with a folder of its own or without."""
    sync.sync(context, place.write(MANIFEST))
    for name, text in (("plain", MANIFEST), ("linked", LINKED)):
        manifest = tmp_path / name / "models.toml"
        manifest.parent.mkdir()
        manifest.write_text(text)
        report = sync.sync(context, discovery.find(manifest_path=manifest))
        assert actions(report) == [("tiny", "added")]
        assert (report.bytes_fetched, report.bytes_reused) == (0, 3000)


def test_a_packages_lock_is_not_upgraded(place: Place, context: Context) -> None:
    """A lock that ships with a package is changed where the package is made."""
    shipped = place.write(MANIFEST)
    sync.sync(context, shipped)
    with pytest.raises(UsageError, match="part of that package"):
        sync.sync(context, shipped._replace(package="shipped"), upgrade=True)


def test_a_strangers_file_is_never_overwritten(place: Place, context: Context) -> None:
    """A file in the way that modelsync did not put there is an error with a hint, and stays."""
    mine = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(StoreError) as refused:
        sync.sync(context, place.write(LINKED))
    assert refused.value.hint
    assert mine.read_text() == "mine"


def test_files_of_the_project_are_taken_before_the_network(
    place: Place, context: Context, store_root: Path
) -> None:
    """Where `dir` came back from a CI cache and the store did not, the files are hashed, not fetched again."""
    project = place.write(LINKED)
    sync.sync(context, project)
    shutil.rmtree(store_root)
    place.hub.clear()
    report = sync.sync(context, project)
    assert (report.bytes_fetched, report.bytes_reused) == (0, 3000)
    assert place.hub.seen() == []
    shutil.rmtree(store_root)
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    linked.chmod(0o644)
    linked.write_bytes(gguf("q4")[:-1] + b"!")
    linked.unlink()
    linked.write_bytes(gguf("q4")[:-1] + b"!")
    with pytest.raises(StoreError):  # the wrong bytes are no copy, and not ours to replace
        sync.sync(context, project)
    assert blobs.find(context.store, digest(gguf("q4"))) is not None


def test_two_projects_hold_a_file_once(
    place: Place, context: Context, tmp_path: Path, store_root: Path
) -> None:
    """Two projects share one blob on disk; when both are gone, `prune --now` frees it."""
    first = place.write(LINKED)
    sync.sync(context, first)
    second = tmp_path / "second"
    second.mkdir()
    shutil.copy(place.folder / "models.toml", second)
    place.hub.clear()
    report = sync.sync(context, discovery.find(manifest_path=second), link_mode="hardlink")
    assert (report.bytes_fetched, place.hub.seen("cdn")) == (0, [])
    blob = context.store.blob_path(digest(gguf("q4")))
    assert (second / "models/tiny/tiny-Q4_K_M.gguf").stat().st_ino == blob.stat().st_ino
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert blob.exists()
    shutil.rmtree(place.folder)
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert blob.exists()
    shutil.rmtree(second)
    prune.execute(context.store, prune.prune(context.store, at_once=True))
    assert not blob.exists()
    assert not list((store_root / "views-v1").glob("*/*.gguf"))


def test_variants(place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    """All variants are locked, one is synced: the flag's, else the environment's, else the entry itself."""
    text = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    project = place.write('[modelsync]\ndir = "models"\n' + text)
    sync.sync(context, project)
    small, large = (place.folder / f"models/tiny/tiny-{quant}.gguf" for quant in ("Q4_K_M", "Q8_0"))
    assert small.exists()
    assert not large.exists()
    sync.sync(context, project, variant="server")
    assert large.exists()
    assert not small.exists()
    monkeypatch.setenv("MODELSYNC_VARIANT", "server")
    assert sync.sync(opened(), project, check=True).changes == ()


def test_split_models_come_whole_or_not_at_all(place: Place, context: Context) -> None:
    """All parts are locked, fetched and viewed together, in one folder under their own names."""
    names = [f"big-Q4_K_M-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    place.repo.commit({name: gguf(name) for name in names})
    project = place.write(f'[models]\nbig = "hf:{REPO}/{names[1]}"\n')
    sync.sync(context, project)
    views = {path.name: path.parent for path in (context.store.root / "views-v1").glob("*/big*")}
    assert sorted(views) == names
    assert len(set(views.values())) == 1


def test_damage_in_the_store_is_mended_by_the_next_sync(place: Place, context: Context) -> None:
    """A blob whose time changed is checked: good, it stays without a request; bad, it is fetched again."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    blob = context.store.blob_path(digest(gguf("q4")))
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


def test_offline_says_what_is_missing(
    place: Place, context: Context, store_root: Path, opened: Opened
) -> None:
    """Offline, what is here is enough; what is not is an error that names the switch."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    sync.sync(opened(offline=True), project)
    shutil.rmtree(store_root)
    with pytest.raises(OfflineError):
        sync.sync(opened(offline=True), project)


def test_a_read_only_store_is_used_and_not_written(
    place: Place,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store_root: Path,
    opened: Opened,
) -> None:
    """What a team's store has is neither fetched nor copied, and nothing is written there."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    team = tmp_path / "team"
    store_root.rename(team)
    before = sorted((path, path.lstat().st_mtime_ns) for path in team.rglob("*"))
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(team))
    place.hub.clear()
    assert sync.sync(opened(), project).bytes_fetched == 0
    assert place.hub.seen() == []
    assert sorted((path, path.lstat().st_mtime_ns) for path in team.rglob("*")) == before


def test_a_projector_and_an_adapter_come_along(place: Place, context: Context) -> None:
    """The projector beside the model, and an adapter of another repo, each from its own commit."""
    place.repo.commit({"mmproj-tiny-F16.gguf": gguf("proj")})
    lora = place.hub.repo("user/adapter")
    commit = lora.commit({"adapter.gguf": gguf("lora")})
    project = place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nmmproj = true\nloras = ["hf:user/adapter/adapter.gguf"]\n'
    )
    sync.sync(context, project)
    from modelsync.fit import variants
    from modelsync.ops import ensure

    known = variants.find(context, project, "tiny")
    assert [(file.role, file.repo, file.revision) for file in known.model.files][2] == (
        "lora",
        "user/adapter",
        commit,
    )
    found = ensure.files(context, project, known)
    assert found.mmproj is not None
    assert found.mmproj.read_bytes() == gguf("proj")
    assert [path.read_bytes() for path in found.loras] == [gguf("lora")]


def test_one_failure_does_not_stop_the_others(place: Place, context: Context) -> None:
    """What can arrive arrives; the error names what did not."""
    place.repo.commit({"page-Q4_0.gguf": b"<html>" + b"x" * 5000})
    project = place.write(f'[models]\npage = "hf:{REPO}:Q4_0"\ntiny = "hf:{REPO}/tiny-Q4_K_M.gguf"\n')
    with pytest.raises(NotAModelError, match="page"):
        sync.sync(context, project)
    assert blobs.find(context.store, digest(gguf("q4"))) is not None
    assert blobs.find(context.store, digest(b"<html>" + b"x" * 5000)) is None


def test_replace_frees_the_old_version_before_the_first_byte(
    place: Place, opened: Opened, tmp_path: Path
) -> None:
    """`replace` makes room first: the old bytes are gone from store and project before the new ones come."""
    present: list[bool] = []
    project = place.write(LINKED)
    first = opened()
    sync.sync(first, project)
    blob = first.store.blob_path(digest(gguf("q4")))
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})

    def watch(event: Event) -> None:
        if event.phase == "fetching":
            present.append(linked.exists() or blob.exists())

    context = opened(listener=watch)
    report = sync.sync(context, project, upgrade=True, replace=True)
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
    sync.sync(context, project, upgrade=True, replace=True)
    assert context.store.blob_path(digest(gguf("q4"))).exists()
    assert sync.sync(opened(), discovery.find(manifest_path=second), check=True).changes == ()


@pytest.mark.parametrize("flags", [{}, {"check": True}, {"locked": True}, {"dry_run": True}])
def test_a_manifest_that_wants_nothing_needs_no_lock(
    place: Place, context: Context, flags: dict[str, bool]
) -> None:
    """Right after `init`, a sync has nothing to do."""
    report = sync.sync(context, place.write("[models]\n"), **flags)  # type: ignore[arg-type]
    assert (report.changes, report.plan.steps, report.lock_written) == ((), (), False)


def test_a_folder_is_shared_with_a_pull_and_another_manifest(place: Place, context: Context) -> None:
    """A sync removes the links of its own manifest, and nobody else's that modelsync made in the same folder."""
    folder = place.folder / "models"
    pulled = pull.pull(context, [f"hf:{REPO}:Q8_0"], directory=folder).pulled[0].files.model
    project = place.write(LINKED + f'old = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    place.write(LINKED)
    (place.folder / "models.dev.toml").write_text(
        f'[modelsync]\ndir = "models"\n[models]\ndev = "hf:{REPO}:Q8_0"\n'
    )
    sync.sync(context, discovery.find(manifest_path=place.folder / "models.dev.toml"))
    sync.sync(context, project)
    assert pulled.is_file()
    assert sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.gguf")) == [
        "dev/tiny-Q8_0.gguf",
        "tiny/tiny-Q4_K_M.gguf",
    ]


def test_what_was_found_stays_when_it_is_wanted_no_more(place: Place, context: Context) -> None:
    """A right file that was there before modelsync is never removed, and a note does not call it changed alone."""
    mine = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(gguf("q4"))
    project = place.write(LINKED)
    sync.sync(context, project)
    place.write('[modelsync]\ndir = "models"\n')
    assert any("did not put it there" in note for note in sync.sync(context, project).notes)
    assert mine.read_bytes() == gguf("q4")
    assert sync.sync(context, project).notes == ()


def test_a_repaired_blob_is_linked_anew(place: Place, context: Context) -> None:
    """Where the damaged blob was hard-linked into the project, one sync mends both."""
    project = place.write(LINKED)
    sync.sync(context, project, link_mode="hardlink")
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    seen = linked.stat()
    linked.chmod(0o644)
    linked.write_bytes(gguf("q4")[:-1] + b"!")
    os.utime(linked, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert "damaged" in [row.status for row in verify.verify(context, project)]
    sync.sync(context, project)
    assert linked.read_bytes() == gguf("q4")
    assert {row.status for row in verify.verify(context, project, full=True)} == {"ok"}
    assert sync.sync(context, project).plan.steps == ()


def test_another_link_mode_makes_the_links_anew(place: Place, context: Context) -> None:
    """A mode that is asked for is had, whatever the links were; `auto` leaves them."""
    project = place.write(LINKED)
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    sync.sync(context, project, link_mode="hardlink")
    sync.sync(context, project, link_mode="copy")
    assert linked.stat().st_nlink == 1
    assert sync.sync(context, project).plan.steps == ()
    assert sync.sync(context, project, link_mode="copy").plan.steps == ()
    sync.sync(context, project, link_mode="hardlink")
    assert linked.stat().st_nlink > 1


def test_a_blob_that_is_checked_again_tells_of_it_and_can_be_cancelled(
    place: Place, context: Context, opened: Opened
) -> None:
    """Hashing a large blob takes a while: it is progress like any other."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    blob = context.store.blob_path(digest(gguf("q4")))
    os.utime(blob, (1, 1))
    cancelled = opened()
    cancelled.cancel.set()
    with pytest.raises(CancelledError):
        sync.sync(cancelled, project)
    events: list[Event] = []
    sync.sync(opened(listener=events.append), project)
    assert events == [Event("done", "tiny: tiny-Q4_K_M.gguf", 3000, 3000)]


def test_a_variant_that_goes_is_told_beside_its_model(place: Place, context: Context) -> None:
    """A change of the model does not hide that one of its variants is no longer locked."""
    text = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n'
    project = place.write(text + f'[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    place.write(text.replace("Q4_K_M", "Q8_0"))
    report = sync.sync(context, project)
    assert [(change.variant, change.action) for change in report.changes] == [
        (None, "updated"),
        ("server", "removed"),
    ]


def test_a_copy_that_rotted_unseen_is_mended_after_verify(place: Place, context: Context) -> None:
    """A copy in the project's folder whose bytes changed under one size and time: verify finds it, sync mends it."""
    project = place.write(LINKED)
    sync.sync(context, project, link_mode="copy")
    copy = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    seen = copy.stat()
    copy.chmod(0o644)
    copy.write_bytes(gguf("q4")[:-1] + b"!")
    os.utime(copy, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert [row.status for row in verify.verify(context, project)] == ["ok", "damaged"]
    place.hub.clear()
    sync.sync(context, project, link_mode="copy")
    assert copy.read_bytes() == gguf("q4")
    assert place.hub.seen() == []


def test_a_pinned_url_is_not_read_to_be_locked(place: Place, context: Context) -> None:
    """Where the manifest says what a URL's file must be, locking asks for its size alone, and sync checks it."""
    url = place.hub.file("/files/direct.gguf", gguf("direct"))
    entry = f'[models.direct]\nuri = "{url}"\nsha256 = "'
    project = place.write(entry + digest(gguf("direct")) + '"\n')
    report = lock.lock(context, project)
    assert (report.bytes_fetched, report.lock.models[0].files[0].size) == (0, 3000)
    assert sync.sync(context, project).bytes_fetched == 3000
    project = place.write(entry + "0" * 64 + '"\n')
    with pytest.raises(HashMismatchError, match="0000"):
        sync.sync(context, project)

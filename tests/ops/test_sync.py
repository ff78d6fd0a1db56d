"""Sync: from a manifest to files that are here."""

import shutil
from pathlib import Path

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import (
    DriftError,
    ModelsyncError,
    NetworkError,
    OfflineError,
    StaleLockError,
    UsageError,
)
from modelsync.install.report import SyncReport
from modelsync.ops import lock, sync
from modelsync.store import blobs
from tests.hub.faults import Cut, Drop
from tests.support.content import gguf, sha256
from tests.support.project import LINKED, MANIFEST, REPO, Opened, Place, actions, sync_options


def test_a_sync_locks_fetches_and_shows(place: Place, context: Context, store_root: Path) -> None:
    """From a manifest alone: a lock, a verified blob of its own name, and a view under the file's own name."""
    report = sync.sync(context, place.write(MANIFEST))
    assert actions(report) == [("tiny", "added")]
    assert (report.bytes_fetched, report.lock_written) == (3000, True)
    blob = blobs.find(context.store, sha256(gguf("q4")), 3000)
    assert blob is not None
    assert blob.read_bytes() == gguf("q4")
    (view,) = (store_root / "views-v1").glob("*/tiny-Q4_K_M.gguf")
    assert view.samefile(blob)
    assert (store_root / "CACHEDIR.TAG").is_file()


def test_nothing_to_do_makes_no_request(place: Place, context: Context) -> None:
    """A second sync changes nothing and makes no request."""
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
    sync.sync(context, project, sync_options(locked=True))
    assert blobs.find(context.store, sha256(gguf("q4"))) is not None
    assert blobs.find(context.store, sha256(gguf("new"))) is None
    report = sync.sync(context, project, sync_options(upgrade=True))
    assert actions(report) == [("tiny", "updated")]
    assert blobs.find(context.store, sha256(gguf("new"))) is not None


def test_locked_and_frozen(place: Place, context: Context) -> None:
    """`locked` fails on a stale lock; `frozen` does not compare; neither writes it."""
    project = place.write(MANIFEST)
    with pytest.raises(StaleLockError):
        sync.sync(context, project, sync_options(locked=True))
    with pytest.raises(StaleLockError, match="there is no"):
        sync.sync(context, project, sync_options(frozen=True))
    sync.sync(context, project)
    before = place.lock_text
    place.write(MANIFEST.replace("Q4_K_M", "Q8_0"))
    with pytest.raises(StaleLockError):
        sync.sync(context, project, sync_options(locked=True))
    assert sync.sync(context, project, sync_options(frozen=True)).changes == ()
    assert place.lock_text == before
    with pytest.raises(UsageError):
        sync.sync(context, project, sync_options(locked=True, frozen=True))


def test_check_changes_nothing_and_says_what_differs(
    place: Place, context: Context, store_root: Path
) -> None:
    """`check` names the input that differs: the lock, a blob, a link."""
    project = place.write(LINKED)
    with pytest.raises(DriftError, match="tiny is not in the lock"):
        sync.sync(context, project, sync_options(check=True))
    assert not store_root.exists()
    sync.sync(context, project)
    sync.sync(context, project, sync_options(check=True))
    (place.folder / "models/tiny/tiny-Q4_K_M.gguf").unlink()
    with pytest.raises(DriftError) as drift:
        sync.sync(context, project, sync_options(check=True))
    assert drift.value.message == "1 model is not in models/"
    assert steps(drift.value) == [("link", "tiny/tiny-Q4_K_M.gguf")]
    shutil.rmtree(store_root)
    with pytest.raises(DriftError) as drift:
        sync.sync(context, project, sync_options(check=True))
    assert drift.value.message == "1 model is not here"
    assert steps(drift.value)[0] == ("fetch", sha256(gguf("q4")))
    assert not store_root.exists()


def steps(error: ModelsyncError) -> list[tuple[str, str]]:
    """The plan that an error has: what there is to do."""
    assert isinstance(error.report, SyncReport)
    return [(step.verb, step.target) for step in error.report.plan.steps]


def test_what_makes_a_lock_stale_is_told_line_by_line(place: Place, context: Context) -> None:
    """However many models differ, the message stays short; all of them are below it, in a traceback too."""
    place.write(MANIFEST)
    sync.sync(context, place.project)
    names = [f"model-{number}" for number in range(40)]
    project = place.write("[models]\n" + "".join(f'{name} = "hf:{REPO}:Q8_0"\n' for name in names))
    for options in (sync_options(check=True), sync_options(locked=True)):
        with pytest.raises(ModelsyncError) as stale:
            sync.sync(context, project, options)
        assert stale.value.message == "models.lock is stale: 41 models differ from models.toml"
        assert stale.value.details == (
            *(f"{name} is not in the lock" for name in names),
            "tiny is no longer in the manifest",
        )
        assert set(stale.value.details) <= set(stale.value.__notes__)


def test_a_server_that_breaks_off_is_told_with_what_is_kept(place: Place, opened: Opened) -> None:
    """How much has arrived, and that the same command goes on from there; nothing is said where nothing came."""
    data = gguf("long", 300_000)
    place.repo.commit({"tiny-Q4_K_M.gguf": data})
    project = place.write(MANIFEST)
    lock.lock(opened(), project)
    place.hub.misbehave(Drop(), where="cdn", times=None)
    with pytest.raises(NetworkError) as broken:
        sync.sync(opened(), project)
    assert "are kept" not in str(broken.value.hint)
    place.hub.behave()
    place.hub.misbehave(Cut(100_000), where="cdn")
    place.hub.misbehave(Drop(), where="cdn", times=None, skip=1)
    with pytest.raises(NetworkError) as broken:
        sync.sync(opened(), project)
    assert str(broken.value.hint).endswith("97.7 KiB are kept; run it again")
    place.hub.behave()
    assert sync.sync(opened(), project).bytes_fetched == 200_000


def test_a_dry_run_is_a_plan(place: Place, context: Context, store_root: Path) -> None:
    """`dry_run` gives the plan with its bytes, and changes nothing."""
    report = sync.sync(context, place.write(MANIFEST), sync_options(dry_run=True))
    assert report.plan.bytes_to_fetch == 3000
    assert [step.verb for step in report.plan.steps] == ["fetch", "view"]
    assert not store_root.exists()
    assert not (place.folder / "models.lock").exists()


def test_a_packages_lock_is_not_upgraded(place: Place, context: Context) -> None:
    """A lock that ships with a package is changed where the package is made."""
    shipped = place.write(MANIFEST)
    sync.sync(context, shipped)
    with pytest.raises(UsageError, match="part of that package"):
        sync.sync(context, shipped._replace(package="shipped"), sync_options(upgrade=True))


def test_variants(place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    """All variants are locked, one is synced: the flag's, else the environment's, else the entry itself."""
    text = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    project = place.write('[modelsync]\ndir = "models"\n' + text)
    sync.sync(context, project)
    small, large = (place.folder / f"models/tiny/tiny-{quant}.gguf" for quant in ("Q4_K_M", "Q8_0"))
    assert small.exists()
    assert not large.exists()
    sync.sync(context, project, sync_options(variant="server"))
    assert large.exists()
    assert not small.exists()
    monkeypatch.setenv("MODELSYNC_VARIANT", "server")
    assert sync.sync(opened(), project, sync_options(check=True)).changes == ()


def test_split_models_come_whole_or_not_at_all(place: Place, context: Context) -> None:
    """All parts are locked, fetched and viewed together, in one folder under their own names."""
    names = [f"big-Q4_K_M-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    place.repo.commit({name: gguf(name) for name in names})
    project = place.write(f'[models]\nbig = "hf:{REPO}/{names[1]}"\n')
    sync.sync(context, project)
    views = {path.name: path.parent for path in (context.store.root / "views-v1").glob("*/big*")}
    assert sorted(views) == names
    assert len(set(views.values())) == 1


def test_offline_says_what_is_missing(
    place: Place, context: Context, store_root: Path, opened: Opened
) -> None:
    """Offline, what is here is enough; what is not is an error that names the switch."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    sync.sync(opened(CallOptions(offline=True)), project)
    shutil.rmtree(store_root)
    with pytest.raises(OfflineError):
        sync.sync(opened(CallOptions(offline=True)), project)


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


@pytest.mark.parametrize("flags", [{}, {"check": True}, {"locked": True}, {"dry_run": True}])
def test_a_manifest_that_wants_nothing_needs_no_lock(
    place: Place, context: Context, flags: dict[str, bool]
) -> None:
    """Right after `init`, a sync has nothing to do."""
    report = sync.sync(context, place.write("[models]\n"), sync_options(**flags))  # type: ignore[arg-type]
    assert (report.changes, report.plan.steps, report.lock_written) == ((), (), False)


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

"""Which variant is meant: what is asked for, else what was synced last, else the entry itself."""

import json
import shutil
from typing import Any

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import NotFoundError, NotSyncedError, UsageError
from modelsync.ops import lock, path, run, sync, up_to_date, verify
from modelsync.ops.export import models
from modelsync.ops.options import SyncOptions, Upgrade
from modelsync.project.project import Project
from modelsync.project.selection import Selection, Variant, every_variant, parse_choice
from tests.support.content import gguf, sha256
from tests.support.project import REPO, Opened, Place, sync_options

SMALL, LARGE = "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"
MODELS = (
    f'[models]\nplain = "hf:{REPO}:Q4_K_M"\n[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n'
    f'[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = 64 }}\n'
    f'[models.second]\nuri = "hf:{REPO}:Q4_K_M"\n[models.second.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
)
LINKED = f'[modelsync]\ndir = "models"\n{MODELS}'
OFFLINE = CallOptions(offline=True)


def asked(variant: Variant, *names: str, **options: Any) -> SyncOptions:
    return SyncOptions(Selection(names, variant=variant), **options)


def given(context: Context, project: Project, name: str = "tiny", variant: Variant = None) -> str:
    """The name of the file that a path leads to, the same by the memo and without one."""
    quick = up_to_date.files(context, project, name, variant)
    found = path.files(context, name, lambda: project, variant=variant).model
    assert quick is None or quick.model == found
    return found.name


@pytest.fixture(params=[LINKED, MODELS], ids=["dir", "store"])
def project(request: pytest.FixtureRequest, place: Place) -> Project:
    """With a folder of its own, and without."""
    return place.write(request.param)


def test_what_was_synced_is_what_is_meant(project: Project, opened: Opened, place: Place) -> None:
    """Without a variant and without a network `path`, `run` and `export` take the one that was synced last."""
    sync.sync(opened(), project, asked("server"))
    place.hub.clear()
    context = opened(options=OFFLINE)
    assert given(context, project) == LARGE
    assert given(context, project, "plain") == given(context, project, "second") == SMALL
    assert run.environment(context, project, Selection())["MODELSYNC_PATH_TINY"].endswith(LARGE)
    chosen = {model.name: model for model in models.models(context, project)}
    assert chosen["tiny"].known.entry.title == "tiny [server]"
    assert chosen["tiny"].load == {"n_ctx": 64}
    rows = [row for row in verify.verify(context, project) if row.name == "tiny"]
    assert "server" in {row.variant for row in rows}
    assert {row.status for row in rows} == {"ok"}
    assert place.hub.seen() == []
    sync.sync(opened(), project)
    assert given(opened(options=OFFLINE), project) == SMALL, "a plain sync means the entry itself"


def test_a_sync_of_a_part_is_remembered_of_that_part(project: Project, opened: Opened) -> None:
    """The others stay as they were synced, and a memo of an earlier sync answers no more."""
    sync.sync(opened(), project)
    assert given(opened(), project) == SMALL
    sync.sync(opened(), project, asked("server", "tiny"))
    assert given(opened(), project) == LARGE
    sync.sync(opened(), project, asked(parse_choice(["second=large"]), "second"))
    assert (given(opened(), project), given(opened(), project, "second")) == (LARGE, LARGE)
    assert given(opened(), project, variant={"tiny": "server"}) == LARGE


def test_each_model_has_a_variant_of_its_own(project: Project, opened: Opened) -> None:
    """`--variant NAME=V` beside a plain one; a memo is of that choice alone."""
    choice = parse_choice(["server", "second=large"])
    sync.sync(opened(), project, asked(choice))
    assert (given(opened(), project), given(opened(), project, "second")) == (LARGE, LARGE)
    assert up_to_date.nothing_to_do(opened(), project, choice)
    assert not up_to_date.nothing_to_do(opened(), project, "server")
    for variant in ("large", {"tiny": "large"}, {"tniy": "server"}):
        with pytest.raises(NotFoundError):
            given(opened(), project, variant=variant)
    with pytest.raises(NotFoundError, match="second"):
        sync.sync(opened(), project, asked({"second": "server"}))


def test_all_variants_are_here_at_once(project: Project, opened: Opened) -> None:
    """Each can be asked for without a network; without a variant the entry itself is meant."""
    sync.sync(opened(), project, asked("server"))
    sync.sync(opened(), project, asked(every_variant(None)))
    context = opened(options=OFFLINE)
    assert given(context, project) == SMALL
    assert given(context, project, variant="server") == LARGE
    assert given(context, project, "second", "large") == LARGE
    assert sync.sync(opened(), project, asked(every_variant(None))).steps == ()


def test_two_files_of_one_place_are_told(place: Place, opened: Opened) -> None:
    """Variants of which other files would have the same name in the folder cannot both be linked there."""
    place.hub.repo("user/other").commit({SMALL: gguf("another", 4000)})
    text = LINKED.replace(f'large]\nuri = "hf:{REPO}:Q8_0"', 'large]\nuri = "hf:user/other:Q4_K_M"')
    project = place.write(text)
    with pytest.raises(UsageError, match=r"second and second \[large\] would both be second/tiny-Q4_K_M"):
        sync.sync(opened(), project, asked(every_variant(None)))
    sync.sync(opened(), project, asked("large"))
    assert (place.folder / "models/second" / SMALL).read_bytes() == gguf("another", 4000)


def test_what_a_command_syncs_on_its_way_stays_the_variant(project: Project, opened: Opened) -> None:
    """`run` and `remove` sync too: they fetch no other variant, and unlink none."""
    sync.sync(opened(), project, asked("server"))
    on_its_way = SyncOptions(as_synced=True)
    assert sync.sync(opened(), project, on_its_way).changes == ()
    project.manifest_path.write_text(project.manifest_path.read_text() + "# a change\n")
    assert sync.sync(opened(), project, on_its_way).changes == ()
    assert given(opened(), project) == LARGE
    assert up_to_date.nothing_to_do(opened(), project, None, as_synced=True)
    assert not up_to_date.nothing_to_do(opened(), project, None)


def test_an_upgraded_lock_means_the_same_variant(project: Project, opened: Opened, place: Place) -> None:
    """The memory is of the model, not of its digests: the new version of the variant that was synced is fetched."""
    sync.sync(opened(), project, asked("server"))
    place.repo.commit({SMALL: gguf("new q4"), LARGE: gguf("new q8", 5000)})
    lock.lock(opened(), project, Upgrade(True))
    found = path.files(opened(), "tiny", lambda: project).model
    assert found.read_bytes() == gguf("new q8", 5000)


def test_what_is_gone_is_fetched_again_or_another_is_taken(
    project: Project, opened: Opened, place: Place
) -> None:
    """With a network the variant that was synced comes back; without one, what is here is taken, and told."""
    context = opened()
    sync.sync(context, project, asked(every_variant(None)))
    sync.sync(context, project, asked("server"))
    sync.sync(context, project, asked("server"))
    large = path.files(context, "tiny", lambda: project).model
    context.store.blob_path(sha256(large.read_bytes())).unlink()
    shutil.rmtree(context.store.root / "views-v1")
    shutil.rmtree(large.parent, ignore_errors=True)
    told: list[str] = []
    offline = opened(options=OFFLINE, warn=told.append)
    assert given(offline, project) == SMALL
    assert told == ["tiny [server] is not on this machine: tiny is taken"]
    with pytest.raises(NotSyncedError) as missing:
        given(opened(options=OFFLINE), project, variant="server")
    assert missing.value.hint == "run `modelsync sync --variant tiny=server`"
    assert given(opened(), project) == LARGE


def test_a_variant_that_the_manifest_has_no_more_is_forgotten(project: Project, opened: Opened) -> None:
    """The entry itself is meant again, and so it is where the memory makes no sense."""
    sync.sync(opened(), project, asked("server"))
    text = project.manifest_path.read_text()
    project.manifest_path.write_text(text.replace("variants.server", "variants.renamed"))
    lock.lock(opened(), project)
    assert given(opened(), project) == SMALL


def test_a_folder_tells_another_machine(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that carries manifest, lock and folder, and no store, knows which variant it has."""
    sync.sync(opened(), place.write(LINKED), asked("server", link_mode="copy"))
    elsewhere = place.folder.with_name("image")
    shutil.copytree(place.folder, elsewhere)
    shutil.rmtree(place.folder)
    monkeypatch.setenv("MODELSYNC_STORE", str(elsewhere.with_name("empty")))
    project = Place(elsewhere, place.hub).project
    place.hub.clear()
    assert given(opened(options=OFFLINE), project) == LARGE
    record = elsewhere / "models/.modelsync.json"
    value = json.loads(record.read_text())
    assert value["variants"] == {"../models.toml": {"second": None, "tiny": "server"}}
    senseless: tuple[Any, ...] = (None, 7, {"../models.toml": []}, {"../models.toml": {"tiny": "gone"}})
    for lost in senseless:
        record.write_text(json.dumps(value | {"variants": lost}))
        assert given(opened(options=OFFLINE), project) == LARGE, "what was linked tells, as of older versions"
    assert place.hub.seen() == []


def test_a_variable_for_a_fleet_fails_no_project(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant of the environment that no model has is a warning, told once; a flag's is an error."""
    project = place.write(f'[models]\nplain = "hf:{REPO}:Q4_K_M"\n')
    monkeypatch.setenv("MODELSYNC_VARIANT", "server")
    told: list[str] = []
    context = opened(warn=told.append)
    sync.sync(context, project)
    assert [model.name for model in models.models(context, project)] == ["plain"]
    assert told == ["MODELSYNC_VARIANT: no model has a variant 'server'"]
    assert given(context, project, "plain") == SMALL
    with pytest.raises(NotFoundError):
        sync.sync(context, project, sync_options(variant="server"))
    monkeypatch.setenv("MODELSYNC_VARIANT", "large, tiny=server")
    project = place.write(MODELS)
    sync.sync(opened(), project)
    assert (given(opened(), project), given(opened(), project, "second")) == (LARGE, LARGE)
    assert up_to_date.files(opened(), project, "tiny", None) is not None
    assert up_to_date.files(opened(), project, "plain", None) is not None

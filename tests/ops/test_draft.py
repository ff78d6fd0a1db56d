"""Draft heads: chosen, locked, fetched, and told to the programs that draft with them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

import modelsync
from modelsync.context import Context
from modelsync.errors import DriftError, NotFoundError, UsageError
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header
from modelsync.ops import ensure, listing, lock, outdated, run, sync, verify
from modelsync.ops.options import Upgrade
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.spec.lock.model import LockedModel
from tests.support import presets
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.old_version import OldVersion
from tests.support.project import REPO, Place, put, sync_options

MODEL, HEAD = "tiny-Q4_K_M.gguf", "MTP/mtp-tiny.gguf"
WITH_HEAD = f'[modelsync]\ndir = "models"\n[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\ndraft = true\n'


def made(metadata: Mapping[str, str | int], *names: str) -> bytes:
    """A small GGUF file with tensors of these names."""
    file = write_header(metadata, [(name, (32,), BY_NAME["F32"]) for name in names])
    return file.header + bytes(file.size - len(file.header))


MTP = made(
    {"general.architecture": "qwen35", "qwen35.block_count": 3, "qwen35.nextn_predict_layers": 1},
    "blk.2.attn_norm.weight",
    "blk.2.nextn.eh_proj.weight",
)
EAGLE = made({"general.architecture": "eagle3", "eagle3.block_count": 1}, "fc.weight")


def locked(project: Project, variant: str | None) -> LockedModel:
    """What the lock has of the model."""
    lock = project.loaded().lock
    found = lock.find("tiny", variant) if lock is not None else None
    assert found is not None
    return found


@pytest.fixture
def drafting(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A folder, in which the test stands, and a repo that has a draft head beside its model."""
    put(place, {MODEL: gguf("q4"), "tiny-Q8_0.gguf": gguf("q8"), HEAD: MTP, "mmproj-F16.gguf": gguf("eye")})
    monkeypatch.chdir(place.folder)
    return place


def test_the_head_beside_the_model_is_locked_fetched_and_linked(drafting: Place, context: Context) -> None:
    """`draft = true`: a row of its own in a lock of version 2, a file beside the model's, and `files().draft`."""
    project = drafting.write(WITH_HEAD)
    sync.sync(context, project)
    assert "\nversion = 2\n" in drafting.lock_text
    assert 'request = { uri = "hf:user/tiny-GGUF:Q4_K_M", draft = true }' in drafting.lock_text
    assert f'{{ role = "draft", path = "{HEAD}", ' in drafting.lock_text
    files = modelsync.files("tiny", download=False)
    assert files.draft == drafting.folder / "models/tiny/mtp-tiny.gguf"
    assert files.draft.read_bytes() == MTP
    assert (files.model.name, files.parts, files.mmproj, files.loras) == (MODEL, (files.model,), None, ())
    lock.verify(context, project)
    assert [found.status for found in verify.verify(context, project, Selection())] == ["ok", "ok"]
    (row,) = listing.rows(context, project)
    assert row.state == "here"
    drafting.repo.commit({HEAD: EAGLE})
    assert [one.change.action for one in outdated.outdated(context, project).models] == ["updated"]
    sync.sync(context, project, sync_options(upgrade=True))
    assert files.draft.read_bytes() == EAGLE


def test_a_lock_of_another_head_is_not_what_upstream_has(drafting: Place, context: Context) -> None:
    """`lock --verify` compares the head too."""
    project = drafting.write(WITH_HEAD)
    lock.lock(context, project)
    (draft,) = (file for file in locked(project, None).files if file.role == "draft")
    (drafting.folder / "models.lock").write_text(drafting.lock_text.replace(draft.sha256, "0" * 64))
    with pytest.raises(DriftError, match=f"{HEAD} has sha256 0"):
        lock.verify(context, project)


def test_a_uri_names_a_head_or_a_small_model_elsewhere(drafting: Place, context: Context) -> None:
    """A file of a repo; a repo with heads, of which the one that fits; a repo without, whose model drafts then."""
    drafting.hub.repo("user/heads").commit(
        {"eagle3-big-Q8_0.gguf": gguf("no"), "eagle3-tiny-Q8_0.gguf": EAGLE}
    )
    drafting.hub.repo("user/small").commit(
        {"small-Q8_0.gguf": gguf("small"), "small-Q4_K_M.gguf": gguf("less")}
    )
    for uri, name in (
        (f"hf:{REPO}/{HEAD}", "mtp-tiny.gguf"),
        ("hf:user/heads", "eagle3-tiny-Q8_0.gguf"),
        ("hf:user/small:Q8_0", "small-Q8_0.gguf"),
        ("hf:user/small", "small-Q4_K_M.gguf"),
    ):
        project = drafting.write(WITH_HEAD.replace("true", f'"{uri}"'))
        sync.sync(context, project)
        draft = modelsync.files("tiny").draft
        assert draft is not None
        assert draft.name == name


def test_a_model_is_no_draft_of_itself(drafting: Place, context: Context) -> None:
    """Where the model's repo has no head, that is an error which says how to name one; so is a place without a repo."""
    drafting.repo.commit({HEAD: None})
    with pytest.raises(NotFoundError, match="has no draft head") as caught:
        lock.lock(context, drafting.write(WITH_HEAD))
    assert 'draft = "hf:…"' in str(caught.value.hint)
    with pytest.raises(UsageError, match=r"models\.tiny\.draft: nothing stands beside"):
        drafting.write('[models.tiny]\nuri = "./x.gguf"\ndraft = true\n').loaded().manifest  # noqa: B018


def test_a_variant_has_the_head_of_its_model_unless_it_says_otherwise(
    drafting: Place, context: Context
) -> None:
    """As with every key of a request: inherited, and `false` leaves it out."""
    project = drafting.write(
        WITH_HEAD + f'[models.tiny.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
        "[models.tiny.variants.plain]\ndraft = false\n"
    )
    sync.sync(context, project)
    for variant, roles in ((None, ["model", "draft"]), ("large", ["model", "draft"]), ("plain", ["model"])):
        assert [file.role for file in locked(project, variant).files] == roles


def test_a_program_is_told_all_files(
    drafting: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each companion has a variable; a program that is run so finds them again by the model's name."""
    drafting.hub.repo("user/a").commit({"a.gguf": gguf("a"), "b.gguf": gguf("b")})
    manifest = WITH_HEAD.replace("[models.tiny]", '[models."ti-ny.1"]')
    project = drafting.write(f'{manifest}mmproj = true\nloras = ["hf:user/a/b.gguf", "hf:user/a/a.gguf"]\n')
    sync.sync(context, project)
    told = run.environment(context, project, Selection())
    assert {name: Path(path).name for name, path in told.items()} == {
        "MODELSYNC_PATH_TI_NY_1": MODEL,
        "MODELSYNC_MMPROJ_TI_NY_1": "mmproj-F16.gguf",
        "MODELSYNC_LORA_TI_NY_1_1": "b.gguf",
        "MODELSYNC_LORA_TI_NY_1_2": "a.gguf",
        "MODELSYNC_DRAFT_TI_NY_1": "mtp-tiny.gguf",
    }
    files = modelsync.files("ti-ny.1")
    for name, path in told.items():
        monkeypatch.setenv(name, path)
    shutil.rmtree(context.store.root)
    assert modelsync.files("ti-ny.1") == files
    monkeypatch.setenv("MODELSYNC_DRAFT_TI_NY_1", "/nowhere.gguf")
    with pytest.raises(NotFoundError, match=r"MODELSYNC_DRAFT_TI_NY_1 names /nowhere\.gguf") as caught:
        modelsync.files("ti-ny.1")
    assert "unset MODELSYNC_DRAFT_TI_NY_1" in str(caught.value.hint)


@pytest.mark.parametrize(("head", "kind"), [(MTP, "mtp"), (EAGLE, "eagle3"), (gguf("small"), "simple")])
def test_exports_say_how_to_draft(drafting: Place, context: Context, head: bytes, kind: str) -> None:
    """llama-server gets the file and the type that its header tells; Ollama its line; JSON the role."""
    from modelsync.ops.export import FORMATS, models

    drafting.repo.commit({HEAD: head})
    project = drafting.write(WITH_HEAD)
    sync.sync(context, project)
    chosen = models.models(context, project)
    draft = str(drafting.folder / "models/tiny/mtp-tiny.gguf")
    section = presets.read(FORMATS["llama-server"].write(chosen, drafting.folder)[0].text)["tiny"]
    assert (section["model-draft"], section["spec-type"]) == (draft, f"draft-{kind}")
    (modelfile,) = FORMATS["ollama"].write(chosen, drafting.folder)
    assert f"\nDRAFT {draft}\n" in modelfile.text
    (told,) = FORMATS["json"].write(chosen, drafting.folder)
    files = json.loads(told.text)["models"][0]["files"]
    assert [(file["role"], file["path"]) for file in files][1] == ("draft", draft)
    (sums,) = FORMATS["sha256sums"].write(chosen, drafting.folder)
    assert sums.text.splitlines()[1].endswith("  models/tiny/mtp-tiny.gguf")


def test_add_takes_it_as_a_flag_or_a_uri(synced: Cli) -> None:
    """`--draft` alone is the one beside the model; with a URI, that one."""
    synced.repo.commit({HEAD: MTP})
    synced("add", "a", f"hf:{REPO}:Q8_0", "--draft")
    synced("add", "b", f"hf:{REPO}:Q8_0", "--draft", f"hf:{REPO}/{HEAD}", "--no-sync")
    text = (synced.folder / "models.toml").read_text()
    assert f'[models.a]\nuri = "hf:{REPO}:Q8_0"\ndraft = true\n' in text
    assert f'[models.b]\nuri = "hf:{REPO}:Q8_0"\ndraft = "hf:{REPO}/{HEAD}"\n' in text
    assert synced("path", "a", "--all").out.splitlines()[1].endswith("/mtp-tiny.gguf")


def test_an_old_reader_refuses_a_lock_with_a_head(
    drafting: Place, context: Context, old_version: OldVersion
) -> None:
    """It asks to be upgraded, by the lock's version; without the head the lock is of its version again."""
    project = drafting.write(WITH_HEAD)
    sync.sync(context, project)
    plain = WITH_HEAD.replace("draft = true\n", "")
    drafting.write(plain)
    done = old_version("sync", cwd=drafting.folder)
    assert done.returncode == 2
    assert "its version is 2, and this modelsync reads up to 1" in done.stderr
    assert "hint: upgrade modelsync" in done.stderr
    lock.lock(context, project, Upgrade())
    assert old_version("sync", "--locked", cwd=drafting.folder).returncode == 0


def test_a_package_ships_a_head(drafting: Place, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that is package data names a draft head as any other does."""
    lock.lock(context, drafting.write(WITH_HEAD.partition("\n")[2].partition("\n")[2]))
    package = drafting.folder / "site/shipping"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("models.toml", "models.lock"):
        shutil.move(drafting.folder / name, package / name)
    monkeypatch.syspath_prepend(package.parent)
    draft = modelsync.files("tiny", package="shipping").draft
    assert draft is not None
    assert draft.read_bytes() == MTP


def test_ensure_finds_a_head_that_was_removed(drafting: Place, context: Context) -> None:
    """A head that is gone is fetched again, as every file of the lock."""
    project = drafting.write(WITH_HEAD)
    sync.sync(context, project)
    (drafting.folder / "models/tiny/mtp-tiny.gguf").unlink()
    shutil.rmtree(context.store.root)
    from modelsync.fit import variants

    files = ensure.files(context, project, variants.find(context, project, "tiny"))
    assert files.draft is not None
    assert files.draft.read_bytes() == MTP

"""`allowed-licenses`: what is neither locked nor fetched, and what is said of it."""

import pytest

import modelsync
from modelsync.context import Context
from modelsync.errors import DriftError, LicenseRefusedError, ModelsyncError, NotFoundError
from modelsync.ops import edit, lock, outdated, path, repair, sync, up_to_date
from modelsync.ops.options import Upgrade
from modelsync.project.selection import Selection
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.manifest.edit import NewModel
from modelsync.spec.uri import parse
from tests.support.content import gguf
from tests.support.project import REPO, Opened, Place, sync_options

ALLOWED = '[modelsync]\ndir = "models"\nallowed-licenses = ["Apache-2.0", "mit"]\n[models]\n'
TINY = f'tiny = "hf:{REPO}:Q4_K_M"\n'


def refusals(raised: pytest.ExceptionInfo[ModelsyncError]) -> dict[str | None, ModelsyncError]:
    """The errors of a call by model; all are about licenses."""
    errors = raised.value.errors
    assert all(isinstance(error, LicenseRefusedError) for error in errors), errors
    return {error.model: error for error in errors}


def locked(place: Place, name: str = "tiny") -> LockedModel:
    """A model in the lock."""
    lock_now = place.project.loaded().lock
    assert lock_now is not None
    model = lock_now.find(name)
    assert model is not None
    return model


def test_what_is_not_allowed_is_neither_locked_nor_fetched(place: Place, context: Context) -> None:
    """All are told at once, each with its license, its page and what mends it; the lock is not written."""
    place.hub.repo("user/gpl", license="gpl-3.0").commit({"m-Q4_K_M.gguf": gguf("a")})
    place.hub.repo("user/none", license=None).commit({"m-Q4_K_M.gguf": gguf("b")})
    place.hub.repo("user/own", license="other").commit({"m-Q4_K_M.gguf": gguf("c")})
    project = place.write(
        ALLOWED
        + TINY
        + 'gpl = "hf:user/gpl:Q4_K_M"\nnone = "hf:user/none:Q4_K_M"\nown = "hf:user/own:Q4_K_M"\n'
    )
    with pytest.raises(LicenseRefusedError) as raised:
        lock.lock(context, project)
    told = refusals(raised)
    assert sorted(map(str, told)) == ["gpl", "none", "own"]
    assert told["gpl"].message == (
        "models.toml:6: gpl: its license is gpl-3.0, which allowed-licenses does not have: "
        "see https://huggingface.co/user/gpl"
    )
    assert told["gpl"].hint == (
        'add "gpl-3.0" to allowed-licenses under [modelsync] if your project accepts it; or name another model'
    )
    assert "its license is not known: its source says none: see https://huggingface.co/user/none" in str(
        told["none"]
    )
    assert 'under [models.none]: license = "LicenseRef-NAME"' in str(told["none"].hint)
    assert "its source says other" in str(told["own"])
    assert not project.lock_path.exists()
    assert place.hub.seen(match="*.gguf") == []


def test_a_statement_counts_where_the_hub_names_none(place: Place, context: Context) -> None:
    """A license on the list, or a person's own decision; it is no part of the request, so no lock is stale for it."""
    place.repo.license = None
    table = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n'
    project = place.write(ALLOWED.replace("[models]\n", table))
    with pytest.raises(LicenseRefusedError):
        sync.sync(context, project)
    for stated in ("LicenseRef-contract-7", "MIT"):
        sync.sync(context, place.write(ALLOWED.replace("[models]\n", f'{table}license = "{stated}"\n')))
        assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").exists()
        assert stated not in place.lock_text
    with pytest.raises(LicenseRefusedError, match=r"is gpl-3\.0, as it is stated, which allowed-licenses"):
        sync.sync(context, place.write(ALLOWED.replace("[models]\n", f'{table}license = "gpl-3.0"\n')))


def test_a_statement_never_overrides_a_published_license(place: Place, context: Context) -> None:
    """What the hub publishes counts, whatever a manifest says."""
    place.repo.license = "gpl-3.0"
    project = place.write(
        ALLOWED.replace("[models]\n", f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nlicense = "LicenseRef-x"\n')
    )
    with pytest.raises(LicenseRefusedError, match=r"its license is gpl-3\.0, which"):
        sync.sync(context, project)


def test_a_variant_of_the_same_repo_has_the_statement_of_its_model(place: Place, context: Context) -> None:
    """One of another repo has not: a person has read the terms of the one."""
    place.repo.license = None
    place.hub.repo("user/else", license=None).commit({"m-Q8_0.gguf": gguf("c")})
    base = ALLOWED.replace("[models]\n", f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nlicense = "mit"\n')
    variant = f'{base}[models.tiny.variants.big]\nuri = "hf:{REPO}:Q8_0"\n'
    lock.lock(context, place.write(variant))
    with pytest.raises(LicenseRefusedError) as raised:
        lock.lock(context, place.write(variant.replace(f"{REPO}:Q8_0", "user/else:Q8_0")))
    assert list(refusals(raised)) == ["tiny [big]"]
    assert "under [models.tiny.variants.big]:" in str(raised.value.hint)


def test_a_lock_that_has_it_already_is_no_way_around(place: Place, context: Context, opened: Opened) -> None:
    """A list that a project gets later, `--frozen` and `path` too: the one is refused, the others come."""
    place.hub.repo("user/gpl", license="gpl-3.0").commit({"m-Q4_K_M.gguf": gguf("a")})
    models = TINY + 'gpl = "hf:user/gpl:Q4_K_M"\n'
    project = place.write(f'[modelsync]\ndir = "models"\n[models]\n{models}')
    lock.lock(context, project)
    before = place.lock_text
    project = place.write(ALLOWED + models)
    for options in (sync_options(), sync_options(frozen=True), sync_options(locked=True)):
        with pytest.raises(LicenseRefusedError) as raised:
            sync.sync(context, project, options)
        assert list(refusals(raised)) == ["gpl"]
        assert [each.name for each in (place.folder / "models").iterdir() if each.is_dir()] == ["tiny"]
    assert place.hub.seen(match="*/m-Q4_K_M.gguf") == []
    assert not up_to_date.nothing_to_do(context, project, None)
    with pytest.raises(LicenseRefusedError, match="gpl: its license"):
        path.files(context, "gpl", lambda: project)
    assert path.files(context, "tiny", lambda: project).model.exists()
    for call in (lock.lock, lambda *both: lock.check(both[1]), lock.verify):
        with pytest.raises(LicenseRefusedError) as raised:
            call(context, project)
        assert list(refusals(raised)) == ["gpl"]
    assert place.lock_text == before
    sync.sync(context, project, sync_options(["tiny"]))  # what is not asked for is not refused


def test_what_is_here_and_refused_stays(place: Place, context: Context) -> None:
    """A file that a person has is not removed by a list."""
    project = place.write(f'[modelsync]\ndir = "models"\n[models]\n{TINY}')
    sync.sync(context, project)
    place.write(ALLOWED.replace('"Apache-2.0", ', "") + TINY)
    with pytest.raises(LicenseRefusedError):
        sync.sync(context, project)
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").exists()


def test_a_refused_upgrade_keeps_the_old_row(place: Place, context: Context) -> None:
    """New bytes under another license are not taken; other bytes, or a card alone, whose license is allowed are."""
    project = place.write(ALLOWED + TINY)
    lock.lock(context, project)
    before = place.lock_text
    place.repo.license = "gpl-3.0"
    place.repo.commit({"README.md": b"# under another license"})
    lock.lock(context, project, Upgrade(every_model=True))  # the pin stays, and what it was published under
    assert place.lock_text == before
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    with pytest.raises(LicenseRefusedError, match=r"tiny: its license is gpl-3\.0"):
        lock.lock(context, project, Upgrade(every_model=True))
    assert place.lock_text == before
    sync.sync(context, project)
    (row,) = outdated.outdated(context, project).models
    assert (row.change.action, row.change.after and row.change.after.license) == ("updated", "gpl-3.0")


def test_add_takes_none_that_is_not_allowed(place: Place, context: Context) -> None:
    """The manifest is as it was; another model that is refused is no reason not to add or to remove."""
    place.hub.repo("user/gpl", license="gpl-3.0").commit({"m-Q4_K_M.gguf": gguf("a")})
    project = place.write(ALLOWED + TINY)
    text = project.read_manifest_text()
    with pytest.raises(LicenseRefusedError):
        edit.add(context, project, NewModel("gpl", parse("hf:user/gpl:Q4_K_M")))
    assert project.read_manifest_text() == text
    lock.lock(context, place.write('[models]\ngpl = "hf:user/gpl:Q4_K_M"\n'))
    project = place.write(ALLOWED + 'gpl = "hf:user/gpl:Q4_K_M"\n')
    edit.add(context, project, NewModel("tiny", parse(f"hf:{REPO}:Q4_K_M")))
    edit.remove(context, project, ["gpl"])
    assert lock.check(project).find("tiny") is not None


def test_a_companion_of_another_repo_has_a_license_of_its_own(place: Place, context: Context) -> None:
    """It is in its row, compared with upstream, and refused as a model's is."""
    adapters = place.hub.repo("user/lora", license="cc-by-nc-4.0")
    adapters.commit({"a.gguf": gguf("lora")})
    table = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = ["hf:user/lora/a.gguf"]\n'
    project = place.write(table)
    lock.lock(context, project)
    assert [file.license for file in locked(place).files] == [None, "cc-by-nc-4.0"]
    assert "version = 1\n" in place.lock_text
    written = place.lock_text
    lock.lock(context, project, Upgrade(every_model=True))
    assert place.lock_text == written

    with pytest.raises(LicenseRefusedError) as raised:
        sync.sync(context, place.write(ALLOWED.replace("[models]\n", table)), sync_options(frozen=True))
    assert raised.value.message == (
        "models.toml:4: tiny: the license of a.gguf, its lora, is cc-by-nc-4.0, which allowed-licenses does not have: "
        "see https://huggingface.co/user/lora"
    )

    project = place.write(table)
    (place.folder / "models.lock").write_text(written.replace("cc-by-nc-4.0", "mit"))
    with pytest.raises(DriftError, match=r"a\.gguf has license mit in the lock, cc-by-nc-4\.0 upstream"):
        lock.verify(context, project)


def test_a_lock_from_before_licenses_of_companions(place: Place, context: Context) -> None:
    """Unknown there, and so refused; `lock --verify` has nothing against it, and an upgrade writes it."""
    place.hub.repo("user/lora", license="mit").commit({"a.gguf": gguf("lora")})
    table = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = ["hf:user/lora/a.gguf"]\n'
    lock.lock(context, place.write(table))
    whole = place.lock_text
    old = whole.replace(', license = "mit"', "")
    assert old != whole
    (place.folder / "models.lock").write_text(old)
    lock.verify(context, place.project)
    place.hub.repo("user/lora").commit({"README.md": b"# words"})  # its pin stays
    project = place.write(ALLOWED.replace("[models]\n", table))
    with pytest.raises(LicenseRefusedError) as raised:
        lock.lock(context, project)
    assert "`modelsync lock -P tiny` asks for it" in str(raised.value.hint)
    lock.lock(context, project, Upgrade(models=["tiny"]))
    assert place.lock_text == whole


def test_a_companion_without_commits_is_not_known(place: Place, context: Context) -> None:
    """A local adapter has no license that anyone publishes: the statement of its entry holds for it."""
    (place.folder / "a.gguf").write_bytes(gguf("lora"))
    table = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = ["file:a.gguf"]\n'
    with pytest.raises(LicenseRefusedError, match=r"the license of a\.gguf, its lora, is not known"):
        lock.lock(context, place.write(ALLOWED.replace("[models]\n", table)), dry_run=True)
    lock.lock(context, place.write(ALLOWED.replace("[models]\n", f'{table}license = "LicenseRef-ours"\n')))


def test_the_projector_beside_the_model_has_the_models_license(place: Place, context: Context) -> None:
    """What is of the same commit needs none of its own."""
    place.repo.commit({"mmproj-F16.gguf": gguf("p")})
    table = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nmmproj = true\n'
    lock.lock(context, place.write(ALLOWED.replace("[models]\n", table)))
    assert [file.license for file in locked(place).files] == [None, None]


def test_a_model_that_names_several_licenses(place: Place, context: Context) -> None:
    """All of them have to be allowed, however many a card names: none is hidden behind the others."""
    place.repo.license = ["mit"] * 8 + ["gpl-3.0"]  # type: ignore[assignment]
    with pytest.raises(LicenseRefusedError, match=r"its license is gpl-3\.0, which"):
        lock.lock(context, place.write(ALLOWED + TINY))
    place.repo.license = ["mit", "apache-2.0"]  # type: ignore[assignment]
    place.repo.commit({"README.md": b"# words"})
    sync.sync(context, place.project)
    assert locked(place).license == "mit, apache-2.0"


def test_a_check_and_a_dry_run_say_it_too(place: Place, context: Context) -> None:
    """Nothing is written, and the status is that of a refusal."""
    place.repo.license = "gpl-3.0"
    project = place.write(f'[modelsync]\ndir = "models"\n[models]\n{TINY}')
    sync.sync(context, project)
    project = place.write(ALLOWED + TINY)
    for options in (
        sync_options(check=True),
        sync_options(dry_run=True),
        sync_options(["tiny"], frozen=True),
    ):
        with pytest.raises(LicenseRefusedError) as raised:
            sync.sync(context, project, options)
        assert raised.value.exit_code == 1


def test_a_repair_fetches_none_that_is_not_allowed(place: Place, context: Context) -> None:
    """It brings what is missing, and so must refuse as a sync does; others are repaired, and what is whole stays."""
    place.hub.repo("user/gpl", license="gpl-3.0").commit({"m-Q4_K_M.gguf": gguf("a")})
    models = TINY + 'gpl = "hf:user/gpl:Q4_K_M"\n'
    lock.lock(context, place.write(f"[models]\n{models}"))
    project = place.write(ALLOWED + models)
    done = repair.repair(context, project)
    assert isinstance(done.error, LicenseRefusedError)
    assert [each.model for each in done.error.errors] == ["gpl"]
    assert {row.name: row.status for row in done.rows} == {"tiny": "repaired", "gpl": "missing"}
    assert place.hub.seen(match="*/m-Q4_K_M.gguf") == []
    again = repair.repair(context, project)
    assert isinstance(again.error, LicenseRefusedError)
    assert repair.repair(context, project, Selection(["tiny"])).error is None


def test_a_repair_leaves_a_whole_file_alone(place: Place, context: Context) -> None:
    """A list refuses what would be fetched, not what is here and right."""
    project = place.write(f'[modelsync]\ndir = "models"\n[models]\n{TINY}')
    sync.sync(context, project)
    project = place.write(ALLOWED.replace('"Apache-2.0", ', "") + TINY)
    assert repair.repair(context, project).error is None


def test_a_program_reads_the_licenses(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`modelsync.licenses()` refuses nothing, and says of each model what `lock` and `sync` do."""
    place.hub.repo("user/gpl", license="gpl-3.0", gated="manual").commit({"m-Q4_K_M.gguf": gguf("a")})
    table = '[models.gpl]\nuri = "hf:user/gpl:Q4_K_M"\ngroups = ["big"]\n'
    place.write(f"[models]\n{TINY}{table}")
    modelsync.lock(manifest=place.folder)
    place.write(ALLOWED + TINY + table)
    monkeypatch.chdir(place.folder)
    report = modelsync.licenses()
    assert isinstance(report, modelsync.LicensesReport)
    assert [(row.name, row.license, row.allowed, row.gated) for row in report.rows] == [
        ("tiny", "apache-2.0", True, False),
        ("gpl", "gpl-3.0", False, True),
    ]
    assert [row.name for row in modelsync.licenses(only_groups=["big"]).rows] == ["gpl"]
    place.hub.clear()
    (tiny,) = modelsync.licenses("tiny", offline=True).rows
    assert tiny.gated is None
    assert place.hub.seen() == []
    with pytest.raises(NotFoundError, match="tniy"):
        modelsync.licenses("tniy")


def test_a_pull_reads_no_manifest(place: Place, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person fetches by its URI is no model of the project in whose folder that happens."""
    place.hub.repo("user/gpl", license="gpl-3.0").commit({"m-Q4_K_M.gguf": gguf("a")})
    place.write(ALLOWED + TINY)
    monkeypatch.chdir(place.folder)
    (files,) = modelsync.pull("hf:user/gpl:Q4_K_M")
    assert files.model.read_bytes() == gguf("a")

"""One model that cannot be had keeps no other from being here."""

import pytest

from modelsync.context import Context
from modelsync.errors import DiskFullError, ModelsyncError, NotFoundError
from modelsync.install.report import SyncReport
from modelsync.ops import lock, outdated, path, pull, sync
from modelsync.ops.options import Upgrade
from modelsync.project.project import Project
from modelsync.system import disks
from tests.hub import Corrupt, Delay, Status
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.project import LINKED, MANIFEST, REPO, Opened, Place, actions, sync_options

BOTH = LINKED + 'broken = "hf:user/broken:Q4_K_M"\n'


def here(context: Context, project: Project, name: str) -> bytes:
    """The bytes that `path --offline` gives."""
    return path.files(context, name, lambda: project, download=False).model.read_bytes()


def test_an_upgrade_without_room_keeps_the_old_lock_and_file(
    place: Place, context: Context, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sync -U` on a full disk: the model that does not fit stays as it was, the other one is brought."""
    place.repo.commit({"big-BF16.gguf": gguf("old big", 4000)})
    project = place.write(LINKED + f'big = "hf:{REPO}/big-BF16.gguf"\n')
    sync.sync(context, project)
    old = {name: here(context, project, name) for name in ("tiny", "big")}
    place.repo.commit({"big-BF16.gguf": gguf("new big", 90_000), "tiny-Q4_K_M.gguf": gguf("new", 3100)})
    monkeypatch.setattr(disks, "free_bytes", lambda _: disks.RESERVE + 50_000)
    with pytest.raises(DiskFullError, match="big") as error:
        sync.sync(opened(), project, sync_options(upgrade=True))
    assert [one.model for one in error.value.errors] == ["big"], error.value.errors
    report = error.value.report
    assert isinstance(report, SyncReport)
    assert actions(report) == [("tiny", "updated")]
    assert here(opened(), project, "big") == old["big"]
    assert here(opened(), project, "tiny") != old["tiny"]
    monkeypatch.undo()
    lock.check(project)


def test_a_direct_url_is_not_read_where_the_project_s_disk_is_full(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of a URL has to read the file: not a byte of it is asked for before the disks were looked at."""
    url = place.hub.file("/big.gguf", gguf("big", 90_000))
    project = place.write(f'[modelsync]\ndir = "models"\n[models]\nbig = "{url}"\n')
    monkeypatch.setattr(disks, "free_bytes", lambda at: 10_000 if at == place.folder / "models" else 1 << 40)
    monkeypatch.setattr(disks, "device", lambda at: int(at == place.folder / "models"))
    with pytest.raises(DiskFullError, match="big"):
        sync.sync(context, project)
    assert sum(seen.sent for seen in place.hub.seen(match="*big.gguf", method="GET")) < 5000


def test_an_entry_that_cannot_be_resolved_keeps_its_place(
    place: Place, context: Context, opened: Opened
) -> None:
    """The others are upgraded and linked; the error names the model and its line in the manifest."""
    broken = place.hub.repo("user/broken")
    broken.commit({"broken-Q4_K_M.gguf": gguf("b")})
    project = place.write(BOTH)
    sync.sync(context, project)
    old = here(context, project, "broken")
    broken.disabled = True
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    with pytest.raises(NotFoundError, match=r"^models\.toml:5: broken: ") as error:
        sync.sync(opened(), project, sync_options(upgrade=True))
    assert isinstance(error.value.report, SyncReport)
    assert actions(error.value.report) == [("tiny", "updated")]
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").read_bytes() == gguf("new")
    assert here(opened(), project, "broken") == old
    lock.check(project)
    with pytest.raises(NotFoundError) as said:
        outdated.outdated(opened(), project)
    assert said.value.report is not None


def test_a_new_entry_that_cannot_be_resolved_leaves_the_lock(
    place: Place, context: Context, opened: Opened
) -> None:
    """What the old lock has is synced; the lock is not written; all errors are told at once."""
    project = place.write(LINKED)
    lock.lock(context, project)
    before = place.lock_text
    place.write(BOTH + 'another = "hf:user/another:Q4_K_M"\n')
    with pytest.raises(ModelsyncError, match="another") as error:
        sync.sync(opened(), place.project)
    assert [one.model for one in error.value.errors] == ["another", "broken"]
    assert place.lock_text == before
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").is_file()


def test_a_transfer_that_fails_leaves_the_new_lock(place: Place, context: Context, opened: Opened) -> None:
    """What arrived is linked, the lock names all of it, and the next sync brings the rest."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    place.hub.misbehave(Status(404), match="*Q8_0*", times=None)
    with pytest.raises(ModelsyncError, match=r"^other: ") as error:
        sync.sync(context, project)
    assert [one.model for one in error.value.errors] == ["other"]
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").is_file()
    lock.check(project)
    place.hub.behave()
    assert actions(sync.sync(opened(), project)) == [("other", "added")]


def test_json_has_changes_and_errors(cli: Cli) -> None:
    """One object: what was done, every error with its model, and the first one, whose status counts."""
    cli.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    cli.hub.misbehave(Corrupt(1000), match="*Q8_0*", times=None)
    done = cli("sync", "--format", "json", status=1)
    assert [change["name"] for change in done.json["changes"]] == ["tiny"]
    assert [one["name"] for one in done.json["errors"]] == ["other"]
    assert done.json["error"]["code"] == "hash-mismatch"
    assert done.json["lock_written"]


def test_one_uri_that_cannot_be_pulled_keeps_no_other(place: Place, context: Context) -> None:
    """The others are here; the error names the URI, and holds the report."""
    with pytest.raises(ModelsyncError, match="hf:user/none") as error:
        pull.pull(context, [f"hf:{REPO}:Q4_K_M", "hf:user/none:Q8_0"])
    report = error.value.report
    assert isinstance(report, pull.PullReport)
    assert [one.uri for one in report.pulled] == [f"hf:{REPO}:Q4_K_M"]
    assert report.pulled[0].files.model.read_bytes() == gguf("q4")


def test_a_lock_tells_all_errors_at_once(place: Place, context: Context) -> None:
    """Two entries that name nothing: both are told, each with its line."""
    project = place.write(MANIFEST + 'a = "hf:user/none:Q8_0"\nb = "hf:user/nil:Q8_0"\n')
    with pytest.raises(ModelsyncError) as error:
        lock.lock(context, project, Upgrade(every_model=True))
    assert [str(one.message)[:17] for one in error.value.errors] == ["models.toml:3: a:", "models.toml:4: b:"]
    assert not (place.folder / "models.lock").exists()


def test_verify_tells_all_that_is_wrong_and_all_that_cannot_be_asked(
    place: Place, context: Context, opened: Opened
) -> None:
    """A repo that is gone hides no difference of another model; each is told with its line."""
    gone = place.hub.repo("user/gone")
    gone.commit({"g-Q8_0.gguf": gguf("g")})
    url = place.hub.file("/d.gguf", gguf("d"))
    project = place.write(LINKED + f'a = "hf:user/gone:Q8_0"\nd = "{url}"\ne = "hf:{REPO}:Q8_0"\n')
    lock.lock(context, project)
    place.hub.remove("user/gone")
    place.hub.file("/d.gguf", gguf("another"))
    lines = place.lock_text.splitlines(keepends=True)
    (place.folder / "models.lock").write_text(
        "".join(line.replace("size = 5000", "size = 5001") for line in lines)
    )
    with pytest.raises(ModelsyncError) as error:
        lock.verify(opened(), place.project)
    told = [(one.model, one.code, one.message.partition(": ")[0]) for one in error.value.errors]
    assert told == [
        ("a", "not-found", "models.toml:5"),
        ("d", "drift", "models.toml:6"),
        ("e", "drift", "models.toml:7"),
    ]


def test_a_repo_that_is_gone_keeps_no_other_from_being_fetched(
    place: Place, context: Context, opened: Opened
) -> None:
    """A fresh lock, an empty store, one dead repo: the other models are linked, and the one is told."""
    gone = place.hub.repo("user/gone")
    gone.commit({"g-Q8_0.gguf": gguf("g")})
    project = place.write(LINKED + f'a = "hf:user/gone:Q8_0"\nz = "hf:{REPO}:Q8_0"\n')
    lock.lock(context, project)
    place.hub.remove("user/gone")
    with pytest.raises(ModelsyncError, match="user/gone") as error:
        sync.sync(opened(), project)
    assert [one.model for one in error.value.errors] == ["a"]
    assert isinstance(error.value.report, SyncReport)
    assert actions(error.value.report) == [("tiny", "added"), ("z", "added")]
    assert sorted(path.name for path in (place.folder / "models").glob("*/*.gguf")) == [
        "tiny-Q4_K_M.gguf",
        "tiny-Q8_0.gguf",
    ]


def test_an_add_whose_sync_fails_has_changes_and_errors(cli: Cli) -> None:
    """The lock is written and says so; the model that did not come is an error and no change."""
    cli.hub.misbehave(Corrupt(1000), match="*Q8_0*", times=None)
    done = cli("add", "other", f"hf:{REPO}:Q8_0", "--format", "json", status=1)
    assert [change["name"] for change in done.json["changes"]] == ["tiny"]
    assert [one["name"] for one in done.json["errors"]] == ["other"]
    assert done.json["error"]["code"] == "hash-mismatch"
    assert done.json["lock_written"]
    assert "other" in cli.lock.read_text()


def test_outdated_and_verify_give_rows_and_errors(cli: Cli) -> None:
    """One dead repo: `outdated` has the row of the other model, `lock --verify` the error alone; both exit with 1."""
    gone = cli.hub.repo("user/gone")
    gone.commit({"g-Q8_0.gguf": gguf("g")})
    cli.write(LINKED + 'a = "hf:user/gone:Q8_0"\n')
    cli("lock")
    cli.hub.remove("user/gone")
    cli.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    done = cli("outdated", "--format", "json", status=1)
    assert [row["name"] for row in done.json["rows"]] == ["tiny"]
    assert [one["name"] for one in done.json["errors"]] == ["a"]
    assert "models.toml:5: a: " in done.json["error"]["message"]
    done = cli("lock", "--verify", "--format", "json", status=1)
    assert (done.json["changes"], done.json["written"]) == ([], False)
    assert [one["name"] for one in done.json["errors"]] == ["a"]
    words = cli("outdated", status=1)
    assert words.out.startswith(" ~ tiny  ")
    assert "error: models.toml:5: a: " in words.err


def test_an_error_of_two_models_is_told_of_both(place: Place, context: Context, opened: Opened) -> None:
    """Two models ask one dead repo at once, or want one file that is gone: each is told, by its own name and line."""
    gone = place.hub.repo("user/gone")
    gone.commit({"g-Q8_0.gguf": gguf("g"), "g-Q4_0.gguf": gguf("g4")})
    entries = 'a = "hf:user/gone:Q8_0"\nb = "hf:user/gone:Q4_0"\nc = "hf:user/gone/g-Q8_0.gguf"\n'
    project = place.write(LINKED + entries)
    lock.lock(context, project)
    place.hub.misbehave(Delay(0.2), where="hub", match="*/revision/*", times=None)
    place.hub.remove("user/gone")
    for ask in (
        lambda: lock.lock(opened(), project, Upgrade(every_model=True)),
        lambda: lock.verify(opened(), project),
        lambda: outdated.outdated(opened(), project),
    ):
        with pytest.raises(ModelsyncError) as error:
            ask()
        told = [(one.model, str(one)[:17]) for one in error.value.errors]
        assert told == [(name, f"models.toml:{line}: {name}:") for line, name in enumerate("abc", 5)]
    with pytest.raises(ModelsyncError) as error:
        sync.sync(opened(), project)
    assert [(one.model, one.message[:3]) for one in error.value.errors] == [
        (name, f"{name}: ") for name in "abc"
    ]

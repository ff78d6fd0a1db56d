"""Repos that change under a lock: commits without new bytes, rewritten history, new owners."""

import pytest

from modelsync.context import Context
from modelsync.errors import NotFoundError, RefusedError
from modelsync.ops import estimate, inspect, lock, outdated, pull, sync
from modelsync.ops.options import Upgrade
from tests.hub import Status
from tests.support.content import gguf
from tests.support.project import LINKED, MANIFEST, QUANTS, REPO, Opened, Place, actions, sync_options
from tests.support.quant_files import quant

ALL = Upgrade(every_model=True)
README = {"README.md": b"# words"}


def test_a_commit_without_new_bytes_moves_no_pin(place: Place, context: Context) -> None:
    """`lock -U` leaves the lock as it is, byte for byte, and says which pins stayed; `--repin` moves them."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    before = place.lock_text
    newer = place.repo.commit({**README, "tiny-Q8_0.gguf": gguf("another quant")})
    report = lock.lock(context, project, ALL)
    assert [change.action for change in report.changes] == ["unchanged"]
    (stayed,) = report.unmoved
    assert stayed.before is not None
    assert stayed.after is not None
    assert (stayed.before.revision, stayed.after.revision) == (place.commit, newer)
    assert not report.written
    assert place.lock_text == before
    for repin in (Upgrade(repin=True), Upgrade(models=["tiny"], repin=True)):
        moved = lock.lock(context, project, repin, dry_run=True)
        assert [change.action for change in moved.changes] == ["updated"]
    assert lock.lock(context, project, Upgrade(repin=True)).lock.models[0].revision == newer


def test_each_repo_keeps_its_own_pin(place: Place, context: Context, opened: Opened) -> None:
    """A new adapter moves the adapter's commit, and not the model's whose repo got a README; the other way too."""
    adapter = place.hub.repo("user/adapter")
    first = adapter.commit({"adapter.gguf": gguf("lora")})
    project = place.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = ["hf:user/adapter"]\n')
    lock.lock(context, project)
    place.repo.commit(README)
    second = adapter.commit({"adapter.gguf": gguf("new lora")})
    (model,) = lock.lock(opened(), project, ALL).lock.models
    assert (model.revision, model.files[1].revision) == (place.commit, second)
    lock.verify(opened(), project)
    adapter.commit(README)
    newer = place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    (model,) = lock.lock(opened(), project, ALL).lock.models
    assert (model.revision, model.files[1].revision) == (newer, second)
    assert first not in place.lock_text
    lock.verify(opened(), project)


def test_a_companion_beside_the_model_moves_with_it(place: Place, context: Context, opened: Opened) -> None:
    """What is of one repo and one commit stays of one commit."""
    place.repo.commit({"mmproj-F16.gguf": gguf("projector")})
    project = place.write(f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nmmproj = true\n')
    lock.lock(context, project)
    newer = place.repo.commit({"mmproj-F16.gguf": gguf("new projector")})
    (model,) = lock.lock(opened(), project, ALL).lock.models
    assert model.revision == newer
    assert [file.revision for file in model.files] == [None, None]


def test_a_pin_whose_commit_vanished_moves(place: Place, context: Context, opened: Opened) -> None:
    """The same bytes at another commit: where the old one is gone, the lock takes the new one."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    squashed = place.repo.squash()
    report = lock.lock(opened(), project, ALL)
    assert [change.action for change in report.changes] == ["updated"]
    assert report.lock.models[0].revision == squashed


def test_a_sync_finds_the_same_bytes_at_the_request_s_revision(
    place: Place, context: Context, opened: Opened
) -> None:
    """After a squash the bytes are fetched, the lock stays as it is, and a note says what settles it."""
    project = place.write(LINKED)
    lock.lock(context, project)
    before = place.lock_text
    squashed = place.repo.squash()
    report = sync.sync(opened(), project)
    assert (place.folder / "models/tiny/tiny-Q4_K_M.gguf").read_bytes() == QUANTS["tiny-Q4_K_M.gguf"]
    assert place.lock_text == before
    (note,) = report.notes
    assert squashed[:7] in note
    assert "modelsync lock --upgrade" in note
    upgraded = sync.sync(opened(), project, sync_options(upgrade=True))
    assert actions(upgraded) == [("tiny", "updated")]
    assert upgraded.notes == ()
    assert upgraded.bytes_fetched == 0


def test_a_header_is_read_at_the_request_s_revision(place: Place, context: Context, opened: Opened) -> None:
    """`inspect` and `estimate` look there too, where the commit of the lock is gone, and say so once."""
    place.repo.commit({"tiny-Q4_K_M.gguf": quant("Q4_K_M")})
    project = place.write(MANIFEST)
    lock.lock(context, project)
    squashed = place.repo.squash()
    heard: list[str] = []
    other = opened(warn=heard.append)
    assert inspect.inspect(other, "tiny", lambda: project).architecture == "llama"
    estimate.estimate(other, "tiny", lambda: project)
    (words,) = heard
    assert squashed[:7] in words
    assert "modelsync lock --upgrade" in words


def test_a_header_of_other_bytes_is_no_substitute(place: Place, context: Context, opened: Opened) -> None:
    """Where the branch has another model under the path, `inspect` names the commit that is gone."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": quant("Q4_K_M")})
    place.repo.squash()
    with pytest.raises(NotFoundError, match=place.commit):
        inspect.inspect(opened(), "tiny", lambda: project)


def test_pieces_and_companions_of_a_vanished_commit_are_found(
    place: Place, context: Context, opened: Opened
) -> None:
    """Each by its own request: the pieces at the model's branch, the adapter at its own."""
    whole = gguf("pieces", 4000)
    parts = {"big.Q8_0.gguf.part1of2": whole[:2500], "big.Q8_0.gguf.part2of2": whole[2500:]}
    big, adapter = place.hub.repo("user/big"), place.hub.repo("user/adapter")
    big.commit(parts, branch="dev", lfs=True)
    adapter.commit({"adapter.gguf": gguf("lora")}, lfs=False)
    project = place.write(
        '[models.big]\nuri = "hf:user/big/big.Q8_0.gguf.part1of2"\nrevision = "dev"\n'
        'loras = ["hf:user/adapter"]\n'
    )
    first = opened()
    locked = lock.lock(first, project).lock
    for file in locked.models[0].files:
        first.store.blob_path(file.sha256).unlink()
    big.squash("dev")
    adapter.squash()
    report = sync.sync(opened(), project)
    assert len(report.notes) == 2
    assert first.store.blob_path(locked.models[0].files[0].sha256).read_bytes() == whole


def test_other_bytes_are_no_substitute(place: Place, context: Context, opened: Opened) -> None:
    """Where the branch has other bytes under the path, the error names the commit and the command that settles it."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("other")})
    place.repo.squash()
    with pytest.raises(NotFoundError, match=place.commit) as error:
        sync.sync(opened(), project)
    assert "modelsync lock --upgrade" in str(error.value.hint)
    assert place.hub.seen("cdn") == []


def test_a_hub_s_own_404_for_all_is_told_as_it_is(place: Place, context: Context, opened: Opened) -> None:
    """Where the file is listed at its commit and not given, nothing else is tried."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    place.hub.misbehave(Status(404), where="hub", match="*/resolve/*", times=None)
    with pytest.raises(NotFoundError, match="tiny"):
        sync.sync(opened(), project)


def test_a_repo_of_another_owner_is_refused(place: Place, context: Context, opened: Opened) -> None:
    """A hub leads from the old name to whoever has the repo now: the manifest has to name that."""
    project = place.write(LINKED)
    lock.lock(context, project)
    before = place.lock_text
    place.hub.rename(REPO, "stranger/tiny-GGUF")
    for ask in (
        lambda: lock.lock(opened(), project, ALL),
        lambda: outdated.outdated(opened(), project),
        lambda: sync.sync(opened(), project, sync_options(upgrade=True)),
        lambda: pull.pull(opened(), [f"hf:{REPO}:Q8_0"]),
    ):
        with pytest.raises(RefusedError, match="stranger/tiny-GGUF") as error:
            ask()
        assert f"hf:stranger/tiny-GGUF in the place of hf:{REPO}" in str(error.value.hint)
        assert error.value.exit_code == 1
    assert place.lock_text == before
    place.write(LINKED.replace(REPO, "stranger/tiny-GGUF"))
    assert lock.lock(opened(), place.project).written


def test_what_was_locked_before_a_repo_changed_hands_is_still_had(
    place: Place, context: Context, opened: Opened
) -> None:
    """The commit and the digest decide, whoever has the repo: `sync` fetches, and `lock --verify` agrees."""
    project = place.write(LINKED)
    lock.lock(context, project)
    place.hub.rename(REPO, "stranger/tiny-GGUF")
    lock.verify(opened(), project)
    assert actions(sync.sync(opened(), project)) == [("tiny", "added")]


def test_outdated_tells_the_cost(place: Place, context: Context, opened: Opened) -> None:
    """What this machine lacks, what it has whole, and what older files may have; same bytes apart."""
    other = place.hub.repo("user/other")
    other.commit({"o-Q8_0.gguf": gguf("o", 4000)})
    project = place.write(LINKED + f'eight = "hf:{REPO}:Q8_0"\nother = "hf:user/other:Q8_0"\n')
    sync.sync(context, project)
    other.commit({"o-Q8_0.gguf": QUANTS["tiny-Q8_0.gguf"]})
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new", 3500)})
    place.hub.clear()
    report = outdated.outdated(opened(), project)
    told = {one.change.name: (one.change.bytes, one.reused, one.reusable) for one in report.models}
    assert told == {"eight": (0, 0, 0), "other": (0, 5000, 0), "tiny": (3500, 0, 3000)}
    assert [one.change.name for one in report.models if one.same_bytes] == ["eight"]
    assert place.hub.seen("cdn") == []


def test_outdated_asks_about_the_names_alone(place: Place, context: Context, opened: Opened) -> None:
    """The other repos are not asked, one that the lock lacks and one that is gone among them."""
    gone = place.hub.repo("user/gone")
    gone.commit({"g-Q8_0.gguf": gguf("g")})
    project = place.write(LINKED + 'gone = "hf:user/gone:Q8_0"\n')
    lock.lock(context, project)
    place.hub.remove("user/gone")
    project = place.write(LINKED + 'gone = "hf:user/gone:Q8_0"\nnew = "hf:user/none:Q8_0"\n')
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    place.hub.clear()
    report = outdated.outdated(opened(), project, ["tiny"])
    assert [(one.change.name, one.change.action) for one in report.models] == [("tiny", "updated")]
    assert report.asked == 1
    assert place.hub.seen(match="*gone*") == place.hub.seen(match="*none*") == []
    with pytest.raises(NotFoundError, match="tinny"):
        outdated.outdated(opened(), project, ["tinny"])

"""The lock: what it pins, when it moves, and that it tells the truth."""

import pytest

from modelsync.context import Context
from modelsync.errors import (
    DriftError,
    LockfileError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from modelsync.ops import lock, outdated
from modelsync.ops.options import Upgrade
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO, Opened, Place


def test_a_lock_pins_commit_size_and_hash(place: Place, context: Context) -> None:
    """The lock names the commit, and a URL of that commit at the canonical hub, never the endpoint that was asked."""
    report = lock.lock(context, place.write(MANIFEST))
    (model,) = report.lock.models
    (file,) = model.files
    assert report.written
    assert [change.action for change in report.changes] == ["added"]
    assert model.revision == place.commit
    assert file.size == 3000
    assert file.url == f"https://huggingface.co/{REPO}/resolve/{place.commit}/tiny-Q4_K_M.gguf"
    assert place.hub.endpoint not in place.lock_text


def test_the_lock_is_the_same_bytes_on_every_machine(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    """The same request at the same upstream gives the same bytes, whoever locks, through whatever endpoint."""
    lock.lock(context, place.write(MANIFEST))
    first = place.lock_text
    (place.folder / "models.lock").unlink()
    monkeypatch.delenv("HF_ENDPOINT")
    monkeypatch.setenv("MODEL_ENDPOINT", place.hub.endpoint + "/")
    monkeypatch.setenv("MODELSYNC_STORE", str(place.folder / "elsewhere"))
    lock.lock(opened(), place.project)
    assert place.lock_text == first


def test_an_upgrade_moves_what_moved(place: Place, context: Context) -> None:
    """`-U` asks about everything, `-P` about the names given; `outdated` says it without writing."""
    project = place.write(MANIFEST + f'other = "hf:{REPO}:Q8_0"\n')
    lock.lock(context, project)
    before = place.lock_text
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})

    said = outdated.outdated(context, project)
    assert {one.change.name: one.change.action for one in said.models} == {
        "tiny": "updated",
        "other": "unchanged",
    }
    assert place.lock_text == before

    named = lock.lock(context, project, Upgrade(models=["tiny"]))
    assert {change.name: change.action for change in named.changes} == {
        "tiny": "updated",
        "other": "unchanged",
    }
    everything = lock.lock(context, project, Upgrade(every_model=True))
    assert {change.name: change.action for change in everything.changes} == {
        "tiny": "unchanged",
        "other": "unchanged",
    }
    repinned = lock.lock(context, project, Upgrade(every_model=True, repin=True))
    assert {change.name: change.action for change in repinned.changes} == {
        "tiny": "unchanged",
        "other": "updated",
    }
    with pytest.raises(NotFoundError, match="tinny"):
        lock.lock(context, project, Upgrade(models=["tinny"]))


def test_a_dry_run_writes_nothing(place: Place, context: Context) -> None:
    """The report says what would change; no lock is written, and no file read."""
    report = lock.lock(context, place.write(MANIFEST), dry_run=True)
    assert [change.action for change in report.changes] == ["added"]
    assert not (place.folder / "models.lock").exists()
    assert place.hub.seen("cdn") == []


def test_all_variants_are_locked(place: Place, context: Context) -> None:
    """A variant is a model of its own in the lock, under the same name."""
    project = place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    report = lock.lock(context, project)
    assert [(m.name, m.variant, m.files[0].path) for m in report.lock.models] == [
        ("tiny", None, "tiny-Q4_K_M.gguf"),
        ("tiny", "server", "tiny-Q8_0.gguf"),
    ]


def test_verify_asks_upstream_again(place: Place, context: Context) -> None:
    """A lock that was edited is told apart from one that is merely behind."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    lock.verify(context, project)
    text = place.lock_text
    (place.folder / "models.lock").write_text(text.replace("size = 3000", "size = 3001"))
    with pytest.raises(DriftError, match="3001 bytes in the lock, 3000 upstream"):
        lock.verify(context, project)
    sha256 = lock.check(place.project).models[0].files[0].sha256
    (place.folder / "models.lock").write_text(text.replace(sha256, "1" * 64))
    with pytest.raises(DriftError, match="sha256"):
        lock.verify(context, project)


def test_an_edited_url_is_refused(place: Place, context: Context) -> None:
    """A lock whose URL is not what repo, commit and path give is refused before anything is asked."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    (place.folder / "models.lock").write_text(
        place.lock_text.replace("https://huggingface.co/", "https://evil.example/")
    )
    place.hub.clear()
    with pytest.raises(RefusedError, match=r"evil\.example"):
        lock.check(project)
    assert place.hub.seen() == []


def adapted(place: Place, *loras: str) -> str:
    """A manifest of a model with adapters, from two repos that call theirs the same."""
    for repo in ("user/one", "user/two"):
        place.hub.repo(repo).commit({"adapter.gguf": gguf(repo)})
    return f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\nloras = {list(loras)}\n'


def test_verify_holds_each_adapter_against_upstream(place: Place, context: Context) -> None:
    """Two adapters of one name from two repos are two files: a hash edited in either is seen."""
    project = place.write(adapted(place, "hf:user/one", "hf:user/two"))
    (locked,) = lock.lock(context, project).lock.models
    lock.verify(context, project)
    for file in locked.files[1:]:
        written = place.lock_text
        (place.folder / "models.lock").write_text(
            "".join(
                line.replace(f'sha256 = "{file.sha256}"', f'sha256 = "{"1" * 64}"')
                for line in written.splitlines(keepends=True)
            )
        )
        with pytest.raises(DriftError, match=r"adapter\.gguf has sha256 1111"):
            lock.verify(context, project)
        (place.folder / "models.lock").write_text(written)


def test_nothing_is_locked_that_could_not_be_read_again(place: Place, context: Context) -> None:
    """Two URIs that mean the same adapter are an error at once, not a lock that nobody can read."""
    with pytest.raises(UsageError, match=r"adapter\.gguf twice"):
        lock.lock(context, place.write(adapted(place, "hf:user/one", "hf:user/one/adapter.gguf")))
    assert not (place.folder / "models.lock").exists()


def test_a_lock_that_cannot_be_believed_says_what_mends_it(place: Place, context: Context) -> None:
    """`lock` refuses it too, for it must not move every model unasked; the hint is one that helps."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    right = place.lock_text
    (place.folder / "models.lock").write_text(right.replace("size = 3000", "size = -1"))
    with pytest.raises(LockfileError) as refused:
        lock.lock(context, project)
    assert "delete it" in str(refused.value.hint)
    (place.folder / "models.lock").unlink()
    lock.lock(context, project)
    assert place.lock_text == right


def test_verify_compares_licenses(place: Place, context: Context) -> None:
    """A license that somebody edited in the lock is a difference like a digest."""
    project = place.write(MANIFEST)
    lock.lock(context, project)
    path = place.folder / "models.lock"
    path.write_text(place.lock_text.replace('license = "apache-2.0"', 'license = "mit"'))
    with pytest.raises(DriftError, match=r"tiny: license mit in the lock, apache-2\.0 upstream"):
        lock.verify(context, project)

"""Several edits of one project at once: none is lost."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.ops import edit, lock
from modelsync.project import edit_lock
from modelsync.spec import uri
from modelsync.spec.manifest import edit as manifest_edit
from modelsync.spec.manifest.edit import NewModel
from modelsync.store import digest_lock
from tests.support.command_line import Run, python
from tests.support.project import MANIFEST, REPO, Place

NAMES = [f"model-{number}" for number in range(6)]


def new(name: str) -> NewModel:
    """A model to add."""
    return NewModel(name, uri.parse(f"hf:{REPO}:Q8_0"))


def test_six_adds_at_once_are_all_kept(place: Place) -> None:
    """Each waits for the others, sees their edits, and succeeds."""
    place.write(MANIFEST)
    words = ("-m", "modelsync", "add", "--no-sync")

    def add(name: str) -> Run:
        return python(*words, name, f"hf:{REPO}:Q8_0", folder=place.folder, variables=os.environ)

    with ThreadPoolExecutor(len(NAMES)) as pool:
        done = list(pool.map(add, NAMES))
    assert [run.status for run in done] == [0] * len(NAMES), done
    assert {entry.name for entry in place.project.loaded().manifest.entries} == {"tiny", *NAMES}
    assert lock.check(place.project)


def test_the_one_that_waits_is_told(place: Place, context: Context) -> None:
    """While another process edits the project, a word says what is waited for."""
    project = place.write(MANIFEST).loaded()
    key = edit_lock.key(project)
    said: list[str] = []
    with digest_lock.hold(context.store, key):

        def stop(words: str) -> None:
            said.append(words)
            context.cancel.set()

        with (
            pytest.raises(Exception, match="interrupted"),
            edit_lock.edit_lock(context.store, project, warn=stop, cancel=context.cancel),
        ):
            pass
    assert said == ["waiting for another modelsync in this project"]


def test_an_edit_is_done_anew_where_locks_exclude_nobody(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program writes the manifest between reading and writing: both edits are in it."""
    project = place.write(MANIFEST)
    add, calls = manifest_edit.add, 0

    def meanwhile(text: str, model: NewModel, *, force: bool) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            place.write(add(text, new("theirs")))
        return add(text, model, force=force)

    def unable(*_: object, **__: object) -> None:
        raise StoreError("no locks here")

    monkeypatch.setattr(manifest_edit, "add", meanwhile)
    monkeypatch.setattr(digest_lock, "hold", unable)
    edit.add(context, project, new("ours"))
    assert calls == 2
    assert {entry.name for entry in place.project.loaded().manifest.entries} == {"tiny", "ours", "theirs"}
    assert lock.check(place.project)


def test_a_sync_with_nothing_to_do_takes_no_lock(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the light path nor a sync that only looks claims the project."""
    from modelsync.ops import sync

    sync.sync(context, place.write(MANIFEST))
    monkeypatch.setattr(digest_lock, "hold", None)
    sync.sync(context, place.project)
    (place.folder / "models.lock").touch()
    sync.sync(context, place.project)

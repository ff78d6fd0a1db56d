"""A folder of many small files: fetched once by two that want it, and whole after a kill."""

import pickle
import signal
import sys
import threading
from pathlib import Path

import pytest

from modelsync.errors import CodeRefusedError
from modelsync.ops import path, sync
from modelsync.store import blobs
from tests.hub import Request
from tests.support.content import sha256
from tests.support.processes import python
from tests.support.project import Opened, Place, sync_options
from tests.support.transfers import held

REPO = "user/folder"
FILES = {f"parts/{number:02}.part": f"part {number}\n".encode() * 50 for number in range(20)}
MANIFEST = f'[models.folder]\nuri = "hf:{REPO}"\ninclude = ["*"]\n'

SYNC = """
import sys
from modelsync.__main__ import main
sys.argv = ["modelsync", "-q", "sync", "--frozen", "--manifest", sys.argv[1]]
main()
"""


@pytest.fixture
def locked(place: Place, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project whose lock names the files; the store is empty."""
    place.hub.repo(REPO).commit(dict(FILES))
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "locking"))
    sync.sync(opened(), place.write(MANIFEST))
    monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "store"))
    place.hub.requests.clear()
    return place


def frozen(place: Place, opened: Opened) -> None:
    sync.sync(opened(), place.project, sync_options(frozen=True))


def gets(place: Place) -> list[str]:
    return sorted(
        seen.path.rpartition("/")[2] for seen in place.hub.seen(match="*.part") if seen.status == 200
    )


def test_two_that_want_the_same_files_fetch_each_once(locked: Place, opened: Opened) -> None:
    """Both succeed; between them they ask for each file once."""
    errors: list[BaseException] = []

    def go() -> None:
        try:
            frozen(locked, opened)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    both = [threading.Thread(target=go) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert not errors
    assert gets(locked) == sorted(name.rpartition("/")[2] for name in FILES)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_in_the_middle_the_next_run_brings_the_rest(locked: Place, opened: Opened) -> None:
    """Half of the answers are held back, and the process is killed: what is here is whole, and is not fetched again."""
    some = set(sorted(FILES)[::2])
    waiting = threading.Event()

    def late(request: Request) -> bool:
        found = any(request.path.endswith(name) for name in FILES if name not in some)
        if found and len(blob_names(locked)) >= len(some):
            waiting.set()
        return found

    with held(locked.hub, late, where="hub"):
        process = python(SYNC, locked.folder / "models.toml")
        for _ in range(600):
            if len(blob_names(locked)) >= len(some) or process.poll() is not None:
                break
            waiting.wait(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    here = blob_names(locked)
    assert here == {sha256(FILES[name]) for name in some}
    locked.hub.behave()
    locked.hub.requests.clear()
    frozen(locked, opened)
    assert gets(locked) == sorted(name.rpartition("/")[2] for name in FILES if name not in some)
    folder = path.files(opened(), "folder", lambda: locked.project, download=False).folder
    assert folder is not None
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


def blob_names(place: Place) -> set[str]:
    """The digests of the blobs in the store; each has its bytes."""
    root = place.folder.parent / "store" / "blobs-v1"
    found = {one.name: one for one in root.glob("*/*")}
    assert all(sha256(one.read_bytes()) == name for name, one in found.items())
    return set(found)


def test_code_in_a_small_file_is_refused_and_the_others_come(locked: Place, opened: Opened) -> None:
    """What is in memory is looked at as what is on the disk, and nothing of it stays."""
    files = {**FILES, "model.bin": pickle.dumps({"a": [1, 2]})}
    locked.hub.repo(REPO).commit(dict(files))
    with pytest.raises(CodeRefusedError) as caught:
        sync.sync(opened(), locked.project, sync_options(upgrade=True))
    assert "model.bin" in caught.value.message
    assert blobs.find(opened().store, sha256(files["model.bin"])) is None

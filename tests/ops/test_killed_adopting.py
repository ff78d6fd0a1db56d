"""A process that is killed while it takes another tool's file: nothing of theirs changes, the next run completes."""

import sys
from pathlib import Path

import pytest

import modelsync
from modelsync.ops import sync
from modelsync.store.layout import Store
from tests.support import neighbours
from tests.support.neighbours import Wanted, snapshot
from tests.support.processes import finish, python
from tests.support.project import LINKED, QUANTS, REPO, Opened, Place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

WANTED = Wanted(QUANTS["tiny-Q4_K_M.gguf"], "tiny-Q4_K_M.gguf", REPO)

# Kills itself before its nth effect on the disk, for every n, each time in a fork with a store and a folder of its own.
EVERY_STEP = """
import os, shutil, sys
from pathlib import Path
import modelsync
from tests.support.killed import before_each_step

def work(n):
    mine = Path(sys.argv[1]) / str(n)
    mine.mkdir(parents=True)
    for name in ("models.toml", "models.lock"):
        shutil.copy(Path(sys.argv[2]) / name, mine / name)
    os.environ["MODELSYNC_STORE"] = str(mine / "store")
    return lambda: modelsync.sync(manifest=mine / "models.toml", frozen=True, offline=True)

work(0)()  # imports all that there is to import
before_each_step(work)
"""


def test_nothing_of_theirs_changes_and_the_next_run_completes(
    place: Place, opened: Opened, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each single effect on the disk; a hard link is the same file afterwards, with the same mode and times."""
    project = place.write(LINKED)
    sync.sync(opened(), project)
    (place.folder / "models").rename(tmp_path / "away")
    caches = tmp_path / "home"
    monkeypatch.setenv("HF_HOME", str(caches / ".cache" / "huggingface"))
    file = neighbours.hugging_face(caches, WANTED)
    before = snapshot(caches)
    place.hub.clear()
    (steps,) = finish(python(EVERY_STEP, tmp_path / "killed", place.folder))
    assert int(steps) > 20
    assert snapshot(caches) == before
    killed = [tmp_path / "killed" / str(n) for n in range(1, int(steps) + 1)]
    begun = [mine for mine in killed if any((mine / "store").glob(f"*-v1/{WANTED.sha256[:2]}*"))]
    for mine in begun:
        monkeypatch.setenv("MODELSYNC_STORE", str(mine / "store"))
        done = modelsync.sync(manifest=mine / "models.toml", frozen=True, offline=True)
        assert done.bytes_fetched == 0
        assert (mine / "models" / "tiny" / WANTED.path).read_bytes() == WANTED.data
        assert Store(mine / "store").blob_path(WANTED.sha256).read_bytes() == WANTED.data
        assert not [path for path in (mine / "store" / "partials-v1").rglob("*") if path.is_file()], mine.name
    assert len(begun) > 20
    assert snapshot(caches) == before
    assert file.read_bytes() == WANTED.data
    assert place.hub.requests == []

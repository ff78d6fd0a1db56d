"""A process that is killed while it gives a file to the Hugging Face cache: the cache stays good for everybody."""

import shutil
import stat
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from modelsync.caches.hub_entry import NewEntry
from modelsync.caches.hub_reclaim import reclaim
from modelsync.caches.hub_writer import HubWriter
from modelsync.store import given
from modelsync.store.layout import Store
from tests.support.content import gguf, sha256
from tests.support.neighbours import put, repo_folder, snapshot
from tests.support.processes import finish, python
from tests.support.store import publish

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

REPO, COMMIT = "user/tiny-GGUF", "c" * 40
DATA = gguf("given")
THEIRS = DATA[:-1] + b"?"

# Kills itself before its nth effect on the disk, for every n, each time in a fork.
EVERY_STEP = """
import sys
from pathlib import Path
from tests.caches.test_killed_giving import Machine
from tests.support.killed import before_each_step

before_each_step(lambda n: Machine.made(Path(sys.argv[1]) / str(n)).give)
"""


class Machine(NamedTuple):
    """A store with one blob, and a cache that is to have it."""

    store: Store
    hub: Path

    @classmethod
    def made(cls, place: Path) -> "Machine":
        """A new one."""
        machine = cls(Store(place / "store"), place / "hub")
        publish(machine.store, DATA)
        return machine

    def give(self) -> str:
        """Gives the blob; what came of it."""
        blob = self.store.blob_path(sha256(DATA))
        entry = NewEntry(REPO, COMMIT, "tiny.gguf", sha256(DATA), sha256(DATA), len(DATA), blob, "main")
        (one,) = HubWriter(self.hub, self.store).put([entry])
        return one.outcome

    @property
    def repo(self) -> Path:
        """Where the cache has the repo."""
        return repo_folder(self.hub, REPO)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of machines that were killed before each of the steps; the last one came to its end."""
    place = tmp_path_factory.mktemp("killed")
    (steps,) = finish(python(EVERY_STEP, place))
    assert int(steps) > 8
    return [place / str(n) for n in range(1, int(steps) + 1)]


def is_good(hub: Path) -> bool:
    """Whether the tools' own code has nothing against the cache, and finds nothing but right bytes."""
    from huggingface_hub import hf_hub_download, scan_cache_dir
    from huggingface_hub.errors import LocalEntryNotFoundError

    repo = repo_folder(hub, REPO)
    begun = (repo / "snapshots").is_dir()  # before that there is an empty folder, which they warn of
    assert begun or not repo.exists() or list(repo.iterdir()) == []
    there = scan_cache_dir(hub).warnings == [] if begun else True
    for revision in ("main", COMMIT):
        try:
            found = hf_hub_download(
                REPO, "tiny.gguf", revision=revision, cache_dir=hub, local_files_only=True
            )
        except LocalEntryNotFoundError:
            continue
        there = there and Path(found).read_bytes() == DATA
    return there


def test_the_cache_is_good_and_the_next_run_completes(killed: list[Path]) -> None:
    """Before each single effect on the disk: nothing wrong is found there, and the file is given in the end."""
    pytest.importorskip("huggingface_hub")
    outcomes = set()
    for place in killed:
        machine = Machine(Store(place / "store"), place / "hub")
        assert is_good(machine.hub), place.name
        outcomes.add(machine.give())
        assert is_good(machine.hub)
        assert (machine.repo / "snapshots" / COMMIT / "tiny.gguf").read_bytes() == DATA
        assert (machine.repo / "refs" / "main").read_text() == COMMIT
        assert (machine.repo / "blobs" / sha256(DATA)).samefile(machine.store.blob_path(sha256(DATA)))
    assert outcomes == {"put", "there"}


def test_what_a_killed_process_had_in_mind_is_not_taken_from_others(
    killed: list[Path], tmp_path: Path
) -> None:
    """Another program puts its own file where we meant to: the record, which is written first, does not claim it."""
    recorded = 0
    for place in killed:
        shutil.copytree(place, tmp_path / place.name, symlinks=True)
        machine = Machine(Store(tmp_path / place.name / "store"), tmp_path / place.name / "hub")
        for root in (place / "hub", machine.hub):  # the record of the copy is of its own place
            record = machine.store.root / "given-v1" / given._place(machine.store, root).name
            if root != machine.hub and record.exists():
                text = record.read_text().replace(str(place), str(machine.hub.parent))
                given._place(machine.store, machine.hub).write_text(text)
                record.unlink()
                recorded += 1
        blob = machine.repo / "blobs" / sha256(DATA)
        blob.unlink(missing_ok=True)
        put(blob, THEIRS)
        before = snapshot(machine.repo)
        assert reclaim(machine.store, lambda _: False) == 0
        after = snapshot(machine.repo)
        gone = {name: looks for name, looks in before.items() if name not in after}
        assert {**after, **gone} == before
        assert all(stat.S_ISDIR(looks.mode) for looks in gone.values())  # empty ones of ours
        assert given.read(machine.store, machine.hub).files == {}
    assert recorded > 3

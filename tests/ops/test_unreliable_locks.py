"""Commands at once where the file system's locks exclude nobody, or there are none: all of them succeed."""

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelsync.store import blobs, verify
from modelsync.store.layout import Store
from tests.hub import Slow
from tests.support import shims
from tests.support.command_line import Run, python
from tests.support.fork_server import ForkServer
from tests.support.project import REPO, Place

MiB = 1 << 20

NAMES = ("one", "two", "three")
FILES = {
    f"{name}-Q4_K_M.gguf": b"GGUF" + random.Random(name).randbytes((2 + index) * MiB)
    for index, name in enumerate(NAMES)
}
SIZE = sum(map(len, FILES.values()))
MANIFEST = '[modelsync]\ndir = "models"\n[models]\n' + "".join(
    f'{name} = "hf:{REPO}/{name}-Q4_K_M.gguf"\n' for name in NAMES
)

Commands = Callable[..., None]


@pytest.fixture(params=shims.ANSWERS, scope="module")
def at_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Runs commands at once, each in its folder, in processes whose locks are answered so; all have to end well."""
    shim = shims.environment(tmp_path_factory.mktemp("shim"), shims.ANSWERS[request.param])["LD_PRELOAD"]
    server = ForkServer({**os.environ, "LD_PRELOAD": shim})

    def run(command: tuple[Path, str]) -> Run:
        folder, line = command
        words = ("-m", "modelsync", "--no-progress", *line.split())
        variables = {**os.environ, "LD_PRELOAD": shim}
        assert server.serves(variables)
        return python(*words, folder=folder, variables=variables, server=server)

    def work(*commands: tuple[Path, str]) -> None:
        with ThreadPoolExecutor(len(commands)) as pool:
            done = list(pool.map(run, commands))
        assert [each.status for each in done] == [0] * len(commands), done

    yield work
    server.close()


def projects(place: Place, count: int) -> list[Path]:
    """Folders of projects that want the same models."""
    place.repo.commit(FILES)
    folders = [place.folder / str(number) for number in range(count)]
    for folder in folders:
        folder.mkdir()
        (folder / "models.toml").write_text(MANIFEST)
    return folders


def right(folders: list[Path], store_root: Path) -> None:
    """Everything that is here has the bytes that it should have, and nothing is left over."""
    for folder in folders:
        for name in NAMES:
            file = f"{name}-Q4_K_M.gguf"
            assert (folder / "models" / name / file).read_bytes() == FILES[file]
        assert sorted(path.name for path in (folder / "models").iterdir()) == [
            ".gitignore",
            ".modelsync.json",
            *sorted(NAMES),
        ]
    store = Store(store_root)
    for path in store_root.glob("blobs-v1/*/*"):
        assert blobs.state(store, path.name) == "here"
        assert verify.verify(store, path.name, full=True).state == "good"
    for name in ("partials-v1", "locks-v1", "tmp-v1"):
        assert list((store_root / name).iterdir()) == []


def test_syncs_at_once_fetch_each_file_once(place: Place, store_root: Path, at_once: Commands) -> None:
    """Three projects that want the same files, synced at once: every byte comes from the origin once."""
    folders = projects(place, 3)
    place.hub.misbehave(Slow(4 * MiB), where="cdn", times=None)
    at_once(*((folder, "sync") for folder in folders))
    right(folders, store_root)
    assert sum(request.sent for request in place.hub.requests if request.server == "cdn") == SIZE


def test_syncs_of_one_project_at_once(place: Place, store_root: Path, at_once: Commands) -> None:
    """One project synced four times at once: all succeed, and its folder's record loses nothing."""
    (folder,) = projects(place, 1)
    at_once(*[(folder, "sync")] * 4)
    right([folder], store_root)
    at_once((folder, "sync --check"))
    assert sum(request.sent for request in place.hub.requests if request.server == "cdn") == SIZE


def test_prunes_and_syncs_at_once(place: Place, tmp_path: Path, store_root: Path, at_once: Commands) -> None:
    """Prunes beside each other and beside syncs: nothing fails, and what is needed is here afterwards."""
    folders = projects(place, 2)
    for wanted in (MANIFEST, MANIFEST.replace('"models"', '"other"'), MANIFEST):
        for folder in folders:
            (folder / "models.toml").write_text(wanted)
        at_once(*((folder, "sync") for folder in folders), *[(tmp_path, "cache prune --now")] * 3)
    right(folders, store_root)

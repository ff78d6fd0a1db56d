"""Commands at once where the file system's locks exclude nobody, or there are none: all of them succeed."""

import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from modelsync.store import blobs, verify
from modelsync.store.layout import Store
from tests.hub import Slow
from tests.support import shims
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

locks = pytest.mark.parametrize("answer", shims.ANSWERS.values(), ids=shims.ANSWERS.keys())


def start(environment: Mapping[str, str], folder: Path, *words: str) -> subprocess.Popen[str]:
    """A command of this project, in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "modelsync", "--no-progress", *words],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> None:
    """Waits for all; each has to end well."""
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), told


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


@locks
def test_syncs_at_once_fetch_each_file_once(
    place: Place, tmp_path: Path, store_root: Path, answer: int
) -> None:
    """Three projects that want the same files, synced at once: every byte comes from the origin once."""
    environment = shims.environment(tmp_path / "shim", answer)
    folders = projects(place, 3)
    place.hub.misbehave(Slow(4 * MiB), where="cdn", times=None)
    finish([start(environment, folder, "sync") for folder in folders])
    right(folders, store_root)
    assert sum(request.sent for request in place.hub.requests if request.server == "cdn") == SIZE


@locks
def test_syncs_of_one_project_at_once(place: Place, tmp_path: Path, store_root: Path, answer: int) -> None:
    """One project synced four times at once: all succeed, and its folder's record loses nothing."""
    environment = shims.environment(tmp_path / "shim", answer)
    (folder,) = projects(place, 1)
    finish([start(environment, folder, "sync") for _ in range(4)])
    right([folder], store_root)
    finish([start(environment, folder, "sync", "--check")])
    assert sum(request.sent for request in place.hub.requests if request.server == "cdn") == SIZE


@locks
def test_prunes_and_syncs_at_once(place: Place, tmp_path: Path, store_root: Path, answer: int) -> None:
    """Prunes beside each other and beside syncs: nothing fails, and what is needed is here afterwards."""
    environment = shims.environment(tmp_path / "shim", answer)
    folders = projects(place, 2)
    for wanted in (MANIFEST, MANIFEST.replace('"models"', '"other"'), MANIFEST):
        for folder in folders:
            (folder / "models.toml").write_text(wanted)
        work = [start(environment, folder, "sync") for folder in folders]
        work += [start(environment, tmp_path, "cache", "prune", "--now") for _ in range(3)]
        finish(work)
    right(folders, store_root)

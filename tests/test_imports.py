"""What start-up may import: the promise behind a sync that costs nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub import Hub
from tests.support.content import gguf
from tests.support.folder_models import FOLDER, FOLDER_REPO, minilm
from tests.support.project import REPO

HEAVY = (
    "httpcore2",
    "httpx2",
    "h11",
    "truststore",
    "ssl",
    "tomlkit",
    "rich",
    "filelock",
    "blake3",
    "llama_cpp",
    "platformdirs",
    "dataclasses",
    "asyncio",
)


@pytest.fixture
def project(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A synced project."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("q4")})
    (tmp_path / "models.toml").write_text(
        f'[modelsync]\ndir = "models"\n[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'
    )
    subprocess.run([sys.executable, "-m", "modelsync", "-q", "sync"], cwd=tmp_path, check=True)
    hub.clear()
    return tmp_path


def imported(code: str, folder: Path) -> set[str]:
    """Top-level modules that a fresh interpreter has after running `code`."""
    code += "\nimport sys; print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import modelsync",
        "import modelsync; modelsync.path('tiny')",
        "import modelsync; modelsync.files('tiny', download=False)",
        "import modelsync; modelsync.sync()",
    ],
)
def test_the_api_imports_nothing_heavy_for_what_is_here(project: Path, hub: Hub, code: str) -> None:
    """`import modelsync`, `path()` of a file that is here and a sync with nothing to do import no heavy package."""
    assert imported(code, project) & {*HEAVY, "click"} == set()
    assert hub.seen() == []


@pytest.mark.parametrize("linked", ["", '[modelsync]\ndir = "models"\n'], ids=["store", "dir"])
def test_a_folder_that_is_here_imports_nothing_heavy(project: Path, hub: Hub, linked: str) -> None:
    """With the memo of a bare sync, and without one: then the lock is read."""
    hub.repo(FOLDER_REPO).commit(minilm())
    (project / "models.toml").write_text(linked + FOLDER)
    subprocess.run([sys.executable, "-m", "modelsync", "-q", "sync"], cwd=project, check=True)
    hub.clear()
    code = "import modelsync; assert len(modelsync.files('minilm').files) == 5; modelsync.sync()"
    assert imported(code, project) & {*HEAVY, "click"} == set()
    for memo in Path(os.environ["MODELSYNC_STORE"]).glob("memos-v1/*"):
        memo.unlink()
    assert imported(code.partition("; modelsync.sync")[0], project) & {*HEAVY, "click"} == set()
    assert hub.seen() == []


def test_a_variant_that_fits_is_remembered(project: Path, hub: Hub, tiny_gguf: Path) -> None:
    """What `auto` means is known from the last sync: no header is read, and nothing heavy imported."""
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": tiny_gguf, "tiny-Q8_0.gguf": tiny_gguf})
    (project / "models.toml").write_text(
        f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny.variants.large]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    sync = "import modelsync; modelsync.sync(variant='auto')"
    found = imported(sync, project)
    assert "httpx2" in found
    assert "httpcore2" not in found  # what is not imported pays for httpx2
    hub.clear()
    for code in (sync, "import modelsync; modelsync.path('tiny', variant='auto')"):
        assert imported(code, project) & {*HEAVY, "click", "ctypes", "subprocess"} == set()
    assert hub.seen() == []


def test_the_command_imports_nothing_heavy_for_a_sync_with_nothing_to_do(project: Path, hub: Hub) -> None:
    """The command adds click, and nothing else that is heavy."""
    code = "import sys; sys.argv = ['modelsync', '-q', 'sync']\nfrom modelsync.__main__ import main\n"
    code += "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    assert imported(code, project) & set(HEAVY) <= {"dataclasses"}
    assert hub.seen() == []


def test_a_lock_of_local_files_imports_no_client(tmp_path: Path, tiny_gguf: Path) -> None:
    """Nobody waits for a server then, and nothing is imported meanwhile."""
    (tmp_path / "models.toml").write_text(f'[models]\ntiny = "file:{tiny_gguf}"\n')
    found = imported("import modelsync; modelsync.lock()", tmp_path)
    assert (tmp_path / "models.lock").exists()
    assert found & {"httpcore2", "httpx2", "ssl"} == set()

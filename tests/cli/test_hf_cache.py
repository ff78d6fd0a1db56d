"""`--hf-cache` of the commands that bring models: they are in the Hugging Face cache afterwards."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.project import QUANTS, REPO

FILE = "tiny-Q4_K_M.gguf"
URI = f"hf:{REPO}:Q4_K_M"


@pytest.fixture
def cached(home: Path, cli: Cli) -> Path:
    """Where the file is found then."""
    folder = home / ".cache" / "huggingface" / "hub" / f"models--{REPO.replace('/', '--')}"
    return folder / "snapshots" / cli.commit / FILE


def test_pull_path_and_run_give_what_they_bring(cli: Cli, cached: Path, home: Path) -> None:
    """Each says so or prints what it always prints; `--no-hf-cache` wins over the variable."""
    run = cli("pull", URI, "--hf-cache", "--format", "json")
    assert run.json["given"] == 1
    assert "put 1 file into the Hugging Face cache" in run.err
    assert cached.read_bytes() == QUANTS[FILE]
    shutil.rmtree(home / ".cache" / "huggingface")
    assert "given" not in cli("pull", URI, "--no-hf-cache", "--format", "json", MODELSYNC_HF_CACHE="1").json
    assert not cached.exists()
    run = cli("path", URI, "--hf-cache")
    assert Path(run.out.strip()).read_bytes() == QUANTS[FILE]
    assert cached.read_bytes() == QUANTS[FILE]
    shutil.rmtree(home / ".cache" / "huggingface")
    run = cli("run", "--hf-cache", "--", sys.executable, "-c", "print('ran')")
    assert run.out.strip() == "ran"
    assert "put 1 file into the Hugging Face cache" in run.err
    assert cached.read_bytes() == QUANTS[FILE]

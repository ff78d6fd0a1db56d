"""modelsync as it was before locks had a second version, run beside the one that is tested."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

COMMIT = "4514a57ea17c5a735b48bb17bc1a61a5e6f78fca"  # the last one that reads version 1 alone
_ROOT = Path(__file__).parents[2]

OldVersion = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def old_version(tmp_path_factory: pytest.TempPathFactory) -> OldVersion:
    """Runs the command line of that version: its arguments, and the folder to run in.

    The package as git has it is what a wheel of that commit holds: it is Python alone.
    """
    git = ["git", "-C", str(_ROOT), "archive", COMMIT, "modelsync"]
    try:
        made = subprocess.run(git, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if made.returncode:
        pytest.skip(f"the history here does not reach to {COMMIT}")
    folder = tmp_path_factory.mktemp("old-version")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 has it
        archive.extractall(folder)

    def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "modelsync", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run

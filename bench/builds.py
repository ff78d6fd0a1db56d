"""The modelsyncs that are measured: the installed one, or this checkout beside an older commit of it."""

import compileall
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

OURS = "modelsync"
ROOT = Path(__file__).parent.parent
NEW, OLD = "new", "old"  # the names of the two builds that are compared, and of their folders


class Build(NamedTuple):
    """One modelsync and how to run it.

    Attributes:
        name: For the tables.
        command: What its command line starts with.
        environment: Variables that it needs; also those of a Python that imports it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = {}


INSTALLED = Build(OURS, [str(Path(sys.executable).with_name("modelsync"))])


class NoSuchCommitError(Exception):
    """Git does not know the commit that was named."""


def make_pair(ref: str, folder: Path) -> None:
    """Copies this checkout, as it is now, and the commit `ref` into `folder`, both compiled.

    Raises:
        NoSuchCommitError: There is no such commit, or it has no folder `modelsync`.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        raise NoSuchCommitError(f"git knows no commit {ref!r} in {ROOT}")
    archive = _git("archive", "--format=zip", commit.decode().strip(), "modelsync")
    if archive is None:
        raise NoSuchCommitError(f"the commit {ref!r} has no folder modelsync")
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(folder / OLD)
    shutil.copytree(
        ROOT / "modelsync", folder / NEW / "modelsync", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in (NEW, OLD):
        compileall.compile_dir(folder / name, quiet=2)


def pair(folder: Path) -> tuple[Build, Build]:
    """The two builds that `make_pair` put into `folder`, started alike: this checkout, then the older commit."""
    start = [sys.executable, "-m", "modelsync"]
    new, old = (Build(name, start, {"PYTHONPATH": str(folder / name)}) for name in (NEW, OLD))
    return new, old


def _git(*words: str) -> bytes | None:
    """What git printed, or None if it failed."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None

"""The shell scripts of CI's files, run as a runner runs them: bash, files for outputs, `modelsync` on the PATH."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

VARIABLES = ("MODELSYNC_STORE",)  # those of the test's own home that a job does not have


class Ran(NamedTuple):
    """What a script came to, and what it left in the file that GITHUB_OUTPUT names."""

    status: int
    out: str
    err: str
    outputs: Mapping[str, str]


def write_command(folder: Path, name: str, text: str) -> Path:
    """Writes an executable into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def write_modelsync(folder: Path) -> Path:
    """The `modelsync` command of this source tree; as an installed one it imports nothing of the working directory."""
    return write_command(folder, "modelsync", f'#!/bin/sh\nexec "{sys.executable}" -P -m modelsync "$@"\n')


def pairs(path: Path) -> dict[str, str]:
    """A file of `name=value` lines."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines)


def run_script(script: str, folder: Path, commands: Path, variables: Mapping[str, str]) -> Ran:
    """Runs the script of a step in bash, with the options that GitHub gives it."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment["PATH"] = f"{commands}{os.pathsep}{os.environ['PATH']}"
    output = Path(variables.get("GITHUB_OUTPUT", os.devnull))
    before = pairs(output) if output.is_file() else {}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**environment, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = pairs(output) if output.is_file() else {}
    new = {name: value for name, value in found.items() if before.get(name) != value}
    return Ran(done.returncode, done.stdout, done.stderr, new)

"""Each machine for some seconds: no promise is broken where it looks. `make torture` lets them look for longer."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import TREE

ACTIONS = ("kill", "tear", "cut", "ENOSPC", "EIO", "EACCES", "interrupt")
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11), reason="needs fork, pidfd and Linux's own calls"
)


def figures(folder: Path, machine: str, cases: int, seconds: float, *more: str) -> dict[str, Any]:
    """What a machine tells, run in a process of its own, without threads."""
    file = folder / "figures.json"
    words = ["--cases", str(cases), "--minutes", str(seconds / 60), "--json", str(file), *more]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", machine, *words],
        cwd=TREE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert file.exists(), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(file.read_text())
    return told


def look(folder: Path, machine: str, cases: int, seconds: float, *more: str) -> dict[str, int]:
    """The counts of a machine, which must find no fault."""
    told = figures(folder, machine, cases, seconds, *more)
    assert told["faults"] == [], "\n\n".join(told["faults"])
    counts: dict[str, int] = told["counts"]
    return counts


def test_struck_at_an_event(tmp_path: Path) -> None:
    """Killed, torn, cut off, refused or interrupted anywhere, a command leaves what the next one completes."""
    words = [f"--operation={name}" for name in ("add", "sync-hardlink", "update", "repair", "prune")]
    counts = look(
        tmp_path, "kill", 10, 120, *words, "--seed=7"
    )  # ten turns that have each action and operation
    assert counts["events struck"] > 0
    assert all(counts[f"cases: {action}"] > 0 for action in ACTIONS)
    assert counts["wrong bytes returned"] == counts["wrong bytes stored"] == 0


def test_harmed_small_files(tmp_path: Path) -> None:
    """A small file of store or project that is missing, empty, cut, zeroed, flipped or of another shape is got over."""
    assert look(tmp_path, "power", 4, 15)["small files harmed"] > 0


def test_races(tmp_path: Path) -> None:
    """Processes at once are all right and all succeed, with file locks, without any, and with some that lie."""
    counts = look(tmp_path, "races", 1, 10)
    assert counts["races: operations, real flock"] > 0


def test_disks(tmp_path: Path) -> None:
    """A full, foreign or read-only disk, a path at the limit and a clock that goes back are told, and lose nothing."""
    counts = look(tmp_path, "disks", 4, 15)
    assert counts["disks: clock"] > 0


def test_a_hostile_network(tmp_path: Path) -> None:
    """A server that lies, breaks off or never stops costs a clear error; the next sync is right."""
    assert look(tmp_path, "hostile", 5, 20)["hostile cases"] > 0


def test_fuzzed_files(tmp_path: Path) -> None:
    """Whatever a file, a hub or a header says, it is read, or refused in words."""
    assert sum(look(tmp_path, "fuzz", 2, 8).values()) > 1000


def test_no_secret_is_written(tmp_path: Path) -> None:
    """A token, a login, a header and a signature are in no file and no output of any command."""
    assert look(tmp_path, "secrets", 1, 20)["secrets: files"] > 0


@pytest.mark.parametrize(
    ("planted", "action", "found"), [("unsynced", "cut", "wrong bytes"), ("kept", "ENOSPC", "left behind")]
)
def test_a_planted_fault_is_found(tmp_path: Path, planted: str, action: str, found: str) -> None:
    """The machines can fail: a sync that is left out, and a temporary file that nobody removes, are found."""
    words = ("--plant", planted, "--operation", "pull", "--action", action)
    assert found in str(figures(tmp_path, "kill", 3, 240, *words)["faults"])

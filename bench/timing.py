"""Whole processes, timed in turn: so a slow moment of the machine meets all of them."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Contender(NamedTuple):
    """Who does a piece of work.

    Attributes:
        name: For the table.
        command: From an empty folder to what is run in it.
        check: Raises if what lies in that folder afterwards is not what was asked for, byte by byte.
        environment: More variables; `{folder}` in a value is that folder.
        verifies: Whether it checks a hash of what it brings.
        prepare: Makes that folder what it is to be before the time runs; None: it is empty.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    check: Callable[[Path], None]
    environment: Mapping[str, str] = {}
    verifies: bool = False
    prepare: Callable[[Path], None] | None = None


class Run(NamedTuple):
    """One run: wall and processor seconds, the most memory in bytes (the program alone, not its page cache).

    And what `in_turn`'s meter counted meanwhile.
    """

    wall: float
    cpu: float
    memory: int
    sent: int = 0


class Spread(NamedTuple):
    """The median, the least and the most of several numbers."""

    median: float
    least: float
    most: float


def spread(numbers: Sequence[float]) -> Spread:
    """Of at least one."""
    return Spread(statistics.median(numbers), min(numbers), max(numbers))


def in_turn(
    contenders: Sequence[Contender],
    rounds: int,
    *,
    place: Path | None = None,
    warm: bool = True,
    meter: Callable[[], int] = lambda: 0,
) -> dict[str, list[Run]]:
    """Runs each once a round, each time in a folder of its own, beginning with another every round.

    Args:
        contenders: Who.
        rounds: How often.
        place: A folder that all of them work in, instead of an empty one each time.
        warm: Whether one round goes before that warms the caches and does not count.
        meter: Counts something, from the beginning on: bytes that a server has sent.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for turn in range(0 if warm else 1, rounds + 1):
        first = turn % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            with tempfile.TemporaryDirectory(prefix="modelsync-bench-run-") as folder:
                there = place or Path(folder)
                if contender.prepare is not None:
                    contender.prepare(there)
                before = meter()
                run = timed(contender, there)
                run = run._replace(sent=meter() - before)
            if turn:
                runs[contender.name].append(run)
    return runs


def timed(contender: Contender, folder: Path) -> Run:
    """Runs it once, and checks what came of it."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HF_", "MODELSYNC_", "MODEL_", "PYTHON"))
        and not key.lower().endswith("_proxy")
    } | {key: value.format(folder=folder) for key, value in contender.environment.items()}
    command = list(contender.command(folder))
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            words = said.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"{contender.name} failed ({process.returncode}): {command}\n{words}")
    contender.check(folder)
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)

"""Whole processes, timed in turn: so a slow moment of the machine meets all of them."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import IO, NamedTuple

from bench.builds import Build

LAUNCHER = Path(__file__).with_name("launcher.py")
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which a system counts peak memory
TOUCHED = 1 << 20  # bytes of memory that are written to at once
TOUCHES = 1280  # how often; a run brings at most about a GiB


class Contender(NamedTuple):
    """Who does a piece of work.

    Attributes:
        name: For the table.
        command: From an empty folder to what is run in it.
        check: Raises if what lies in that folder afterwards is not what was asked for, byte by byte.
        environment: More variables; `{folder}` in a value is that folder.
        prepare: Makes that folder what it is to be before the time runs; None: it is left as it is.
        place: A folder that it works in every time; None: a new, empty one each time.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    check: Callable[[Path], None]
    environment: Mapping[str, str] = {}
    prepare: Callable[[Path], None] | None = None
    place: Path | None = None


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
    warm: bool = True,
    meter: Callable[[], int] = lambda: 0,
) -> dict[str, list[Run]]:
    """Runs each once a round, beginning with another every round: of two the order is A B, B A, A B, and so on.

    What a run leaves behind must not slow the next one: its files are emptied at once, so that the disk has room, and
    removed after the last, since some file systems take long to give out what was removed a moment ago.

    Args:
        contenders: Who.
        rounds: How often.
        warm: Whether one round goes before that warms the caches and does not count.
        meter: Counts something, from the beginning on: bytes that a server has sent.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    with (
        tempfile.TemporaryDirectory(prefix="modelsync-bench-runs-") as folders,
        tempfile.TemporaryFile(dir=folders, buffering=0) as scratch,
    ):
        for turn in range(0 if warm else 1, rounds + 1):
            first = turn % len(contenders)
            for contender in (*contenders[first:], *contenders[:first]):
                there = contender.place or Path(tempfile.mkdtemp(dir=folders))
                if contender.prepare is not None:
                    contender.prepare(there)
                if contender.place is None:
                    touch_memory(scratch)
                before = meter()
                run = timed(contender, there)
                run = run._replace(sent=meter() - before)
                if contender.place is None:
                    empty(there)
                if turn:
                    runs[contender.name].append(run)
    return runs


class Setting(NamedTuple):
    """What a row is measured with.

    Attributes:
        place: Where the files to serve are made and kept.
        rounds: How often each contender runs.
        builds: The modelsyncs to run: one beside its peers, or two that are compared with each other alone.
    """

    place: Path
    rounds: int
    builds: Sequence[Build]

    def in_turn(
        self,
        ours: Sequence[Contender],
        peers: Iterable[Contender] = (),
        *,
        warm: bool = True,
        meter: Callable[[], int] = lambda: 0,
    ) -> dict[str, list[Run]]:
        """Runs modelsync, a contender for each build, and its peers where there is one build."""
        contenders = [*ours, *(peers if len(self.builds) == 1 else ())]
        return in_turn(contenders, self.rounds, warm=warm, meter=meter)


def touch_memory(scratch: FileIO) -> None:
    """Fills as much page cache as a run will, and lets it go.

    The host of a virtual machine takes back memory that lies idle, and to get it again costs more than to write the
    file: whoever ran first after a pause would pay for it.
    """
    data = memoryview(bytearray(TOUCHED))
    scratch.seek(0)
    for _ in range(TOUCHES):
        scratch.write(data)
    scratch.truncate(0)


def empty(folder: Path) -> None:
    """Takes the bytes of all files below it, and leaves the files. None of them may be a link to one elsewhere."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)
            os.truncate(path, 0)


def timed(contender: Contender, folder: Path) -> Run:
    """Runs it once, and checks what came of it."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("HF_", "MODELSYNC_", "MODEL_", "PYTHON"))
        and not key.lower().endswith("_proxy")
    } | {key: value.format(folder=folder) for key, value in contender.environment.items()}
    with tempfile.TemporaryFile() as said:
        try:
            run = _launched(list(contender.command(folder)), folder, environment, said)
        except _FailedError as failure:
            said.seek(0)
            words = said.read()[-2000:].decode(errors="replace")
            raise RuntimeError(
                f"{contender.name} failed ({failure.status}): {failure.command}\n{words}"
            ) from None
    contender.check(folder)
    return run


class _FailedError(Exception):
    """A command that could not be started, or did not end well."""

    def __init__(self, command: Sequence[str], status: int) -> None:
        super().__init__(command, status)
        self.command, self.status = command, status


def _launched(command: Sequence[str], folder: Path, environment: Mapping[str, str], said: IO[bytes]) -> Run:
    """Runs a command by `bench.launcher`, since a process counts the memory of the one that started it as its own."""
    ours, theirs = os.pipe()
    try:
        words = [sys.executable, "-I", "-S", str(LAUNCHER), str(theirs), *command]
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=said, stderr=said, pass_fds=[theirs]
        )
    finally:
        os.close(theirs)
    with process, open(ours, "rb") as pipe:
        told = pipe.read().split()
    if len(told) != 4:
        raise _FailedError(command, process.returncode)
    wall, status, cpu, memory = float(told[0]), int(told[1]), float(told[2]), int(told[3])
    if status:
        raise _FailedError(command, os.waitstatus_to_exitcode(status))
    return Run(wall, cpu, memory * UNIT)

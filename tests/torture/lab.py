"""Where cases run: a hub beside it, prepared homes and projects to copy, and forks that run one command each."""

import contextlib
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.processes import TREE
from tests.torture.events import Action, Injector, Shared

TIMEOUT = 60.0  # seconds of one command: all that is here comes within a second


class Outcome(NamedTuple):
    """What one command came to.

    Attributes:
        status: The exit status; negative: the signal that ended it. None: it did not end in time.
        events: How many events were counted.
        received: Bytes that came from sockets.
        struck: The event at which something was made to happen, or nothing.
        memory: The most bytes that the process had in memory; a fork begins with its parent's.
    """

    status: int | None
    out: str
    err: str
    events: int
    received: int
    struck: str
    memory: int = 0


@dataclass
class Lab:
    """A folder with a case in it, and a hub.

    Attributes:
        root: Has the templates and the case.
        scope: The case: `home`, `store` and `project`; always the same path, so that what a template remembers of
            paths is right in its copies.
        hub: The hub's process.
        where: What the hub told of itself.
        place: The project's folder in the case.
        tag: Of the files that the forks' output goes to: forks that run at once need different ones.
    """

    root: Path
    hub: "subprocess.Popen[str]"
    where: Mapping[str, Any]
    place: str = "project"
    tag: str = ""

    @property
    def scope(self) -> Path:
        return self.root / "case"

    @property
    def project(self) -> Path:
        return self.scope / self.place

    @property
    def store(self) -> Path:
        return self.scope / "store"

    def ask_hub(self, do: str, **more: str) -> Any:
        """Lets the hub do something, and waits for its answer."""
        assert self.hub.stdin is not None
        assert self.hub.stdout is not None
        self.hub.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.hub.stdin.flush()
        return json.loads(self.hub.stdout.readline())

    # --- the case ------------------------------------------------------------------------------------

    def empty(self, manifest: str | None = None) -> None:
        """A case with nothing in it but a manifest."""
        wipe(self.scope)
        for folder in ("home", "project"):
            (self.scope / folder).mkdir(parents=True)
        if manifest is not None:
            (self.project / "models.toml").write_text(manifest)

    def keep(self, name: str) -> None:
        """Keeps the case as a template."""
        wipe(self.root / name)
        copy(self.scope, self.root / name)

    def fresh(self, name: str) -> None:
        """Makes the case a copy of a template."""
        wipe(self.scope)
        copy(self.root / name, self.scope)

    # --- forks ---------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        home = self.scope / "home"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "MODELSYNC_STORE": str(self.store),
            "HF_ENDPOINT": self.where["endpoint"],
            "COLUMNS": "200",
        }

    def command(
        self,
        *words: str,
        action: Action = "none",
        at: int = 0,
        variables: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
        timeout: float = TIMEOUT,
        counted: bool = True,
    ) -> Outcome:
        """Runs a command line in a fork, in the project's folder; `action` happens at its event number `at`."""
        from modelsync import __main__ as program

        shared = Shared()

        def work() -> int:
            sys.argv = ["modelsync", *words]
            if counted:
                Injector(shared, action, at, self.scope).install()
            if before is not None:
                before()
            try:
                program.main()
            except SystemExit as ended:
                return int(ended.code or 0)
            return 0

        status, out, err, memory = self._fork(work, variables or {}, timeout)
        return Outcome(status, out, err, shared.events, shared.received, shared.struck, memory)

    def call(self, work: Callable[[], Any], variables: Mapping[str, str] | None = None) -> Any:
        """What `work` gives in a fresh fork, as JSON carries it."""
        status, out, err, _ = self._fork(lambda: print(json.dumps(work())) or 0, variables or {}, TIMEOUT)
        assert status == 0, err
        return json.loads(out.splitlines()[-1])

    def _fork(
        self, work: Callable[[], int], variables: Mapping[str, str], timeout: float
    ) -> tuple[int | None, str, str, int]:
        out, err = self.root / f"out{self.tag}", self.root / f"err{self.tag}"
        child = os.fork()
        if child == 0:
            status = 70
            try:
                _redirect(out, err)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                wanted = self.environment() | dict(variables)
                os.environ.clear()
                os.environ.update(wanted)
                os.chdir(self.project)
                status = work()
            except BaseException:  # noqa: BLE001
                import traceback

                traceback.print_exc()
            finally:
                with contextlib.suppress(BaseException):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(status)
        ended, memory = _wait(child, timeout)
        return ended, out.read_text(errors="replace"), err.read_text(errors="replace"), memory


@contextlib.contextmanager
def opened() -> Iterator[Lab]:
    """A lab in memory where there is such a place, with a hub that ends with it."""
    memory = Path("/dev/shm")
    inside = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="modelsync-torture-", dir=inside) as folder:
        hub = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.hub_process"],
            cwd=TREE,
            env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert hub.stdout is not None
            yield Lab(Path(folder).resolve(), hub, json.loads(hub.stdout.readline()))
        finally:
            assert hub.stdin is not None
            hub.stdin.close()
            hub.wait(10)


def copy(source: Path, target: Path) -> None:
    """Copies a folder with its links of both kinds, modes and times."""
    seen: dict[int, Path] = {}
    for folder, names, files in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir()
        for name in [*files, *(name for name in names if Path(folder, name).is_symlink())]:
            path, new = Path(folder, name), there / name
            status = path.lstat()
            if status.st_nlink > 1 and status.st_ino in seen:
                os.link(seen[status.st_ino], new)
            else:
                shutil.copy2(path, new, follow_symlinks=False)
                seen[status.st_ino] = new


def wipe(folder: Path) -> None:
    """Removes a folder, whatever the modes in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def _redirect(out: Path, err: Path) -> None:
    for number, path in ((0, None), (1, out), (2, err)):
        flags = os.O_RDONLY if path is None else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(path or os.devnull, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)


def _wait(child: int, timeout: float) -> tuple[int | None, int]:
    """The exit status of a fork and its most memory; None, and its end, where it takes too long."""
    handle = os.pidfd_open(child)
    try:
        ready = select.select([handle], [], [], timeout)[0]
        if not ready:
            os.kill(child, signal.SIGKILL)
        _, status, used = os.wait4(child, 0)
        return os.waitstatus_to_exitcode(status) if ready else None, used.ru_maxrss << 10
    finally:
        os.close(handle)

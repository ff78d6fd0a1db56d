"""Runs Python in children of a process that has modelsync imported: processes without the wait for imports.

A child is a process of its own: environment, folder, streams, signals and the state of modules are those of a new
one, and it ends as an interpreter does. What an interpreter reads at its start (`PYTHON…`, the locale) is the server's.
`python -m tests.support.fork_server FD` is the server; one serves a whole test process, and ends with it.
"""

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

TREE = Path(__file__).parents[2]
AVAILABLE = sys.platform == "linux"  # frameworks of macOS do not survive a fork
_AT_START = (
    "PYTHON",
    "LC_",
    "LANG",
    "LD_",
    "TZ",
    "MALLOC_",
    "GLIBC_",
)  # variables that are read at the start alone
_LENGTH = struct.Struct("!Q")
_NUMBER = struct.Struct("!i")
_IMPORTED = (  # by functions
    "blake3", "click.shell_completion", "ctypes", "h11", "httpx2", "platformdirs", "rich.live", "rich.progress",
    "rich.table", "tomlkit", "truststore",
)  # fmt: skip


WITHOUT = "TESTS_WITHOUT"  # a variable: packages that the process shall not find, separated by spaces


class ForkServer:
    """Starts the server, and asks it for processes.

    Args:
        variables: The server's environment; None: that of this process.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        variables = dict(os.environ if variables is None else variables)
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())]
            self._process = subprocess.Popen(
                words,
                cwd=TREE,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._connection = ours
        self._start = _read_at_start(variables)
        self._asking = threading.Lock()

    def serves(self, variables: Mapping[str, str]) -> bool:
        """Whether a new interpreter with these variables would start as the server did."""
        return _read_at_start(variables) == self._start

    def run(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        streams: tuple[int, int, int],
        seconds: float = 60,
    ) -> int:
        """Runs Python with these words; returns its status, below 0 for a signal.

        Args:
            words: The interpreter's, without options of its own: `-m MODULE …` or `-c CODE …`.
            folder: Where it runs.
            variables: Its environment.
            streams: The descriptors of its stdin, stdout and stderr.
            seconds: How long it may take.

        Raises:
            subprocess.TimeoutExpired: it took longer, and was killed.
        """
        ours, theirs = os.pipe()
        with open(ours, "rb", buffering=0) as told:
            request = json.dumps([*words, str(folder), dict(variables)]).encode()
            with self._asking:
                try:
                    header = _LENGTH.pack(len(request))
                    socket.send_fds(self._connection, [header], [*streams, theirs])
                    self._connection.sendall(request)
                finally:
                    os.close(theirs)
            process = _number(told)
            if not select.select([told], [], [], seconds)[0]:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(words), seconds)
            return os.waitstatus_to_exitcode(_number(told))

    def close(self) -> None:
        """Ends the server."""
        self._connection.close()
        self._process.wait(60)


def _read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_AT_START)}


def _number(stream: io.RawIOBase | io.FileIO) -> int:
    data = stream.read(_NUMBER.size)
    assert data is not None
    assert len(data) == _NUMBER.size, "the fork server has ended"
    number: int = _NUMBER.unpack(data)[0]
    return number


# --- the server ------------------------------------------------------------------------------------------------


def _serve(connection: socket.socket) -> None:
    """Forks for each request. Writes the process's number into the request's pipe, and its status at its end."""
    _import_all()
    wakes, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    told: dict[int, int] = {}
    while True:
        ready = select.select([connection.fileno(), wakes], [], [])[0]
        if wakes in ready:
            os.read(wakes, 4096)
            while told and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                _tell(told[ended[0]], ended[1])
                os.close(told.pop(ended[0]))
        if connection.fileno() in ready:
            header, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 4)
            if not header:
                return
            request = _receive(connection, _LENGTH.unpack(header)[0])
            process = os.fork()
            if not process:
                connection.detach()
                _become(request, descriptors)
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            told[process] = descriptors[3]
            _tell(descriptors[3], process)


def _import_all() -> None:
    import modelsync

    for module in pkgutil.walk_packages(modelsync.__path__, "modelsync."):
        if module.name.rpartition(".")[2] not in ("__main__", "breakdown_worker"):
            importlib.import_module(module.name)
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _tell(pipe: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the test has given up
        os.write(pipe, _NUMBER.pack(number))


def _receive(connection: socket.socket, length: int) -> Any:
    data = bytearray()
    while len(data) < length:
        data += connection.recv(length - len(data))
    return json.loads(data)


def _become(request: Any, descriptors: Sequence[int]) -> NoReturn:
    """Becomes the process that was asked for. The streams of `sys` lead to its descriptors 0 to 2, as ever."""
    *words, folder, variables = request
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, 1024)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for name in os.environ.pop(WITHOUT, "").split():
        sys.modules[name] = None  # type: ignore[assignment]  # as the import system reads it
    kind, code, *sys.argv[1:] = words
    sys.path[0] = folder if kind == "-m" else ""
    status = 1
    try:
        if kind == "-m":
            runpy.run_module(code, run_name="__main__", alter_sys=True)
        else:
            sys.argv[0] = "-c"
            sys.modules["__main__"] = main = ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), main.__dict__)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1  # as `main` exits
    except BaseException:  # noqa: BLE001  (the process ends here)
        traceback.print_exc()
    finally:
        _end(status)


def _end(status: int) -> NoReturn:
    """Ends as an interpreter does, but frees nothing: to free a heap that a fork shares takes a tenth of a second."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))

"""Ctrl-C, wherever a command waits for a server that never ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import COMMAND, Cli
from tests.support.processes import TREE
from tests.support.servers import Listener, pouring, silent
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")

HEAD = b"HTTP/1.1 200 OK\r\n"
# Servers that pour are given up for other reasons too: these are taken away.
CHILD = """
import socket, sys, time
from modelsync.net import deadline, http1
deadline.RATE_WINDOW = 10**9
http1.MOST_INTERIM = http1.LONGEST_HEAD = 10**12

known = socket.getaddrinfo
def resolve(*words, flags=0, **more):
    if flags:
        return known(*words, flags=flags, **more)
    print("resolving", flush=True)
    time.sleep(10**6)
socket.getaddrinfo = resolve

sys.argv[1:] = ["lock"]
from modelsync.__main__ import main
main()
"""


def begin(folder: Path, endpoint: str, **variables: str) -> subprocess.Popen[str]:
    """`modelsync lock` of two models, in a process that waits ten minutes for a byte."""
    (folder / "models.toml").write_text('[models]\na = "hf:user/a:Q4_K_M"\nb = "hf:user/b:Q4_K_M"\n')
    more = {"HF_ENDPOINT": endpoint, "MODELSYNC_HTTP_TIMEOUT": "600", "PYTHONPATH": str(TREE), **variables}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=folder,
        env={**os.environ, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupt(child: subprocess.Popen[str], there: Callable[[], object]) -> None:
    """One Ctrl-C once it is `there`: the process ends, though its server never does."""
    try:
        wait_until(lambda: there() or child.poll() is not None)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode == 130
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(
    "server",
    [
        lambda: pouring(HEAD + b"X: ", b"x", times=10**9, pause=0.02),
        lambda: pouring(b"", b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 60_000 + b"\r\n\r\n", times=10**9),
        lambda: pouring(HEAD + b"\r\n[", b" ", times=10**9, pause=0.02),
    ],
    ids=["a head that drips", "heads", "a document that drips"],
)
def test_while_an_answer_has_no_end(tmp_path: Path, server: Callable[[], Listener]) -> None:
    """Whether it has always more to say, or hardly anything."""
    with server() as running:
        interrupt(begin(tmp_path, f"http://127.0.0.1:{running.port}"), lambda: running.connections)


def test_while_a_handshake_hangs(tmp_path: Path) -> None:
    """A server that says nothing where TLS should begin."""
    with silent() as running:
        interrupt(begin(tmp_path, f"https://127.0.0.1:{running.port}"), lambda: running.connections)


def test_while_a_proxy_hangs(tmp_path: Path) -> None:
    """One that does not answer CONNECT."""
    with silent() as running:
        proxy = f"http://127.0.0.1:{running.port}"
        child = begin(tmp_path, "https://hub.example", HTTPS_PROXY=proxy, https_proxy=proxy)
        interrupt(child, lambda: running.connections)


def test_while_a_name_is_resolved(tmp_path: Path) -> None:
    """The system's resolver cannot be stopped, and is not waited for."""
    child = begin(tmp_path, "https://hub.example")
    assert child.stdout is not None
    line = child.stdout.readline()
    interrupt(child, lambda: line.startswith("resolving"))  # two threads may write it into each other


def test_while_a_registry_hangs(synced: Cli) -> None:
    """A push says what is true of a push, and sends nothing to this machine."""
    with silent() as running:
        child = subprocess.Popen(
            [*COMMAND, "push", f"oci://127.0.0.1:{running.port}/team/models"],
            cwd=synced.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_until(lambda: running.connections or child.poll() is not None)
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=60)
        finally:
            child.kill()
            child.communicate()
    assert child.returncode == 130
    assert "error: interrupted; a file that the registry has whole is not sent again\n" in err


def test_while_a_text_is_evaluated(tmp_path: Path) -> None:
    """Named tuples are made so while modules are imported: the status is that of any other interrupt."""
    code = (
        "import signal, sys\n"
        "from modelsync.cli import fast\n"
        "from modelsync.__main__ import main\n"
        "def press(): signal.raise_signal(signal.SIGINT)\n"
        "def run(work):\n"
        "    fast.read = lambda words, environment: lambda invocation: work()\n"
        "    main()\n"
        "try: run(press)\n"  # imports all that an interrupt needs
        "except SystemExit as end: print(end.code)\n"
        "run(lambda: eval('press()', {'press': press}))\n"
    )
    (tmp_path / "pressed.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "pressed"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr.count("error: interrupted") == 2
    assert (done.stdout.strip(), done.returncode) == ("130", 130)

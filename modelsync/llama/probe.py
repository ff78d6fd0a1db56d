"""Inspects the installed llama-cpp-python: its version, its GPU support, and the CPU that it was built for.

It is imported in another process, because a build for another CPU dies of an illegal instruction.
"""

import json
import signal
import subprocess
import sys
from typing import NamedTuple

from modelsync.llama.breakdown import environment
from modelsync.llama.installed import is_installed
from modelsync.spec.names import printable

SECONDS = 60.0  # importing it and finding GPUs, on a slow disk
_CODE = """
import json, llama_cpp as l
told = (l.llama_print_system_info() or b"").decode(errors="replace")
print(json.dumps([l.__version__, bool(l.llama_supports_gpu_offload()), told]))
"""


class Probe(NamedTuple):
    """The installed llama-cpp-python.

    Attributes:
        version: Its version; None: it cannot be used.
        gpus: Whether it was built with a GPU backend.
        features: The CPU features that it was built with, by llama.cpp's names.
        why_not: Why it cannot be used, for people; None if it can.
    """

    version: str | None = None
    gpus: bool = False
    features: tuple[str, ...] = ()
    why_not: str | None = None


def probe() -> Probe | None:
    """Inspects llama-cpp-python; None if it is not installed."""
    if not is_installed():
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        return Probe(why_not=f"importing it takes over {SECONDS:.0f} s")
    if done.returncode < 0:
        return Probe(why_not=f"importing it ends the process: {_signal(-done.returncode)}")
    lines = done.stdout.decode(errors="replace").splitlines()
    try:
        version, gpus, told = json.loads(lines[-1])
    except (IndexError, ValueError, TypeError):
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        return Probe(why_not=f"it cannot be imported: {printable(last[0], 300)}")
    return Probe(printable(str(version)), gpus is True, features_of(str(told)))


def features_of(told: str) -> tuple[str, ...]:
    """The CPU features in llama.cpp's system info: `CPU : SSE3 = 1 | AVX2 = 1 | …`."""
    _, _, cpu = told.rpartition("CPU : ")
    pairs = (part.partition("=") for part in cpu.split("|"))
    return tuple(printable(name.strip()) for name, _, value in pairs if value.strip() == "1")


def _signal(number: int) -> str:
    try:
        return signal.strsignal(number) or str(number)
    except ValueError:
        return f"signal {number}"

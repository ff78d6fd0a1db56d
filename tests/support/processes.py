"""Processes of Python with this project on their path: also without rights, and on a kernel that refuses."""

import ctypes
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TREE = Path(__file__).parents[2]


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A real process that runs `code` with this project on its path."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=TREE,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    """What each process printed, once it is done; each has to end well."""
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), answers
    return answers


def renounce() -> None:
    """From now on this process may no more than its user's files allow, though the user be root (on Linux)."""
    if sys.platform == "linux" and os.geteuid() == 0:
        version = struct.pack("Ii", 0x20080522, 0)
        assert ctypes.CDLL(None).capset(version, bytes(24)) == 0


_NUMBERS: dict[str, tuple[int, dict[str, tuple[int, ...]]]] = {
    "x86_64": (0xC000003E, {"flock": (73,), "link": (86, 265), "symlink": (88, 266)}),
    "aarch64": (0xC00000B7, {"flock": (32,), "link": (37,), "symlink": (36,)}),
}
CAN_REFUSE = sys.platform == "linux" and platform.machine() in _NUMBERS


def refuse(calls: Mapping[str, int]) -> None:
    """From now on the kernel answers this process's calls of `flock`, `link` or `symlink` with an errno.

    That is what a file system without them answers. The process cannot undo it.
    """
    architecture, numbers = _NUMBERS[platform.machine()]
    allow, load, equal, answer = 0x7FFF0000, 0x20, 0x15, 0x06
    program: list[tuple[int, int, int, int]] = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (answer, 0, 0, allow),
    ]
    program.append((load, 0, 0, 0))
    for name, number in calls.items():
        for call in numbers[name]:
            program += [(equal, 0, 1, call), (answer, 0, 0, 0x00050000 | number)]
    program.append((answer, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, mode = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(set_filter, mode, header, 0, 0) == 0, os.strerror(ctypes.get_errno())


def refusing(calls: Mapping[str, int], code: str, arguments: Sequence[object] = ()) -> subprocess.Popen[str]:
    """A process that runs `code` on a kernel that refuses `calls`."""
    return python(f"from tests.support.processes import refuse\nrefuse({dict(calls)!r})\n{code}", *arguments)

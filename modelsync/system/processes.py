"""The processes of this machine: which they are, and whether they still run."""

import os
import sys
import time
from functools import cache
from pathlib import Path

from modelsync.system.disks import boot_id

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


@cache
def system_id() -> str:
    """16 hex digits for the running system and what its process numbers are counted in; "" where nothing tells."""
    import hashlib

    boot = boot_id()
    if boot is None:
        return ""
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:16]


def started(process: int) -> str:
    """When a process started, in ticks since the system's start; "" where nothing tells or it has ended."""
    try:
        line = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return ""
    fields = line.rpartition(b") ")[2].split()  # the program's name, in brackets, may hold anything
    return fields[19].decode() if len(fields) > 19 and fields[0] not in (b"Z", b"X") else ""


if sys.platform == "win32":

    def exists(process: int) -> bool:
        """Whether there is a process of this number."""
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(0x1000, False, process)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return bool(kernel.GetLastError() == 5)  # ERROR_ACCESS_DENIED: another user's
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == 259  # STILL_ACTIVE
else:

    def exists(process: int) -> bool:
        """Whether there is a process of this number."""
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True


def clock() -> float:
    """Seconds that pass while the machine sleeps, too."""
    return time.clock_gettime(_BOOTTIME) if _BOOTTIME is not None else time.monotonic()

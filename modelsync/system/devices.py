"""This machine's memory and its GPUs.

GPUs are found through their drivers, without a context: one of CUDA takes half a gigabyte of the memory to be
measured. `modelsync.llama` asks what ggml itself sees.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["ram", "cuda", "rocm", "metal", "gpu"]

_KIB = 1024
_CGROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # bytes; cgroup v1 writes a number near 2**63 for "none"
_AMD = "0x1002"  # PCI vendor
_VISIBLE: dict[Kind, str] = {"cuda": "CUDA_VISIBLE_DEVICES", "rocm": "HIP_VISIBLE_DEVICES"}
_EXCLUSIVE = ("Exclusive_Process", "Exclusive_Thread", "Prohibited")


class Device(NamedTuple):
    """Memory that can hold a part of a model."""

    name: str
    kind: Kind
    total: int  # bytes
    free: int  # bytes
    shared: bool = False  # a GPU that has the machine's own memory
    exclusive: bool = False  # only one process may use it at a time


class Memory(NamedTuple):
    """The machine's own memory."""

    total: int  # bytes
    available: int  # bytes that can be taken without swapping
    limit: int | None = None  # bytes that the container may use, where it may not use all

    def device(self) -> Device:
        """This memory as a device."""
        return Device("RAM", "ram", min(self.total, self.limit or self.total), self.available)


def memory(proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> Memory | None:
    """This machine's memory, or this container's share of it; None if unknown.

    Args:
        proc: Linux's folder of processes.
        cgroups: Linux's folder of control groups.
    """
    if sys.platform == "darwin":
        found = _mac_memory()
    elif sys.platform == "win32":
        found = _windows_memory()
    else:
        found = _linux_memory(proc, cgroups)
    return found


def gpus(drm: Path = Path("/sys/class/drm")) -> tuple[Device, ...]:
    """This machine's GPUs, as their drivers report them.

    Args:
        drm: Linux's folder of graphics cards.
    """
    return _metal() if sys.platform == "darwin" else (*_nvidia(), *_amd(drm))


def visible(found: Sequence[Device], environ: Mapping[str, str] = os.environ) -> tuple[Device, ...]:
    """The GPUs that the environment lets a program use, as on a machine that several jobs share.

    A list ends at the first number that no GPU has, as CUDA reads it. An ID (`GPU-…`, `MIG-…`) may mean any of them:
    the smallest is taken.

    Args:
        found: The GPUs, as their drivers number them.
        environ: The environment.
    """
    kinds = dict.fromkeys(gpu.kind for gpu in found)
    return tuple(
        gpu
        for kind in kinds
        for gpu in _listed([each for each in found if each.kind == kind], environ.get(_VISIBLE.get(kind, "")))
    )


def _listed(found: Sequence[Device], words: str | None) -> Iterator[Device]:
    if words is None:
        yield from found
        return
    for word in map(str.strip, words.split(",")):
        if word.startswith(("GPU-", "MIG-")):
            yield min(found, key=lambda gpu: gpu.total)
        elif word.isdecimal() and int(word) < len(found):
            yield found[int(word)]
        else:
            return


def fingerprint(proc: Path = Path("/proc"), cgroups: Path = _CGROUPS, dev: Path = Path("/dev")) -> str:
    """A text that changes with the memory or the GPUs that can be used here. Starts no program.

    Args:
        proc: Linux's folder of processes.
        cgroups: Linux's folder of control groups.
        dev: The folder of device files: a driver has one for each GPU.
    """
    if sys.platform == "linux":
        room = _linux_memory(proc, cgroups)
        size = room.device().total if room is not None else 0
    elif sys.platform == "win32":
        room = _windows_memory()
        size = room.total if room is not None else 0
    else:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cards = sorted(path.name for pattern in ("nvidia[0-9]*", "dri/card[0-9]*") for path in dev.glob(pattern))
    lists = (f"{name}={os.environ[name]}" for name in _VISIBLE.values() if name in os.environ)
    return " ".join((str(size), *cards, *lists))


# --- memory --------------------------------------------------------------------------------------------


def _linux_memory(proc: Path, cgroups: Path) -> Memory | None:
    known = {}
    for line in _text(proc / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            known[name] = int(words[0]) * _KIB
    if "MemTotal" not in known:
        return None
    total, available = known["MemTotal"], known.get("MemAvailable", known.get("MemFree", 0))
    limit = None
    for folder in _own_cgroups(proc, cgroups):
        most, used = _cgroup(folder)
        if most is not None and most < total:
            limit = min(most, limit or most)
            available = min(available, max(0, most - used))
    return Memory(total, available, limit)


def _own_cgroups(proc: Path, cgroups: Path) -> list[Path]:
    """The control groups of this process that may limit memory, from its own up to the top."""
    folders = []
    for line in _text(proc / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            top = cgroups
        elif "memory" in controllers.split(","):
            top = cgroups / "memory"
        else:
            continue
        own = top / path.lstrip("/")
        folders += [own, *(parent for parent in own.parents if parent.is_relative_to(top))]
    return [folder for folder in folders if ".." not in folder.parts]


def _cgroup(folder: Path) -> tuple[int | None, int]:
    """The limit and the use of a control group, bytes; v1 and v2 name them differently.

    Cached files that can be dropped count as unused: after a download there are gigabytes of them.
    """
    for most, used, inactive in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _number(_text(folder / most))
        if limit is None or limit > _NO_LIMIT:
            continue
        counted = dict(line.split()[:2] for line in _text(folder / "memory.stat").splitlines() if " " in line)
        return limit, (_number(_text(folder / used)) or 0) - (_number(counted.get(inactive, "")) or 0)
    return None, 0


def _mac_memory() -> Memory | None:
    total = _number(_run("/usr/sbin/sysctl", "-n", "hw.memsize"))
    if total is None:
        return None
    pages, size = 0, 4096
    for line in _run("/usr/bin/vm_stat").splitlines():
        name, _, count = line.partition(":")
        if "page size of" in line:
            size = _number(line.split("page size of")[1].split()[0]) or size
        elif name in ("Pages free", "Pages inactive", "Pages purgeable", "Pages speculative"):
            pages += _number(count.strip(" .")) or 0
    return Memory(total, min(total, pages * size))


if sys.platform == "win32":
    import ctypes

    class _MemoryStatus(ctypes.Structure):
        """`MEMORYSTATUSEX`."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "available", "a", "b", "c", "d", "e")),
        )

    def _windows_memory() -> Memory | None:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return None
        return Memory(status.total, status.available)


# --- GPUs ----------------------------------------------------------------------------------------------


def _nvidia() -> tuple[Device, ...]:
    """Through nvidia-ml-py if it is installed, else through the driver's command."""
    try:
        import pynvml
    except ImportError:
        return _nvidia_smi()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            name, room = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetMemoryInfo(handle)
            mode = pynvml.nvmlDeviceGetComputeMode(handle)
            found.append(
                Device(
                    name if isinstance(name, str) else name.decode("utf-8", "replace"),
                    "cuda",
                    int(room.total),
                    int(room.free),
                    exclusive=mode
                    in (pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS, pynvml.NVML_COMPUTEMODE_PROHIBITED),
                )
            )
        return tuple(found)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _nvidia_smi() -> tuple[Device, ...]:
    query = "--query-gpu=name,memory.total,memory.free,compute_mode"
    found = []
    for line in _run("nvidia-smi", query, "--format=csv,noheader,nounits").splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 3)]
        if len(cells) == 4 and cells[1].isdecimal() and cells[2].isdecimal():
            total, free = int(cells[1]) * _KIB * _KIB, int(cells[2]) * _KIB * _KIB
            found.append(Device(cells[0], "cuda", total, free, exclusive=cells[3] in _EXCLUSIVE))
    return tuple(found)


def _amd(drm: Path) -> tuple[Device, ...]:
    found = []
    for card in sorted(drm.glob("card[0-9]*")):
        device = card / "device"
        total, used = (
            _number(_text(device / "mem_info_vram_total")),
            _number(_text(device / "mem_info_vram_used")),
        )
        if total and used is not None and _text(device / "vendor").strip() == _AMD:
            name = _text(device / "product_name").strip() or f"AMD {card.name}"
            found.append(Device(name, "rocm", total, max(0, total - used)))
    return tuple(found)


def _metal() -> tuple[Device, ...]:
    """The GPU of an Apple chip: it shares the machine's memory, and may wire a part of it."""
    room = _mac_memory()
    if room is None or not _run("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string").startswith("Apple"):
        return ()
    wired = _number(_run("/usr/sbin/sysctl", "-n", "iogpu.wired_limit_mb")) or 0
    # what Metal recommends where no limit is set: three quarters, two thirds on machines up to 36 GB
    share = room.total * 3 // 4 if room.total > 36 << 30 else room.total * 2 // 3
    most = wired * _KIB * _KIB if wired else share
    return (Device("Apple GPU", "metal", most, min(most, room.available), shared=True),)


# --- reading -------------------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _run(*command: str) -> str:
    import subprocess  # a fingerprint needs none

    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    environment = {
        name: value for name, value in os.environ.items() if name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
    }
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=True,
            env=environment | {"LC_ALL": "C"},
            creationflags=flags,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return bytes(done.stdout).decode("utf-8", "replace").strip()


def _number(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.isascii() and word.isdecimal() else None

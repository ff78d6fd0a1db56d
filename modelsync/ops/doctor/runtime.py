"""Programs and hardware: versions, memory, GPUs, and whether llama-cpp-python can use them."""

import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from modelsync.llama import installed
from modelsync.llama.breakdown import Breakdown, GgmlDevice
from modelsync.llama.probe import Probe, probe
from modelsync.ops.doctor.findings import Finding
from modelsync.sizes import size
from modelsync.system import devices
from modelsync.system.devices import Device
from modelsync.version import __version__

_LITTLE = 1 << 30  # bytes of memory with which no model runs
_WIDE = ("AVX512", "AVX2", "AVX", "SVE", "DOTPROD", "NEON")  # the best first: what decides how fast a CPU is
_REINSTALL = "pip install --force-reinstall --no-cache-dir llama-cpp-python"
_BUILDS = {
    "cuda": f"`{_REINSTALL} --extra-index-url {installed.WHEELS}/cu124` (or the CUDA that is installed)",
    "metal": f"`{_REINSTALL} --extra-index-url {installed.WHEELS}/metal`",
    "rocm": f'`CMAKE_ARGS="-DGGML_HIP=on" {_REINSTALL}`, with ROCm installed',
    "gpu": f'`CMAKE_ARGS="-DGGML_VULKAN=on" {_REINSTALL}`, with the Vulkan SDK installed',
}


def versions() -> Iterator[Finding]:
    """modelsync, Python and the system."""
    yield Finding("modelsync", f"{__version__}, in {Path(__file__).parents[2]}")
    yield Finding("Python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("system", f"{platform.platform(aliased=True, terse=True)}, {platform.machine()}")


def machine() -> Iterator[Finding]:
    """Memory, processors, GPUs, and llama-cpp-python, which is to use them."""
    yield _memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("CPU", f"{cores} core{'s' if cores > 1 else ''}, {platform.machine()}")
    gpus = devices.gpus()
    yield from _gpus(gpus)
    found = probe()
    yield from llama(found)
    if found is None or found.why_not is not None:
        return
    with Breakdown() as breakdown:
        seen = breakdown.devices()
        yield exactness(breakdown.why_not, any(gpu.exclusive for gpu in gpus))
        if breakdown.why_not is not None:
            seen = ()
    yield from use_of_gpus(gpus, [device for device in seen if device.is_gpu], found)


def _memory() -> Finding:
    found = devices.memory()
    if found is None:
        return Finding(
            "RAM", "this machine does not tell", "warning", "describe it to estimates: --ram 16GiB"
        )
    words = f"{size(found.available)} free of {size(found.total)}"
    if found.limit is not None:
        words += f", and this container may use {size(found.limit)}"
    if found.available < _LITTLE:
        return Finding("RAM", words, "warning", "end other programs before a model is loaded")
    return Finding("RAM", words)


def _gpus(gpus: Sequence[Device]) -> Iterator[Finding]:
    cards = [word for word in devices.fingerprint().split() if word.startswith("nvidia")]
    if not gpus and cards:
        yield Finding(
            "GPU",
            "an NVIDIA card is here, and its driver does not answer",
            "wrong",
            "`nvidia-smi` says why; `pip install nvidia-ml-py` asks the driver without it",
        )
    elif not gpus:
        yield Finding("GPU", "none found")
    for gpu in gpus:
        words = f"{gpu.name}, {size(gpu.free)} free of {size(gpu.total)}"
        if gpu.exclusive:
            yield Finding(
                "GPU",
                f"{words}; in exclusive mode: one process at a time, so estimates are by the formulas",
                "note",
            )
        else:
            yield Finding("GPU", f"{words}{', shared with the CPU' if gpu.shared else ''}")


def llama(found: Probe | None) -> Iterator[Finding]:
    """Whether llama-cpp-python is here and works."""
    name = "llama-cpp-python"
    if found is None:
        hint = installed.INSTALL
        yield Finding(
            name, "not installed: estimates are by formulas, `load` and `chat` need it", "note", hint
        )
        return
    if found.version is None:
        hint = f"install it again, for this machine: `{_REINSTALL}`"
        yield Finding(name, f"installed, and does not work: {found.why_not}", "wrong", hint)
        return
    best = next((name for name in _WIDE if any(each.startswith(name) for each in found.features)), None)
    words = f"{found.version}, built {'for GPUs' if found.gpus else 'for the CPU alone'}"
    words += f", {best}" if best else ""
    if _number(found.version) < installed.TESTED:
        wanted = ".".join(map(str, installed.TESTED))
        yield Finding(
            name, f"{words}; older than {wanted}", "warning", "`pip install --upgrade 'modelsync[llama]'`"
        )
        return
    yield Finding(name, words)


def exactness(why_not: str | None, exclusive: bool) -> Finding:
    """Whether llama.cpp can be asked what a model will need."""
    name = "exact estimates"
    if exclusive:
        return Finding(name, "not asked for: a GPU is in exclusive mode", "note")
    if why_not is None:
        return Finding(name, "llama.cpp answers what a model will need")
    state = "warning" if sys.platform == "linux" else "note"
    return Finding(name, f"by the formulas instead: {why_not}", state)  # type: ignore[arg-type]


def use_of_gpus(gpus: Sequence[Device], seen: Sequence[GgmlDevice], found: Probe) -> Iterator[Finding]:
    """Whether llama-cpp-python uses the GPUs that there are.

    Args:
        gpus: As the drivers tell.
        seen: As ggml tells; empty where it was not asked.
        found: What llama-cpp-python is.
    """
    name = "GPUs in use"
    if gpus and not found.gpus:
        yield Finding(
            name,
            "none: llama-cpp-python is built for the CPU alone",
            "wrong",
            f"install one that is not: {_BUILDS[gpus[0].kind]}",
        )
    elif seen and len(seen) < len(gpus):
        hidden = [each for each in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES") if each in os.environ]
        hint = f"{' and '.join(hidden)} may hide others" if hidden else "its build knows one maker's alone"
        yield Finding(name, f"{len(seen)} of {len(gpus)}: {_names(seen)}", "warning", hint)
    elif seen:
        yield Finding(name, _names(seen))
    elif found.gpus and gpus and sys.platform == "linux":
        yield Finding(
            name,
            "none: llama-cpp-python was built for GPUs, and finds none",
            "wrong",
            "do the driver and the build fit together? CUDA_VISIBLE_DEVICES hides GPUs, too",
        )


def _names(seen: Sequence[GgmlDevice]) -> str:
    return ", ".join(f"{device.name} ({device.description})" for device in seen)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])

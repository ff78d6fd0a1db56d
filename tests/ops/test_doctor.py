"""What is found of hardware and of llama-cpp-python, for machines that are not this one."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from modelsync.llama.breakdown import GgmlDevice
from modelsync.llama.probe import Probe, features_of, probe
from modelsync.ops.doctor import runtime
from modelsync.system import devices, disks
from modelsync.system.devices import Device
from tests.support.units import GiB

CARD = Device("RTX 4090", "cuda", 24 * GiB, 23 * GiB)
SEEN = GgmlDevice("CUDA0", "NVIDIA RTX 4090", 1, 23 * GiB, 24 * GiB)
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and /dev are Linux's")


@pytest.mark.parametrize(
    ("gpus", "seen", "found", "state", "words"),
    [
        ([CARD], [], Probe("0.3.36"), "wrong", "built for the CPU alone"),
        ([CARD], [SEEN], Probe("0.3.36", gpus=True), "fine", "CUDA0 (NVIDIA RTX 4090)"),
        ([CARD, CARD], [SEEN], Probe("0.3.36", gpus=True), "warning", "1 of 2"),
        ([CARD], [], Probe("0.3.36", gpus=True), "wrong", "finds none"),
        ([], [SEEN], Probe("0.3.36", gpus=True), "fine", "CUDA0"),
    ],
)
def test_a_build_is_held_against_the_gpus(
    gpus: list[Device], seen: list[GgmlDevice], found: Probe, state: str, words: str
) -> None:
    """One for the CPU alone beside a GPU is wrong; so is one that finds none of them."""
    (finding,) = runtime.use_of_gpus(gpus, seen, found)
    assert finding.state == state
    assert words in finding.text


@pytest.mark.parametrize(
    ("kind", "word"), [("cuda", "whl/cu124"), ("metal", "whl/metal"), ("rocm", "GGML_HIP"), ("gpu", "VULKAN")]
)
def test_the_mend_is_the_build_for_that_gpu(kind: devices.Kind, word: str) -> None:
    """Each kind of GPU wants another one."""
    (finding,) = runtime.use_of_gpus([CARD._replace(kind=kind)], [], Probe("0.3.36"))
    assert word in str(finding.hint)


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (None, "note", "not installed"),
        (Probe(why_not="importing it ends the process: Illegal instruction"), "wrong", "Illegal instruction"),
        (Probe("0.3.2", features=("AVX",)), "warning", "older than 0.3.36"),
        (Probe("0.4.0", gpus=True, features=("SSE3", "AVX", "AVX2")), "fine", "built for GPUs, AVX2"),
    ],
)
def test_llama_cpp_python_is_well_old_broken_or_not_there(
    found: Probe | None, state: str, words: str
) -> None:
    """Not having it is no fault; one that does not work is, and says how to have another."""
    (finding,) = runtime.llama(found)
    assert finding.state == state
    assert words in finding.text
    assert (finding.hint is None) is (state == "fine")


def test_exactness_has_its_reasons() -> None:
    """An answer that is right, one that is not, and a GPU that must not be taken."""
    assert runtime.exactness(None, False).state == "fine"
    assert "log" in runtime.exactness("llama.cpp's log does not tell", False).text
    assert runtime.exactness(None, True).state == "note"


@pytest.mark.skipif(find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed")
def test_the_installed_one_is_probed() -> None:
    """In a process of its own: a version, and the features of a CPU."""
    found = probe()
    assert found is not None
    assert found.why_not is None
    assert found.version is not None
    assert found.features


@linux
def test_one_that_cannot_be_imported_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its last words, or by the signal that ended it."""
    fake = tmp_path / "llama_cpp.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    fake.write_text("raise OSError('libcudart.so.12: cannot open shared object file')\n")
    assert "libcudart.so.12" in str(getattr(probe(), "why_not", None))
    fake.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    assert "Illegal instruction" in str(getattr(probe(), "why_not", None))


def test_features_are_read_of_llama_cpps_line() -> None:
    """Of its last part, those that are 1."""
    told = "CUDA : ARCHS = 500 | CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 0 | REPACK = 1 | "
    assert features_of(told) == ("SSE3", "AVX2", "REPACK")


@linux
def test_a_fingerprint_is_another_where_memory_or_gpus_are(tmp_path: Path) -> None:
    """By files alone: the memory, a container's limit, and the device files of GPUs."""
    (tmp_path / "self").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal: 1024 kB\n")
    group, dev = tmp_path / "cgroup", tmp_path / "dev"
    group.mkdir()
    dev.mkdir()
    bare = devices.fingerprint(tmp_path, group, dev)
    assert bare == str(1 << 20)
    (dev / "nvidia0").touch()
    (dev / "nvidiactl").touch()
    assert devices.fingerprint(tmp_path, group, dev) == f"{1 << 20} nvidia0"
    (tmp_path / "self" / "cgroup").write_text("0::/\n")
    (group / "memory.max").write_text("4096\n")
    assert devices.fingerprint(tmp_path, group, dev) == "4096 nvidia0"


def test_a_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    """The deepest one, and of two on one place the later; a path that is not there yet has its folder's."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\n"
        f"server:/x {tmp_path} nfs4 rw 0 0\n"
        f"/dev/sdb1 {tmp_path} xfs rw 0 0\n"
        f"tmpfs {tmp_path}/store-2 tmpfs rw 0 0\n"
    )
    assert disks.file_system(tmp_path / "store" / "deep", mounts) == "xfs"
    assert disks.file_system(Path("/"), mounts) == "ext4"
    assert disks.file_system(tmp_path, tmp_path / "none") is None

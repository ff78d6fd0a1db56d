"""This machine's memory and GPUs, read from real files and a stand-in for a driver's command."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from modelsync.system.devices import Device, Memory, fingerprint, gpus, memory, visible
from tests.support.units import GiB, MiB

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc, /sys and control groups are Linux's")


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """`/proc` of a machine with 32 GiB, 20 of them available, and empty control groups."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(
        f"MemTotal:  {32 * GiB // 1024} kB\nMemFree: 1 kB\nMemAvailable: {20 * GiB // 1024} kB\n"
    )
    (proc / "self" / "cgroup").write_text("0::/pod/app\n")
    return proc, cgroups


def group(folder: Path, limit: int | str, used: int, inactive: int = 0) -> None:
    """A control group of the second version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {inactive}\n")


def test_this_machine_has_memory() -> None:
    """Whatever runs this test has some, and less available than in all."""
    found = memory()
    assert found is not None
    assert 0 < found.available <= found.total
    assert found.device().kind == "ram"


@linux
def test_memory_without_a_limit_is_the_machines(machine: tuple[Path, Path]) -> None:
    """No control group says anything: total and available are the kernel's."""
    assert memory(*machine) == Memory(32 * GiB, 20 * GiB)


@linux
def test_a_containers_limit_is_what_counts(machine: tuple[Path, Path]) -> None:
    """The tightest limit on the way up is held, and its used memory taken off, but not what is only cached."""
    proc, cgroups = machine
    group(cgroups / "pod", 8 * GiB, 7 * GiB, inactive=4 * GiB)
    group(cgroups / "pod" / "app", "max", 0)
    found = memory(proc, cgroups)
    assert found == Memory(32 * GiB, 5 * GiB, 8 * GiB)
    assert found.device() == Device("RAM", "ram", 8 * GiB, 5 * GiB)


@linux
def test_a_limit_over_the_machines_memory_is_none(machine: tuple[Path, Path]) -> None:
    """A limit that cannot be reached limits nothing."""
    proc, cgroups = machine
    group(cgroups / "pod" / "app", 64 * GiB, 0)
    assert memory(proc, cgroups) == Memory(32 * GiB, 20 * GiB)


@linux
def test_the_first_version_of_control_groups_is_read_too(machine: tuple[Path, Path]) -> None:
    """There the controllers have folders of their own, and "no limit" is a number."""
    proc, cgroups = machine
    (proc / "self" / "cgroup").write_text("5:cpu,memory:/app\n4:pids:/app\n0::/\n")
    folder = cgroups / "memory" / "app"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(str(4 * GiB))
    (folder / "memory.usage_in_bytes").write_text(str(3 * GiB))
    (folder / "memory.stat").write_text(f"total_inactive_file {GiB}\n")
    (folder.parent / "memory.limit_in_bytes").write_text(str((1 << 63) - 4096))
    assert memory(proc, cgroups) == Memory(32 * GiB, 2 * GiB, 4 * GiB)


@linux
def test_a_machine_that_tells_nothing_has_no_known_memory(tmp_path: Path) -> None:
    """No answer is better than a wrong one."""
    assert memory(tmp_path, tmp_path) is None


@linux
def test_amd_cards_are_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each AMD card that tells its memory is a GPU; other makers' files are not believed."""
    monkeypatch.setenv("PATH", "")
    for card, vendor, name in (
        ("card0", "0x1002", "Radeon"),
        ("card1", "0x8086", "Arc"),
        ("card2", "0x1002", ""),
    ):
        device = tmp_path / card / "device"
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "mem_info_vram_total").write_text(str(16 * GiB))
        (device / "mem_info_vram_used").write_text(str(GiB))
        if name:
            (device / "product_name").write_text(f"{name}\n")
    assert gpus(tmp_path) == (
        Device("Radeon", "rocm", 16 * GiB, 15 * GiB),
        Device("AMD card2", "rocm", 16 * GiB, 15 * GiB),
    )


@linux
@pytest.mark.skipif(
    find_spec("pynvml") is not None, reason="nvidia-ml-py is asked first where it is installed"
)
def test_nvidia_gpus_are_asked_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nvidia-ml-py the driver's own command tells of them; a line that makes no sense is left out."""
    command = tmp_path / "nvidia-smi"
    command.write_text(
        "#!/bin/sh\n"
        "echo 'NVIDIA RTX 4090, 24564, 23000, Default'\n"
        "echo 'NVIDIA A100, PCIe, 40960, 40000, Exclusive_Process'\n"
        "echo 'broken, [N/A], [N/A], Default'\n"
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpus(tmp_path) == (
        Device("NVIDIA RTX 4090", "cuda", 24564 * MiB, 23000 * MiB),
        Device("NVIDIA A100, PCIe", "cuda", 40960 * MiB, 40000 * MiB, exclusive=True),
    )


@linux
def test_no_driver_means_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any of them has none, and nothing fails."""
    monkeypatch.setenv("PATH", "")
    assert gpus(tmp_path) == ()


# --- what a program may use ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (None, "abc"),
        ("", ""),
        ("-1", ""),
        ("1", "b"),
        ("2, 0", "ca"),
        ("0,7,1", "a"),
        ("GPU-8932f937,1", "bb"),
    ],
)
def test_a_job_sees_the_gpus_that_are_listed_for_it(words: str | None, names: str) -> None:
    """By number, up to the first that there is not; a card of another maker is not meant."""
    cards = [Device(name, "cuda", size * GiB, size * GiB) for name, size in (("a", 24), ("b", 8), ("c", 16))]
    other = Device("amd", "rocm", GiB, GiB)
    seen = visible([*cards, other], {} if words is None else {"CUDA_VISIBLE_DEVICES": words})
    assert [gpu.name for gpu in seen] == [*names, "amd"]


@linux
def test_a_fingerprint_is_another_where_the_answer_may_be(
    machine: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a container's limit, a card more, other cards to use; not with what is free at the moment."""
    proc, cgroups = machine
    (tmp_path / "dev").mkdir()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def now() -> str:
        return fingerprint(proc, cgroups, tmp_path / "dev")

    seen = [now()]
    group(cgroups / "pod" / "app", 8 * GiB, 0)
    seen.append(now())
    (tmp_path / "dev" / "nvidia0").touch()
    seen.append(now())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    seen.append(now())
    assert len(set(seen)) == 4
    group(cgroups / "pod" / "app", 8 * GiB, 7 * GiB)
    assert now() == seen[-1]

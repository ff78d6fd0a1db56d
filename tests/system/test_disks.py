"""This machine as it is."""

import sys
from pathlib import Path

import pytest

from modelsync.errors import DiskFullError
from modelsync.system import disks
from tests.support.units import MiB


def test_free_space_is_that_of_the_disk_where_a_path_will_be(tmp_path: Path) -> None:
    """The folders need not be there yet."""
    assert 0 < disks.free_bytes(tmp_path / "a" / "b") == pytest.approx(disks.free_bytes(tmp_path), rel=0.5)


def test_paths_of_one_folder_are_on_one_device(tmp_path: Path) -> None:
    """Whether they are there or not."""
    assert disks.same_device(tmp_path, tmp_path / "not" / "there")


def test_a_reserve_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes into all folders of a disk must fit beside 256 MiB; nothing needs no room."""
    monkeypatch.setattr(disks, "free_bytes", lambda _: 256 * MiB + 10)
    disks.require_space([(tmp_path / "a", 4), (tmp_path / "b", 6)])
    with pytest.raises(DiskFullError, match=r"11 B needed, 256\.0 MiB free, of which 256\.0 MiB"):
        disks.require_space([(tmp_path / "a", 4), (tmp_path / "b", 7)])
    monkeypatch.setattr(disks, "free_bytes", lambda _: 0)
    disks.require_space([(tmp_path, 0)])


def test_needs_that_come_one_by_one_are_those_that_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each folder is looked at when it comes, not again with every one after it."""
    looked: list[Path] = []

    def device(path: Path) -> int:
        looked.append(path)
        return 1

    monkeypatch.setattr(disks, "free_bytes", lambda _: 256 * MiB + 10)
    monkeypatch.setattr(disks, "device", device)
    needs = disks.DiskNeeds()
    for number in range(10):
        needs = needs.add([(tmp_path / str(number), 1)])
    needs.require()
    assert len(looked) == 10
    with pytest.raises(DiskFullError, match="11 B needed"):
        needs.add([(tmp_path, 1)]).require()
    needs.require()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_another_file_system_is_another_device(tmp_path: Path) -> None:
    """/proc is never where files are kept."""
    assert not disks.same_device(tmp_path, Path("/proc/self"))


def test_the_boot_does_not_change_while_we_run() -> None:
    """Asked twice, the same word of one line."""
    first = disks.boot_id()
    assert first == disks.boot_id()
    assert first is None or (first.split() == [first] and first)

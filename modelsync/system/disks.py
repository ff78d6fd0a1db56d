"""This machine's disks, and the ID of its current boot."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from modelsync.errors import DiskFullError, StoreError
from modelsync.sizes import size

RESERVE = 256 << 20  # bytes of a disk that stay free

SPACE_HINT = (
    "`modelsync cache prune` frees what nobody needs, and `modelsync sync --replace` the old versions first; "
    "else set MODELSYNC_STORE, or --dir, to a folder on a larger disk"
)


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write on the disk where `path` is, or will be.

    Raises:
        StoreError: no folder of the path can be read.
    """
    place = _existing(path)
    try:
        return shutil.disk_usage(place).free
    except OSError as error:
        raise StoreError(f"cannot see how much space is free at {place}: {error.strerror}") from error


def has_space(path: Path, count: int) -> bool:
    """Whether `count` more bytes fit on the disk where `path` is, or will be, and `RESERVE` stays free.

    Raises:
        StoreError: no folder of the path can be read.
    """
    return count <= 0 or free_bytes(path) >= count + RESERVE


def require_space(coming: Iterable[tuple[Path, int]], *, hint: str = SPACE_HINT) -> None:
    """Checks that all that is about to be written fits, on each disk together, and that `RESERVE` stays free there.

    Args:
        coming: Folders, and the bytes that will be written into each.
        hint: What the error suggests.

    Raises:
        DiskFullError: a disk has too little space; the message names a folder on it.
    """
    DiskNeeds().add(coming).require(hint=hint)


class DiskNeeds(NamedTuple):
    """What is about to be written, by disk: the number of its file system, a folder on it, and bytes."""

    by_device: Mapping[int, tuple[Path, int]] = {}

    def add(self, coming: Iterable[tuple[Path, int]]) -> "DiskNeeds":
        """With further folders and bytes. A folder is looked at once, however often it comes.

        Raises:
            StoreError: no folder of a path can be read.
        """
        folders: dict[Path, int] = {}
        for folder, count in coming:
            folders[folder] = folders.get(folder, 0) + count
        needs = dict(self.by_device)
        for folder, count in folders.items():
            number = device(folder)
            first, before = needs.get(number, (folder, 0))
            needs[number] = first, before + count
        return DiskNeeds(needs)

    def require(self, *, hint: str = SPACE_HINT) -> None:
        """Checks that all of it fits, and that `RESERVE` stays free on each disk.

        Raises:
            DiskFullError: a disk has too little space; the message names a folder on it.
        """
        for folder, count in self.by_device.values():
            if not has_space(folder, count):
                raise DiskFullError(
                    f"not enough space at {folder}: {size(count)} needed, {size(free_bytes(folder))} free, "
                    f"of which {size(RESERVE)} stay free",
                    hint=hint,
                )


def same_device(a: Path, b: Path) -> bool:
    """Whether `a` and `b` are, or will be, on one file system: a rename or a hard link can join them."""
    return device(a) == device(b)


def device(path: Path) -> int:
    """The number of the file system where `path` is, or will be.

    Raises:
        StoreError: no folder of the path can be read.
    """
    place = _existing(path)
    try:
        return place.stat().st_dev
    except OSError as error:
        raise StoreError(f"cannot look at {place}: {error.strerror}") from error


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """What kind of file system `path` is, or will be, on (`ext4`, `nfs4`, …); None if unknown.

    Args:
        path: The path.
        mounts: Linux's list of mounts.
    """
    try:
        place = _existing(path).resolve()
        text = mounts.read_text(errors="replace")
    except OSError:
        return None
    mounted = (line.split()[1:3] for line in text.splitlines() if len(line.split()) > 2)
    around = [
        (len(point), kind) for point, kind in mounted if place.is_relative_to(point.replace("\\040", " "))
    ]
    # of two mounts at one place the later one is visible
    return max(reversed(around), key=lambda each: each[0])[1] if around else None


@cache
def boot_id() -> str | None:
    """An ID of the current boot; None if the system has none.

    What a killed process wrote survives in the page cache; what was not flushed before a power loss does not. The ID
    tells the two apart.
    """
    if sys.platform == "linux":
        word = _read_word(Path("/proc/sys/kernel/random/boot_id"))
    elif sys.platform == "darwin":
        word = _run_word("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
    elif sys.platform == "win32":
        word = _windows_boot_count()
    else:
        word = None
    return word


@cache
def place_id() -> str:
    """16 hex digits for the file system that this process sees: another one in each container and on each machine."""
    import hashlib
    import platform

    words = [_read_word(Path("/etc/machine-id")) or ""]
    if sys.platform == "linux":  # elsewhere the name changes with the network
        words.append(platform.node())
    try:
        words.append(str(Path("/").stat().st_ino))
    except OSError:
        words.append("")
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and fail on loops
    return next((place for place in (path, *path.parents) if place.exists()), path)


def _read_word(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip() or None
    except (OSError, UnicodeError):
        return None


def _run_word(*command: str) -> str | None:
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


if sys.platform == "win32":

    def _windows_boot_count() -> str | None:
        import winreg

        where = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, where) as key:
                return str(winreg.QueryValueEx(key, "BootId")[0])
        except OSError:
            return None

"""The ways a blob gets another name. Each makes a new file, with the blob's time; `appear` chooses among them."""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from modelsync.errors import StoreError
from modelsync.store.link_record import LinkMode, UsedMode

_FICLONE = 0x40049409  # ioctl(target, FICLONE, source), from linux/fs.h
_CHUNK = 4 << 20

# What to do where a project's folder cannot be written.
FOLDER_HINT = "give a folder that you can write, on a disk with space, with --dir"


def appear(
    folder: Path,
    files: Sequence[tuple[Path, Path]],
    mode: LinkMode,
    on_bytes: Callable[[int], None] | None = None,
) -> list[UsedMode]:
    """Makes blobs appear under new names: all that can be linked first, then copies if need be.

    Args:
        folder: Where the new names are.
        files: A blob and its new name each.
        mode: How; `auto` is a reflink, else a hard link, else a copy.
        on_bytes: See `copy`.

    Returns:
        How each was made.

    Raises:
        DiskFullError: there is no space for the copies; none was begun.
        StoreError: the mode is not to be had here.
        OSError: a copy failed.
    """
    modes = [_link(folder, blob, target, mode) for blob, target in files]
    copies = [file for file, used in zip(files, modes, strict=True) if used == "copy"]
    if copies:
        from modelsync.system.disks import require_space

        require_space([(folder, blob.stat().st_size) for blob, _ in copies], hint=FOLDER_HINT)
    for blob, target in copies:
        copy(blob, target, on_bytes)
    return modes


def reflink(blob: Path, target: Path) -> None:
    """Makes a file of its own that shares the blob's blocks until one of them changes (Btrfs, XFS, APFS, …).

    Raises:
        OSError: the file system cannot do that, or not between these folders.
    """
    if sys.platform == "linux":
        _ficlone(blob, target)
    elif sys.platform == "darwin":
        _clonefile(blob, target)
    else:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(target))
    _copy_time(blob, target)


def hardlink(blob: Path, target: Path) -> None:
    """Gives the blob one more name.

    Raises:
        OSError: not on this file system, or not between these folders.
    """
    os.link(blob, target)


def symlink(blob: Path, target: Path) -> None:
    """Makes a symbolic link to where the blob is.

    Raises:
        OSError: not on this file system, or not by this user (Windows).
    """
    target.symlink_to(blob)


def copy(blob: Path, target: Path, on_bytes: Callable[[int], None] | None = None) -> None:
    """Copies the blob, and waits until the copy is on the disk.

    Args:
        blob: What is copied.
        target: The copy. It is removed again when the copying fails.
        on_bytes: Is told how many more bytes were copied, as they are; what it raises ends the copying.

    Raises:
        OSError: the blob cannot be read or the copy not be written.
    """
    try:
        with blob.open("rb", buffering=0) as source, target.open("xb", buffering=0) as file:
            buffer = memoryview(bytearray(_CHUNK))
            while count := source.readinto(buffer):
                written = 0
                while written < count:
                    written += file.write(buffer[written:count])
                if on_bytes is not None:
                    on_bytes(count)
            os.fsync(file.fileno())
        _copy_time(blob, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _link(folder: Path, blob: Path, target: Path, mode: LinkMode) -> UsedMode:
    """Links a blob as the mode says. Returns `copy` where it has to be copied."""
    ways: dict[UsedMode, Callable[[Path, Path], None]] = {
        "reflink": reflink,
        "hardlink": hardlink,
        "symlink": symlink,
    }
    if mode == "auto":
        del ways["symlink"]
    elif mode == "copy":
        ways = {}
    else:
        ways = {mode: ways[mode]}
    for used, way in ways.items():
        try:
            way(blob, target)
        except OSError as error:
            if mode != "auto":
                raise StoreError(
                    f"cannot make a {mode} of {blob} in {folder}: {error.strerror}",
                    hint="choose another --link-mode; `auto` takes what the disk can do",
                ) from error
        else:
            return used
    return "copy"


def _copy_time(blob: Path, target: Path) -> None:
    seen = blob.stat()
    os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))


if sys.platform == "linux":

    def _ficlone(blob: Path, target: Path) -> None:
        import fcntl

        with blob.open("rb") as source, target.open("xb") as file:
            try:
                fcntl.ioctl(file.fileno(), _FICLONE, source.fileno())
            except OSError:
                target.unlink()
                raise


if sys.platform == "darwin":

    def _clonefile(blob: Path, target: Path) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.clonefile(os.fsencode(blob), os.fsencode(target), 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(target))
        target.chmod(0o644)  # the copy is the project's own

"""Every write goes through here: by a temporary name, synced, renamed, and with words for what the disk says.

Light: `roots` uses it, and so does a sync with nothing to do.
"""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from modelsync.errors import DiskFullError, StoreError
from modelsync.store.layout import FOLDERS, SHARDED, TEMPORARY, Store

CACHEDIR_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This file marks a cache: backups may leave the folder out (https://bford.info/cachedir/).
# modelsync fetches again what it needs; `modelsync cache clean` empties it.
"""

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_BINARY = getattr(os, "O_BINARY", 0)
_DENIED = {errno.EACCES, errno.EPERM}

STORE_HINT = "set MODELSYNC_STORE to a folder that you can write, on a disk with space"


@contextmanager
def told(doing: str, *, hint: str = STORE_HINT) -> Iterator[None]:
    """Turns what the operating system says inside the block into an error for people.

    Args:
        doing: What was being done: "cannot …".
        hint: What to do where the place is full, read-only or not permitted.

    Raises:
        DiskFullError: no space, or no quota, is left.
        StoreError: anything else that an `OSError` told.
    """
    try:
        yield
    except OSError as error:
        raise _in_words(doing, hint, error) from error


def _in_words(doing: str, hint: str, error: OSError) -> StoreError:
    where = f"{doing}: {error.filename}" if error.filename is not None else doing
    if error.errno in _FULL:
        return DiskFullError(
            f"{where}: no space is left", hint=f"free some (`modelsync cache prune` helps), or {hint}"
        )
    if error.errno == errno.EROFS:
        return StoreError(f"{where} is on a read-only file system", hint=hint)
    if error.errno in _DENIED and sys.platform == "win32":
        return StoreError(f"{where} is in use, or not ours to change", hint="close the programs that use it")
    if error.errno in _DENIED:
        return StoreError(f"{where}: permission denied", hint=hint)
    if error.errno == errno.EXDEV:
        return StoreError(
            f"{where} is on another file system", hint="keep the folders of a store on one file system"
        )
    return StoreError(f"{where}: {error.strerror or error}", hint=hint)


_checked: set[Path] = set()  # roots of stores whose folders this process has looked at


def check_folders(store: Store, *, again: bool = False) -> None:
    """Checks that no folder of the store is a link that leads out of it, before something is written or removed there.

    Args:
        store: The store; its own root is looked at, once a process.
        again: Look once more: some time has passed.

    Raises:
        StoreError: one leads out.
    """
    if store.root in _checked and not again:
        return
    root = os.path.realpath(store.root)
    for entry in _links(store.root):
        if not os.path.realpath(entry).startswith(root + os.sep):
            raise StoreError(
                f"{entry} is a link that leads out of the store",
                hint="see who made it, and remove it; MODELSYNC_STORE names another place for the whole store",
            )
    if os.path.isdir(root):  # noqa: PTH112
        _checked.add(store.root)


def _links(root: Path) -> Iterator[str]:
    """The folders of a store's layout that are links."""
    for place in (root, *(root / name for name in SHARDED)):
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if (place != root or entry.name in FOLDERS) and (entry.is_symlink() or _is_junction(entry)):
                    yield entry.path


def _is_junction(entry: os.DirEntry[str]) -> bool:
    return sys.platform == "win32" and sys.version_info >= (3, 12) and entry.is_junction()


def prepare(store: Store) -> None:
    """Makes the root of the store, marked as a cache, and its folder for temporary names.

    Raises:
        StoreError: a folder of the store is a link that leads out of it.
    """
    check_folders(store)
    with suppress(FileExistsError):
        (store.root / TEMPORARY).mkdir(parents=True)
    with suppress(FileExistsError), (store.root / "CACHEDIR.TAG").open("x") as tag:
        tag.write(CACHEDIR_TAG)


def temporary(store: Store) -> Path:
    """A fresh name in the store's folder for what is on its way: the store must have been prepared.

    Raises:
        StoreError: a folder of the store is a link that leads out of it.
    """
    check_folders(store)
    return store.root / TEMPORARY / unique()


def unique() -> str:
    """16 random hex digits."""
    return os.urandom(8).hex()


def write(store: Store, target: Path, data: bytes) -> None:
    """Writes a small file of the store, whole or not at all."""
    prepare(store)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_by(temporary(store), target, data)


def put(store: Store, target: Path, data: bytes) -> None:
    """Writes a small file that can be found out again: whole or not at all, but not waited for.

    A power cut may take it, or leave it empty: the reader must notice.
    """
    try:
        _put(temporary(store), target, data)
    except FileNotFoundError:
        prepare(store)
        target.parent.mkdir(parents=True, exist_ok=True)
        _put(temporary(store), target, data)


def begin(target: Path, data: bytes) -> bool:
    """Writes a small file that nobody looks for yet, under its own name; says whether none was there.

    A kill may leave half of it: as with `put`, the reader must notice.
    """
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    except FileExistsError:
        return False
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        return begin(target, data)
    try:
        written = os.write(descriptor, data)
    finally:
        os.close(descriptor)
    if written < len(data):
        unlink(target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    return True


def _put(temp: Path, target: Path, data: bytes) -> None:
    try:
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        try:
            written = os.write(descriptor, data)
        finally:
            os.close(descriptor)
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temp))
        rename(temp, target)
    except BaseException:
        unlink(temp)
        raise


def write_by(temp: Path, target: Path, data: bytes) -> os.stat_result:
    """Writes `target` by the name `temp`, which is on the same file system; returns how the new file looks."""
    try:
        with temp.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            seen = os.fstat(file.fileno())
        rename(temp, target)
        sync_folder(target.parent)
        return seen
    except BaseException:
        unlink(temp)
        raise


def sync_file(path: Path, *, writable: bool = True) -> None:
    """Waits until the bytes of a file are on the disk.

    Args:
        path: The file.
        writable: Whether it may be opened for writing, which Windows asks for; of any other, the system may wait.
    """
    descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | _BINARY)
    try:
        with nullcontext() if writable else suppress(OSError):
            sync_bytes(descriptor)
    finally:
        os.close(descriptor)


def sync_bytes(descriptor: int) -> None:
    """Waits until the bytes of an open file are on the disk."""
    os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can do that."""
    with suppress(OSError):  # Windows opens no folders; some network file systems sync none
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Renames what may be one more name of `target`'s own file.

    A rename between two hard links of one file does nothing: the old name is then removed.
    """
    rename(source, target)
    unlink(source)


def rename(source: Path, target: Path) -> None:
    """Renames a file that has no other name, over whatever had the new one, on one file system.

    On Windows a scanner may have a new file open for a moment, and a read-only file is in the way of a rename.
    """
    for wait in (0.01, 0.05, 0.25, 1.0) if sys.platform == "win32" else ():
        try:
            source.replace(target)
            break
        except PermissionError:
            with suppress(OSError):
                target.chmod(0o644)
            time.sleep(wait)
    else:
        source.replace(target)


def unlink(path: Path) -> bool:
    """Removes a file; says whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except PermissionError:
        if sys.platform == "win32":
            path.chmod(0o644)  # Windows removes no read-only file
            path.unlink()
        else:
            raise
    return True

"""Files in a project's folder (`dir`, `pull --dir`): putting them there, and taking away what was put there.

Only what is recorded (`record.py`), and is still as it was recorded, is ever replaced or removed; everything else in
the folder is somebody else's.
"""

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.errors import RefusedError, StoreError
from modelsync.spec.names import path_fault, printable
from modelsync.store import atomic, link_record
from modelsync.store.link_record import Record, UsedMode, intact, owned

__all__ = ["LinkMode", "Record", "UsedMode", "Wanted", "intact", "owned", "place", "remove", "serves"]

LinkMode = Literal["auto", "reflink", "hardlink", "symlink", "copy"]

LOCK = ".modelsync.lock"
HINT = "give a folder that you can write, on a disk with space, with --dir"


class Wanted(NamedTuple):
    """A blob that is to appear at `path`: relative to the folder, with `/`."""

    path: str
    blob: Path
    sha256: str
    size: int


def place(
    folder: Path,
    wanted: Sequence[Wanted],
    *,
    mode: LinkMode = "auto",
    inside: Path | None = None,
    owner: str = "",
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[UsedMode, ...]:
    """Makes blobs appear in `folder`; returns how, for each. What is there and right already is left as it is.

    Args:
        folder: Made if need be, with a `.gitignore` of "*".
        wanted: What is to be where.
        mode: `auto` is a reflink, else a hard link, else a copy (the disk is looked at first).
        inside: A folder (the project's) that `folder`, links followed, must not leave. None: anywhere.
        owner: For whom, as the record has it: several manifests and pulls may share a folder.
        on_bytes: Is told how many more bytes were copied or read, as they are; what it raises ends the work.

    Raises:
        RefusedError: a path leaves the folder, by its name or through a symbolic link.
        DiskFullError: there is no space for copies; nothing was begun.
        StoreError: a file that is not ours is in the way, the mode is not to be had here, the folder cannot be
            written.
    """
    with atomic.told(f"cannot put files into {folder}", hint=HINT):
        _open(folder, inside)
        with _alone(folder):
            known = owned(folder)
            found = {
                want.path: _standing(folder, want, known.get(want.path), mode, on_bytes) for want in wanted
            }
            standing = {path: seen._replace(owner=owner) for path, seen in found.items() if seen is not None}
            missing = [want for want in wanted if want.path not in standing]
            after = {**known, **standing}
            if missing or after != known:
                after = _appear(folder, missing, after, mode, owner, on_bytes)
    return tuple(after[want.path].mode for want in wanted)


def serves(folder: Path, path: str, put: Record, mode: LinkMode, shown: Path | None) -> bool:
    """Whether what was put at `path` is still there, is of the mode that is asked for, and leads to the blob.

    Args:
        folder: The folder.
        path: The path in it.
        put: What the record says of it.
        mode: `auto` takes any.
        shown: The blob, or a link to it; None where it is not here, or not known to be good.
    """
    if not intact(folder, path, put) or (mode not in ("auto", put.mode) and put.mode != "found"):
        return False
    if put.mode != "hardlink":
        return True
    try:  # after a repair, the link still has what was damaged
        return shown is not None and shown.samefile(folder / path)
    except OSError:
        return False


def remove(folder: Path, paths: Iterable[str], *, inside: Path | None = None) -> tuple[str, ...]:
    """Removes what was put at `paths`, and folders that become empty; returns the paths that are gone.

    What was changed since, was found, or is not recorded stays; it counts as the user's from now on.

    Args:
        folder: The folder.
        paths: In it.
        inside: See `place`.

    Raises:
        RefusedError: the folder leads out of `inside`: what is there is another's.
        StoreError: the folder cannot be written.
    """
    if not folder.is_dir():
        return ()
    _stays(folder, inside)
    gone = []
    with atomic.told(f"cannot remove files from {folder}", hint=HINT), _alone(folder):
        records = dict(owned(folder))
        for path in paths:
            put = records.pop(path, None)
            if put is None or put.mode == "found":
                continue
            try:
                target = _target(folder, path)
            except RefusedError:
                continue
            if not intact(folder, path, put) and os.path.lexists(target):
                continue
            atomic.unlink(target)
            gone.append(path)
            for parent in target.relative_to(folder).parents:
                with suppress(OSError):  # the first one that is not empty ends it
                    if parent != Path():
                        (folder / parent).rmdir()
        link_record.write(folder, records, {})
    return tuple(gone)


def distrust(folder: Path, path: str, *, blob: Path | None = None) -> None:
    """Says that what was put at `path` is not what it was, though nothing shows it: it is ours to be put there anew.

    Args:
        folder: The folder.
        path: The path in it.
        blob: A damaged blob: only where the path is one more name of it, whatever was written to both.

    Raises:
        StoreError: the folder cannot be written.
    """
    with atomic.told(f"cannot change {folder}", hint=HINT), _alone(folder):
        records = dict(link_record.owned(folder))
        put = records.get(path)
        if put is None:
            return
        if blob is not None:
            seen = (folder / path).lstat()
            if put.mode != "hardlink" or not os.path.samestat(seen, blob.stat()):
                return
            put = put._replace(size=seen.st_size, mtime_ns=seen.st_mtime_ns)
        records[path] = put._replace(sha256="")
        link_record.write(folder, records, {})


def _open(folder: Path, inside: Path | None) -> None:
    """Makes the folder, unless following links to it leaves `inside`."""
    _stays(folder, inside)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        (folder / ".gitignore").write_text("*\n")


def _stays(folder: Path, inside: Path | None) -> None:
    if inside is not None and not folder.resolve().is_relative_to(inside.resolve()):
        raise RefusedError(
            f"{folder} leads out of {inside}", hint="name the folder with --dir if that is what you want"
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder, where it has locks, and sweeps up what a killed one left."""
    from modelsync.store import digest_lock

    lock = folder / LOCK
    with digest_lock.locked(lock) as answer:
        try:
            if answer == "held":
                for left in folder.glob(link_record.TEMPORARY):
                    atomic.unlink(left)
            yield
        finally:
            if answer == "held" and sys.platform != "win32":  # there, filelock removes it itself
                atomic.unlink(lock)


def _target(folder: Path, path: str) -> Path:
    """Where `path` is in the folder.

    Raises:
        RefusedError: it is not in the folder, by its name or through a symbolic link.
    """
    fault = path_fault(path)
    if fault is not None or path.startswith(".modelsync"):
        raise RefusedError(
            f"`{printable(path)}` is refused in {folder}: {fault or 'modelsync writes that itself'}"
        )
    target = folder / path
    for parent in target.parents:
        if parent == folder:
            break
        if parent.is_symlink():
            raise RefusedError(
                f"{printable(str(parent))} is a symbolic link: files are not put through it",
                hint=f"remove the link, or choose another folder than {folder} with --dir",
            )
    return target


def _standing(
    folder: Path,
    want: Wanted,
    put: Record | None,
    mode: LinkMode,
    on_bytes: Callable[[int], None] | None,
) -> Record | None:
    """What is where `want` is to be, if it is right already; None where it has to be put there.

    Raises:
        StoreError: something that is not ours is in the way.
    """
    target = _target(folder, want.path)
    try:
        seen = target.lstat()
    except FileNotFoundError:
        return None
    blob = want.blob.stat()
    if put is not None and put.describes(str(target), seen):
        right = put.sha256 == want.sha256 and (
            put.mode == "found"
            or (mode in ("auto", put.mode) and _serves(target, seen, put.mode, want, blob))
        )
        if right:
            return put
        if put.mode != "found":
            return None
    if stat.S_ISLNK(seen.st_mode):
        if target.readlink() == want.blob:
            return Record(want.sha256, want.size, blob.st_mtime_ns, "symlink")
    elif os.path.samestat(seen, blob):
        return Record(want.sha256, want.size, seen.st_mtime_ns, "hardlink")
    elif stat.S_ISREG(seen.st_mode) and seen.st_size == want.size:
        from modelsync.store import hashing

        if hashing.sha256_of(target, on_bytes=on_bytes) == want.sha256:
            return Record(want.sha256, want.size, seen.st_mtime_ns, "found")
    why = "modelsync did not put it there" if put is None else "it was changed since it was put there"
    raise StoreError(
        f"{printable(str(target))} is in the way: {why}",
        hint="move it away, or choose another folder with --dir",
    )


def _serves(target: Path, seen: os.stat_result, how: UsedMode, want: Wanted, blob: os.stat_result) -> bool:
    """Whether a link that we made still leads to the blob: after a repair, or in another store, it would not."""
    if how == "symlink":
        return target.readlink() == want.blob
    return how != "hardlink" or os.path.samestat(seen, blob)


def _appear(
    folder: Path,
    missing: Sequence[Wanted],
    records: Mapping[str, Record],
    mode: LinkMode,
    owner: str,
    on_bytes: Callable[[int], None] | None,
) -> dict[str, Record]:
    """Puts blobs where nothing, or a file of ours, is. Returns the new records."""
    temps = {want.path: link_record.temporary(folder) for want in missing}
    try:
        modes = _link(folder, missing, temps, mode, on_bytes)
        pending = {}
        for want in missing:
            seen = temps[want.path].stat()
            pending[want.path] = Record(want.sha256, seen.st_size, seen.st_mtime_ns, modes[want.path], owner)
        link_record.write(folder, records, pending)
        for want in missing:
            target = folder / want.path
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic.move(temps[want.path], target)
        after = {**records, **pending}
        link_record.write(folder, after, {})
    finally:
        for temp in temps.values():
            atomic.unlink(temp)
    return after


def _link(
    folder: Path,
    missing: Sequence[Wanted],
    temps: Mapping[str, Path],
    mode: LinkMode,
    on_bytes: Callable[[int], None] | None,
) -> dict[str, UsedMode]:
    """Makes the blobs appear under their temporary names: all that can be linked first, then copies if need be."""
    from modelsync.store import clone
    from modelsync.system.disks import require_space

    ways: dict[UsedMode, Callable[[Path, Path], None]] = {
        "reflink": clone.reflink,
        "hardlink": clone.hardlink,
        "symlink": clone.symlink,
    }
    tried: tuple[UsedMode, ...] = (
        ("reflink", "hardlink") if mode == "auto" else () if mode == "copy" else (mode,)
    )
    modes: dict[str, UsedMode] = {}
    copies: list[Wanted] = []
    for want in missing:
        for way in tried:
            try:
                ways[way](want.blob, temps[want.path])
            except OSError as error:
                if mode != "auto":
                    raise StoreError(
                        f"cannot make a {mode} of {want.blob} in {folder}: {error.strerror}",
                        hint="choose another --link-mode; `auto` takes what the disk can do",
                    ) from error
            else:
                modes[want.path] = way
                break
        else:
            modes[want.path] = "copy"
            copies.append(want)
    if copies:
        require_space([(folder, want.size) for want in copies], hint=HINT)
    for want in copies:
        clone.copy(want.blob, temps[want.path], on_bytes)
    return modes

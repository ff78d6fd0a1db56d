"""Files in a project's folder (`dir`, `pull --dir`): putting them there, and taking away what was put there.

Only what is recorded (`link_record.py`), and is still as it was recorded, is ever replaced or removed; everything else
in the folder is somebody else's.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import StoreError
from modelsync.spec.names import printable
from modelsync.store import atomic, link_folder, link_record
from modelsync.store.clone import FOLDER_HINT
from modelsync.store.link_record import LinkMode, Record, UsedMode, intact, owned
from modelsync.store.link_removal import describes, remove, without_obstacles

if TYPE_CHECKING:
    from modelsync.store.claim import HeldClaim

__all__ = ["LinkMode", "NewLink", "Record", "UsedMode", "intact", "owned", "place", "remove", "serves"]


class NewLink(NamedTuple):
    """A blob that is to appear at `path`: relative to the folder, with `/`."""

    path: str
    blob: Path
    sha256: str
    size: int


def place(
    folder: Path,
    wanted: Sequence[NewLink],
    *,
    mode: LinkMode = "auto",
    inside: Path | None = None,
    owner: str = "",
    set_aside: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[UsedMode, ...]:
    """Makes blobs appear in `folder`; returns how, for each. What is there and right already is left as it is.

    Args:
        folder: Made if need be, with a `.gitignore` of "*".
        wanted: What is to be where.
        mode: `auto` is a reflink, else a hard link, else a copy (the disk is looked at first).
        inside: A folder (the project's) that `folder`, links followed, must not leave. None: anywhere.
        owner: For whom, as the record has it: several manifests and pulls may share a folder.
        set_aside: Whether a file that was put there and changed since is moved to `<file>.modified` (or the next
            free name), to make room.
        on_bytes: Is told how many more bytes were copied or read, as they are; what it raises ends the work.

    Raises:
        RefusedError: a path leaves the folder, by its name or through a symbolic link, or is in another program's.
        DiskFullError: there is no space for copies; nothing was begun.
        StoreError: a file that is not ours is in the way (if it was put there and changed since, all others are in
            their place), the mode is not to be had here, the folder cannot be written.
    """
    with atomic.told(f"cannot put files into {folder}", hint=FOLDER_HINT):
        link_folder.open_folder(folder, inside)
        if inside is not None:
            link_folder.check_places(folder, (want.path for want in wanted))
        with link_folder.claimed(folder) as mine:
            known = without_obstacles(folder, owned(folder), [want.path for want in wanted], owner)
            found: dict[str, Record | None] = {}
            refused: dict[str, Record | None] = {}
            for want in wanted:
                put = known.get(want.path)
                try:
                    found[want.path] = _standing(folder, want, put, mode, on_bytes)
                except FileExistsError:
                    if put is None or put.mode == "found":
                        raise _in_the_way(folder, {want.path: put}) from None
                    if set_aside:
                        found[want.path] = None
                    else:
                        refused[want.path] = put
            standing = {path: seen._replace(owner=owner) for path, seen in found.items() if seen is not None}
            missing = [want for want in wanted if want.path not in standing and want.path not in refused]
            after = {**known, **standing}
            if missing or after != known:
                after, kept = _appear(
                    folder, missing, after, mode, owner, on_bytes, mine, set_aside=set_aside
                )
                refused |= {path: known.get(path) for path in kept}
    if refused:
        raise _in_the_way(folder, refused)
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
    if put.mode not in ("hardlink", "symlink"):
        return True
    try:  # after a repair, a hard link still has what was damaged; a symbolic one may lead into another store
        return shown is not None and shown.samefile(folder / path)
    except OSError:
        return False


def _standing(
    folder: Path,
    want: NewLink,
    put: Record | None,
    mode: LinkMode,
    on_bytes: Callable[[int], None] | None,
) -> Record | None:
    """What is where `want` is to be, if it is right already; None where it has to be put there.

    Raises:
        FileExistsError: something that is not ours is in the way.
    """
    target = link_folder.place_of(folder, want.path)
    try:
        seen = target.lstat()
    except FileNotFoundError:
        return None
    except NotADirectoryError:  # a file that is not ours is where its folder must be
        raise FileExistsError(want.path) from None
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
    raise FileExistsError(want.path)


def _serves(target: Path, seen: os.stat_result, how: UsedMode, want: NewLink, blob: os.stat_result) -> bool:
    """Whether a link that we made still leads to the blob: after a repair, or in another store, it would not."""
    if how == "symlink":
        return target.readlink() == want.blob
    return how != "hardlink" or os.path.samestat(seen, blob)


def _appear(
    folder: Path,
    missing: Sequence[NewLink],
    records: Mapping[str, Record],
    mode: LinkMode,
    owner: str,
    on_bytes: Callable[[int], None] | None,
    mine: "HeldClaim",
    *,
    set_aside: bool,
) -> tuple[dict[str, Record], list[str]]:
    """Puts blobs where nothing, or a file of ours, is. Returns the new records, and where something else came."""
    from modelsync.store import clone

    temps = {want.path: link_record.temporary(folder) for want in missing}
    pending: dict[str, Record] = {}
    try:
        modes = clone.appear(folder, [(want.blob, temps[want.path]) for want in missing], mode, on_bytes)
        for want, used in zip(missing, modes, strict=True):
            seen = temps[want.path].stat()
            pending[want.path] = Record(want.sha256, seen.st_size, seen.st_mtime_ns, used, owner)
        if not mine.confirm():
            raise StoreError(f"another process works in {folder}", hint="run it again")
        link_record.write(folder, records, pending)
        kept = [
            want.path
            for want in missing
            if not _put(folder, want.path, temps[want.path], records.get(want.path), set_aside=set_aside)
        ]
        after = {**records, **{path: record for path, record in pending.items() if path not in kept}}
        link_record.write(folder, after, {})
    finally:
        for path, temp in temps.items():
            known = [each for each in (pending.get(path), records.get(path)) if each is not None]
            if not pending or any(describes(each, temp) for each in known):  # never what is the user's
                atomic.unlink(temp)
    return after, kept


def _put(folder: Path, path: str, temp: Path, was: Record | None, *, set_aside: bool) -> bool:
    """Moves a file to its place; False where something that is not ours came there meanwhile.

    Args:
        folder: The folder.
        path: The place in it.
        temp: The new file.
        was: What was put there before, and may be replaced; None: nothing was there.
        set_aside: Whether what was put there before and changed since is moved to another name first.
    """
    from modelsync.store import swap

    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if was is not None and was.mode != "found":
        if set_aside and os.path.lexists(target) and not describes(was, target):
            swap.set_aside(target, target)
        return swap.replace(temp, target, lambda at: describes(was, at))
    try:
        swap.fill(temp, target)
    except FileExistsError:
        return False
    return True


def _in_the_way(folder: Path, refused: Mapping[str, Record | None]) -> StoreError:
    path, put = next(iter(refused.items()))
    more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
    changed = put is not None and put.mode != "found"
    why = "it was changed since it was put there" if changed else "modelsync did not put it there"
    if put is not None and changed and put.owner:
        name = printable(path.partition("/")[0])
        hint = (
            f"`modelsync verify --repair {name}` keeps it as <file>.modified and puts the locked file there"
        )
    else:
        hint = "move it away and run the same command again, or choose another folder with --dir"
    return StoreError(f"{printable(str(folder / path))} is in the way: {why}{more}", hint=hint)

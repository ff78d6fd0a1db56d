"""The store and the project's folder: whether they can be written and linked."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import ModelsyncError, StoreError
from modelsync.ops.doctor.findings import Finding, fault
from modelsync.settings import Settings
from modelsync.sizes import size
from modelsync.spec.names import printable
from modelsync.store import atomic, clone, inventory
from modelsync.store.layout import BLOBS, TEMPORARY, Store
from modelsync.system import disks

_LITTLE = 2 << 30  # free bytes that few models fit into
_SHARED = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "lustre", "gpfs", "virtiofs")
_HINT = "set MODELSYNC_STORE to a folder that you can write, on a disk with space"


def store(place: Store, settings: Settings, folder: Path | None) -> Iterator[Finding]:
    """What there is to say of the store.

    Args:
        place: The store.
        settings: The environment's.
        folder: The project's folder that files are linked into too; None: there is none.
    """
    told = "MODELSYNC_STORE" if settings.store is not None else "the user's cache folder"
    made = "" if place.root.is_dir() else "; not made yet"
    yield Finding("path", f"{_shown(place.root)} ({told}){made}")
    yield from _disk(place.root)
    if place.root.is_dir():
        yield _content(place)
    yield from _trials(place, folder)
    for root in place.readonly:
        yield _readonly(root)


def neighbours(context: Context) -> Iterator[Finding]:
    """Other tools' caches that are here, and whether they may be linked from."""
    try:
        found = context.neighbours.caches
    except ModelsyncError as error:
        yield fault("caches", error)
        return
    if not context.adopt:
        yield Finding("looked into", "no: MODELSYNC_ADOPT=0", "note")
    for cache in found:
        readable = os.access(cache.root, os.R_OK | os.X_OK)
        words = _shown(cache.root)
        if not readable:
            yield Finding(cache.title, f"{words} cannot be read", "note", "it is another user's")
            continue
        try:
            same = disks.same_device(cache.root, context.store.root)
        except ModelsyncError:
            same = False
        how = "linked" if cache.links_from is not None and same else "copied, or reflinked"
        yield Finding(cache.title.removeprefix("the "), f"{words}: {how}")


def _disk(root: Path) -> Iterator[Finding]:
    kind = disks.file_system(root)
    try:
        free = disks.free_bytes(root)
    except StoreError as error:
        yield fault("disk", error)
        return
    words = f"{kind}, {size(free)} free" if kind else f"{size(free)} free"
    if free < _LITTLE:
        yield Finding("disk", words, "warning", "`modelsync cache prune` removes what no lock needs")
    elif kind and kind.startswith(_SHARED):
        hint = "a store is quicker on a disk of this machine, and a team's can be read-only"
        yield Finding("disk", f"{words}; over a network or from another system", "note", hint)
    else:
        yield Finding("disk", words)


def _content(place: Store) -> Finding:
    try:
        found = inventory.size(place)
    except (StoreError, OSError) as error:
        told = (
            error
            if isinstance(error, StoreError)
            else StoreError(f"it cannot be read: {error.strerror}", hint=_HINT)
        )
        return fault("content", told)
    files = f"{found.blobs} file{'' if found.blobs == 1 else 's'}, {size(found.blob_bytes)}"
    return Finding("content", files + (f"; {found.partials} unfinished" if found.partials else ""))


def _trials(place: Store, folder: Path | None) -> Iterator[Finding]:
    """Tries in the store what it will have to do, on an empty file."""
    try:
        with _trial_folder(place.root) as trial:
            file = trial / "file"
            file.write_bytes(b"modelsync")
            yield Finding("writable", "yes")
            ways = _ways(file, trial)
            yield (
                Finding("links in it", ways[0])
                if ways
                else Finding(
                    "links in it",
                    "none: views are copies, so each model takes its room twice",
                    "warning",
                    "set MODELSYNC_STORE to a folder on a file system with hard links",
                )
            )
            if folder is not None:
                yield _project(file, folder)
    except OSError as error:
        yield Finding("writable", f"no: {error.strerror}", "wrong", _HINT)


@contextmanager
def _trial_folder(root: Path) -> Iterator[Path]:
    """A folder for a moment where the store keeps its own for a moment, or where the store would be made."""
    inside = root / TEMPORARY
    above = next(each for each in (inside, root, *root.parents) if each.exists())
    if above == inside:  # by a name that prune knows, should this process be killed
        trial = inside / atomic.unique()
        trial.mkdir()
    else:
        trial = Path(tempfile.mkdtemp(prefix=".modelsync-doctor-", dir=above))
    try:
        yield trial
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _ways(file: Path, folder: Path) -> list[str]:
    """How a file can appear in a folder without being copied, the best first."""
    found = []
    for name, way in (("reflinks", clone.reflink), ("hard links", clone.hardlink)):
        target = folder / f".modelsync-{name.replace(' ', '-')}"
        with suppress(OSError):
            way(file, target)
            found.append(name)
        with suppress(OSError):
            target.unlink()
    return found


def _project(file: Path, folder: Path) -> Finding:
    """How files come into the project's folder."""
    name, shown = "links to project", _shown(folder)
    above = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    try:
        if above is None or not os.access(above, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        trial = Path(tempfile.mkdtemp(prefix=".modelsync-doctor-", dir=above))
    except OSError as error:
        return Finding(
            name, f"{shown} cannot be written: {error.strerror}", "wrong", "or choose another `dir`"
        )
    try:
        ways = _ways(file, trial)
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    if ways:
        return Finding(name, f"{ways[0]}, in {shown}")
    try:
        same = disks.same_device(file, above)
    except ModelsyncError:
        same = True
    why = "its file system has no links" if same else "it is on another file system than the store"
    return Finding(
        name,
        f"copies, in {shown}: {why}",
        "note",
        "each file takes its room twice; MODELSYNC_STORE on the same disk would share it",
    )


def _readonly(root: Path) -> Finding:
    shown = _shown(root)
    try:
        has = (root / BLOBS).is_dir() and any((root / BLOBS).iterdir())
    except OSError as error:
        return Finding(
            "read-only store", f"{shown} cannot be read: {error.strerror}", "warning", "is it mounted?"
        )
    if not root.is_dir():
        hint = "mount it, or take it out of MODELSYNC_READONLY_STORES"
        return Finding("read-only store", f"{shown} is not there", "warning", hint)
    if not has:
        return Finding("read-only store", f"{shown} has nothing in it", "note")
    return Finding("read-only store", shown)


def _shown(path: Path) -> str:
    return printable(str(path), 1000)

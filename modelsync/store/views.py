"""Views: folders in which blobs appear under their own file names.

llama.cpp finds the parts of a split model by their names, so a blob named by its digest cannot load. A
view's folder has a short name that follows from what is in it (Windows paths end at 260 characters), so any
number of projects share it.
"""

import json
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from modelsync.errors import NotSyncedError, StoreError
from modelsync.spec.names import printable
from modelsync.spec.view_names import shown_names
from modelsync.store import atomic, blobs, receipts, small_files
from modelsync.store.layout import VIEWS, Store, blob_in

_TRIES = 5  # against other processes that remove or replace what is shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from modelsync.spec.lock.model import LockedFile


def view_key(files: "Sequence[LockedFile]") -> str:
    """16 hex digits that follow from the files' shown names and digests."""
    return _key(files, shown_names(files))


def view_paths(store: Store, files: "Sequence[LockedFile]") -> tuple[Path, ...]:
    """Where `files` are, or would be, in their view in the store's own root. Nothing is looked at."""
    names = shown_names(files)
    folder = store.view_path(_key(files, names))
    return tuple(folder / name for name in names)


def ready(store: Store, files: "Sequence[LockedFile]") -> tuple[Path, ...] | None:
    """The paths of `files` in a view that is whole, here or in a read-only store; None where there is none.

    Each file has its locked size, and the size and time of which a receipt says that they are the blob's. Stats
    and small files only; hashes nothing.
    """
    names = shown_names(files)
    key = _key(files, names)
    for place in store.places:
        folder = f"{place}{os.sep}{VIEWS}{os.sep}{key}{os.sep}"
        if all(_shows(store, folder + name, file) for name, file in zip(names, files, strict=True)):
            return tuple(Path(folder + name) for name in names)
    return None


def bytes_of(store: Store, files: "Sequence[LockedFile]") -> "list[Path | None]":
    """Where the store has the bytes of each of a model's files: the blob, else what a whole view shows of it.

    In a read-only store, whose blobs are `lost` for good, the view alone has them.
    """
    found = [blobs.find(store, file.sha256, file.size) for file in files]
    shown = ready(store, files) if None in found else None
    return [blob or path for blob, path in zip(found, shown, strict=True)] if shown else found


def lost(store: Store, files: "Sequence[LockedFile]") -> list[tuple[Path, Path]]:
    """Blobs that somebody removed under their own names, and that the view of `files` in the own root still shows.

    Returns:
        Where the view shows each, and where the blob belongs.
    """
    return [
        (shown, store.blob_path(file.sha256))
        for file, shown in zip(files, view_paths(store, files), strict=True)
        if not any(os.path.exists(blob_in(place, file.sha256)) for place in store.places)  # noqa: PTH110
        and _shows(store, str(shown), file)
    ]


def restore(store: Store, files: "Sequence[LockedFile]") -> None:
    """Gives what is `lost` its name back, where the file system has hard links. No byte is read."""
    from modelsync.store import clone

    for shown, blob in lost(store, files):
        with suppress(OSError, StoreError):
            atomic.check_folders(store)
            blob.parent.mkdir(parents=True, exist_ok=True)
            clone.hardlink(shown, blob)


def candidates(store: Store, files: "Sequence[LockedFile]") -> "Iterator[tuple[Path, ...]]":
    """The paths of `files` in each view, here or in a read-only store, where all have their size.

    Nothing tells that they are right.
    """
    names = shown_names(files)
    key = _key(files, names)
    for place in store.places:
        paths = tuple(place / VIEWS / key / name for name in names)
        with suppress(OSError):
            if all(path.stat().st_size == file.size for path, file in zip(paths, files, strict=True)):
                yield paths


def make(store: Store, files: "Sequence[LockedFile]") -> Path:
    """Makes the view of `files`, or heals it; returns its folder.

    Hard links to the blobs, else symbolic links, else copies. A blob that is `lost` is restored. Others may make
    the same view at the same time.

    Raises:
        NotSyncedError: a blob is not here, or suspect.
        DiskFullError: copies were needed, and there is no space for them.
        StoreError: the store cannot be written.
    """
    names = shown_names(files)
    contents = {name: file.sha256 for name, file in zip(names, files, strict=True)}
    folder = store.view_path(_key(files, names))
    restore(store, files)
    with atomic.told("cannot show a model in the store"):
        for attempt in range(_TRIES):
            sources = {name: _blob(store, file) for name, file in zip(names, files, strict=True)}
            try:
                _show(store, folder, contents, sources)
            except FileNotFoundError:  # another process removed or replaced what is here meanwhile
                if attempt == _TRIES - 1:
                    raise
            else:
                break
    return folder


def _show(store: Store, folder: Path, contents: dict[str, str], sources: dict[str, Path]) -> None:
    if contents_of(folder) != contents:
        atomic.put(store, _contents_path(folder), json.dumps({"files": contents}).encode())
    atomic.prepare(store)
    _make_folders(folder, contents)
    for name, source in sources.items():
        target = folder / name
        try:
            _appear(store, source, target)
        except FileNotFoundError:  # another process removed the view meanwhile
            target.parent.mkdir(parents=True, exist_ok=True)
            _appear(store, source, target)


def _make_folders(folder: Path, names: "Iterable[str]") -> None:
    """Makes the folders of a view, each looked at once: what a link in the place of one leads to is not the store's."""
    inner = {parent for name in names for parent in PurePosixPath(name).parents}
    for place in [folder / parent for parent in sorted(inner)]:
        if place.is_symlink():
            place.unlink()
        place.mkdir(parents=True, exist_ok=True)


def contents_of(folder: Path) -> dict[str, str] | None:
    """What a view shows: name to digest. None where that was not written down, or makes no sense."""
    return small_files.parsed(_contents_path(folder), _contents)


def remove(folder: Path) -> None:
    """Removes a view: what was put into it. What somebody else put there stays.

    Raises:
        OSError: it cannot be removed.
    """
    contents = contents_of(folder)
    if folder.is_symlink():  # what it leads to is not the store's
        folder.unlink()
    elif contents is None:  # half of it, or of another version; nothing but views has such a name
        import shutil

        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    else:
        inner = {
            parent for name in contents for parent in (folder / name).parents if folder in parent.parents
        }
        links = {parent for parent in inner if parent.is_symlink()}
        for path in (folder / name for name in contents):
            if links.isdisjoint(path.parents):
                with suppress(IsADirectoryError, NotADirectoryError):
                    atomic.unlink(path)
        for emptied in sorted((inner - links) | {folder}, reverse=True):
            with suppress(OSError):  # not empty
                emptied.rmdir()
    atomic.unlink(_contents_path(folder))


def _key(files: "Sequence[LockedFile]", names: "Sequence[str]") -> str:
    import hashlib

    lines = "".join(f"{file.sha256} {name}\n" for file, name in zip(files, names, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _contents(value: Any) -> dict[str, str] | None:
    """The list of a view, as it was read: its names are data like a hub's."""
    from modelsync.spec.digest import sha256_hex
    from modelsync.spec.names import safe_path

    return {safe_path(name): sha256_hex(sha256) for name, sha256 in value["files"].items()}


def _contents_path(folder: Path) -> Path:
    """Beside the folder: in it are the models and nothing else."""
    return folder.with_name(f"{folder.name}.json")


def _shows(store: Store, path: str, file: "LockedFile") -> bool:
    try:
        seen = os.stat(path)  # noqa: PTH116 - a thousand files: a third of a Path's time
    except OSError:
        return False
    return seen.st_size == file.size and receipts.fitting(store, file.sha256, seen) is not None


def _blob(store: Store, file: "LockedFile") -> Path:
    path = blobs.find(store, file.sha256, file.size)
    if path is None:
        from modelsync.store import verify

        path = verify.good(store, file.sha256, file.size)
    if path is None:
        raise NotSyncedError(f"{printable(file.path)} is not in the store", hint="run `modelsync sync`")
    return path


def _same(source: Path, target: Path) -> bool:
    """Whether `target` is the blob: one more name of it, a link to it, or the copy that was made of it."""
    blob = source.stat()
    try:
        seen = target.stat()
    except OSError:
        return False
    return os.path.samestat(blob, seen) or (
        (blob.st_size, blob.st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
    )


def _appear(store: Store, source: Path, target: Path) -> None:
    """Makes a blob appear at its place in a view, unless it is there."""
    from modelsync.store import clone

    ways = [clone.hardlink, clone.symlink]
    if not source.is_relative_to(store.root):
        # In a container's lower layer, a hard link would first copy the whole file into the upper one.
        ways.reverse()
    for way in ways:
        try:
            way(source, target)
        except (FileExistsError, FileNotFoundError):
            break
        except OSError:
            continue
        return
    if not _same(source, target):
        _replace(store, source, target, ways)


def _replace(
    store: Store, source: Path, target: Path, ways: "Sequence[Callable[[Path, Path], None]]"
) -> None:
    """Puts a blob in the place of something else, or copies it."""
    from modelsync.store import clone
    from modelsync.system.disks import require_space

    temp = atomic.temporary(store)
    for way in ways:
        try:
            way(source, temp)
            break
        except OSError:
            continue
    else:
        require_space([(target.parent, source.stat().st_size)], hint=atomic.STORE_HINT)
        clone.copy(source, temp)
    atomic.move(temp, target)

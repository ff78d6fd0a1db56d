"""Roots: which lock or URI needs which digests. What any root names, prune keeps.

A root of a lock says "the lock at this path needed these digests". It is written before the first byte is fetched,
and there is one for each set of digests: a lock that moves on leaves its older roots behind, which go 30 days after
that was first noticed. A root of a pull says "this URI meant these files": it answers `path(uri)` offline.
"""

import errno
import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from modelsync.errors import ModelsyncError
from modelsync.store import atomic, small_files
from modelsync.store.layout import ROOTS, Store

if TYPE_CHECKING:
    from modelsync.spec.lock.model import LockedFile, Piece

_LONGEST = 4096  # characters of a URL, …
_TRIES = (
    3  # how often a root is read that is only half there: some network file systems show that for a moment
)
_PAUSE = 0.02  # seconds between them


class Root(NamedTuple):
    """Digests that are needed, and by what: a lock or a URI.

    Attributes:
        digests: The sha256 of each file, in hex.
        lock: The absolute path of the lock, for a root of a lock.
        uri: The canonical URI with its revision, for a root of a pull.
        files: What the URI meant, for a root of a pull.
        missed: When the lock was first seen gone or changed, in seconds since the epoch; None while it is alive.
        folder: The absolute path of the project's folder that they were linked in last, for a root of a lock.
        place: Where the path of the lock is true, as `disks.place_id` says it; None in roots of older versions.
        variants: For each model that has variants the one that was synced last, for a root of a lock; None where
            that is not known, or is recorded in the project's folder.
    """

    digests: frozenset[str]
    lock: str | None = None
    uri: str | None = None
    files: "tuple[LockedFile, ...]" = ()
    missed: float | None = None
    folder: str | None = None
    place: str | None = None
    variants: Mapping[str, str | None] | None = None


class LockSeen(NamedTuple):
    """A lock as it is now.

    Attributes:
        there: Whether it is there.
        digests: What it names; None where it cannot be read.
        folder: Whether its folder is there.
    """

    there: bool
    digests: frozenset[str] | None = None
    folder: bool = True

    def needs(self, root: Root) -> bool:
        """Whether the lock still names all that the root does. One that cannot be read may."""
        return self.there and (self.digests is None or root.digests <= self.digests)


def write(
    store: Store,
    lock_path: Path,
    digests: Iterable[str],
    *,
    folder: Path | None = None,
    named: Iterable[str] | None = None,
    variants: Mapping[str, str | None] | None = None,
) -> None:
    """Says that the lock at `lock_path` needs `digests`. Reads one small file, and writes nothing if that is known.

    A store that cannot be written is not pruned either: there, nothing has to be said.

    Args:
        store: The store.
        lock_path: Where the lock is.
        digests: What it needs.
        folder: The folder that they are linked in too; None leaves it as it is known.
        named: All digests that the lock names; None: it is read for them, if that is needed.
        variants: What was synced last of each model that has variants; None leaves it as it is known.

    Raises:
        DiskFullError: there is no space for that.
        StoreError: the store cannot be written for another reason than that it is read-only.
    """
    root = Root(frozenset(digests), lock=str(lock_path.absolute()))
    key = _lock_key(root)
    known = read(store.root, key)
    linked = str(folder.absolute()) if folder else known.folder if known else None
    # two containers may have one lock at one path: the first one's root does for both
    synced = variants if variants is not None else known.variants if known else None
    root = root._replace(folder=linked, place=(known.place if known else None) or _here(), variants=synced)
    if known == root:
        _touch(store.root_path(key))
        return
    save(store, key, root)
    _notice_older(store, key, root, None if named is None else LockSeen(True, frozenset(named)))


def grow(store: Store, lock_path: Path, before: frozenset[str], digests: frozenset[str]) -> None:
    """Puts a root of `digests`, which has those of `before`, in the place of the root that this run wrote of them."""
    root = Root(digests, lock=str(lock_path.absolute()), place=_here())
    save(store, _lock_key(root), root)
    if before:
        with suppress(OSError):
            place(store, lock_path, before).unlink()


def use(store: Store, lock_path: Path, digests: Iterable[str]) -> None:
    """Notes that what `write` wrote is in use, if it did; see `touch`."""
    _touch(place(store, lock_path, digests))


def _touch(path: Path) -> None:
    with suppress(OSError):
        small_files.touch(path, path.stat().st_mtime)


def _here() -> str:
    from modelsync.system import disks

    return disks.place_id()


def place(store: Store, lock_path: Path, digests: Iterable[str]) -> Path:
    """Where the root is that `write` writes."""
    return store.root_path(_lock_key(Root(frozenset(digests), lock=str(lock_path.absolute()))))


def folders(store: Store, lock_path: Path) -> frozenset[Path]:
    """The folders in which what the lock at `lock_path` needed has been linked."""
    lock = str(lock_path.absolute())
    mine = (root for root in read_all(store).values() if root is not None and root.lock == lock)
    return frozenset(Path(root.folder) for root in mine if root.folder)


def variants(store: Store, lock_path: Path, digests: Iterable[str]) -> Mapping[str, str | None] | None:
    """What was synced last of each model with variants, for the lock at `lock_path`; None where that is not known.

    A lock that has changed since is told by what was synced of it before.
    """
    lock = str(lock_path.absolute())
    key = _lock_key(Root(frozenset(digests), lock=lock))
    for at in store.places:
        root = read(at, key)
        if root is not None and root.variants is not None:
            return root.variants
    older = {
        key: root.variants
        for key, root in read_all(store).items()
        if root is not None and root.lock == lock and root.variants is not None
    }
    return older[max(older, key=lambda key: last_used(store, key))] if older else None


def read(place: Path, key: str) -> Root | None:
    """A root of the store at `place`; None where there is none, or none that makes sense."""
    path = Store(place).root_path(key)
    for attempt in range(_TRIES):
        root = small_files.parsed(path, _parse)
        if root is not None or not path.exists():
            return root
        if attempt < _TRIES - 1:
            time.sleep(_PAUSE)
    return None


def read_all(store: Store) -> Mapping[str, Root | None]:
    """Every root of the store's own by its key; None for one that makes no sense."""
    names: list[str] = []
    with atomic.told("cannot look at what is needed"), suppress(FileNotFoundError):
        names = [path.stem for path in (store.root / ROOTS).glob("?" * 16 + ".json")]
    found = {name: read(store.root, name) for name in sorted(names)}
    return {name: root for name, root in found.items() if root is not None or _is_there(store, name)}


def last_used(store: Store, key: str) -> float:
    """When a root was last used or written, in seconds since the epoch; 0 where there is none."""
    try:
        return store.root_path(key).stat().st_mtime
    except OSError:
        return 0.0


def save(store: Store, key: str, root: Root) -> None:
    """Writes a root.

    Raises:
        DiskFullError, StoreError: as with `write`.
    """
    value = {name: part for name, part in root._asdict().items() if part}
    if root.variants is not None:
        value["variants"] = {name: root.variants[name] for name in sorted(root.variants)}
    value["digests"] = sorted(root.digests)
    if root.files:
        value["files"] = [_file_value(file) for file in root.files]
    with atomic.told("cannot write down what is needed"):
        try:
            atomic.write(store, store.root_path(key), json.dumps(value).encode())
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise


def look_at_lock(path: str) -> LockSeen:
    """Reads the lock that a root names, as it is now."""
    from modelsync.spec.lock import read as lock_reader

    try:
        return LockSeen(True, lock_reader.parse(small_files.read(path).decode()).digests)
    except NotADirectoryError:
        return LockSeen(False)
    except FileNotFoundError:
        return LockSeen(False, folder=os.path.isdir(os.path.dirname(path)))  # noqa: PTH112, PTH120 - may be no path
    except (OSError, ValueError, ModelsyncError):
        return LockSeen(True)


def _is_there(store: Store, key: str) -> bool:
    return os.path.lexists(store.root_path(key))


def _notice_older(store: Store, key: str, root: Root, lock: LockSeen | None) -> None:
    """Notices which older roots of the same lock it does not need any more: their days begin to count."""
    assert root.lock is not None
    lock = lock or look_at_lock(root.lock)
    for older, other in read_all(store).items():
        if other is not None and older != key and other.lock == root.lock:
            missed = None if lock.needs(other) else other.missed or time.time()
            if missed != other.missed:
                save(store, older, other._replace(missed=missed))


def _lock_key(root: Root) -> str:
    return _key(f"lock {root.lock}", *sorted(root.digests))


def _key(*parts: str) -> str:
    import hashlib

    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _file_value(file: "LockedFile") -> dict[str, Any]:
    value = _row_value(file)
    if file.pieces:
        value["pieces"] = [_row_value(piece) for piece in file.pieces]
    return value


def _row_value(row: "LockedFile | Piece") -> dict[str, Any]:
    """A row without keys of a later version, which an older modelsync on the same store would stumble over."""
    return {name: part for name, part in row._asdict().items() if part is not None and name != "unknown"}


def _parse(value: Mapping[str, Any]) -> Root | None:
    from modelsync.spec.digest import sha256_hex

    digests = frozenset(sha256_hex(digest, "a root's digest") for digest in value["digests"])
    lock, uri, missed = value.get("lock"), value.get("uri"), value.get("missed")
    files = tuple(_file(item) for item in value.get("files", ()))
    folder = value.get("folder")
    if (lock is None) == (uri is None) or not small_files.is_text(uri if lock is None else lock):
        return None
    if folder is not None and not (small_files.is_text(folder) and os.path.isabs(folder)):  # noqa: PTH117
        return None
    place = value.get("place")
    if not isinstance(place, str | None):
        return None
    if missed is not None and not (type(missed) in (int, float) and math.isfinite(missed)):
        return None
    since = float(missed) if missed is not None else None
    return Root(
        digests, lock, uri, files, since, folder, place, small_files.text_or_null(value.get("variants"))
    )


def _file(value: Mapping[str, Any]) -> "LockedFile":
    from modelsync.spec.lock.model import LockedFile, Piece
    from modelsync.spec.roles import ROLES

    pieces = tuple(_checked(Piece(**piece)) for piece in value.get("pieces", ()))
    if any(piece.url is None for piece in pieces):
        raise ValueError(value)
    file = LockedFile(**{**value, "pieces": pieces})
    if file.role not in ROLES or not all(_is_word(word) for word in (file.repo, file.revision)):
        raise ValueError(value)
    return _checked(file)


_Row = TypeVar("_Row", "LockedFile", "Piece")


def _checked(row: _Row) -> _Row:
    """What a remembered file and its pieces have in common, checked as those of a lock are."""
    from modelsync.spec.digest import sha256_hex
    from modelsync.spec.names import safe_path

    if type(row.size) is not int or row.size < 0 or not (_is_word(row.url) and _is_word(row.etag)):
        raise ValueError(row)
    return row._replace(path=safe_path(row.path), sha256=sha256_hex(row.sha256, "a remembered file"))


def _is_word(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= _LONGEST)

"""What is in a store, as values: what `cache list` shows and prune decides about.

Only names that this program gives are looked at. Anything else in the store's folder is somebody else's.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.store import atomic, claim, digest_lock, roots, views
from modelsync.store.layout import (
    BLOBS,
    HEADERS,
    LOCKS,
    MEMOS,
    PARTIALS,
    PUBLISHED,
    RECEIPTS,
    TEMPORARY,
    VIEWS,
    Store,
    blob_in,
)
from modelsync.store.roots import LockSeen, Root
from modelsync.system import disks

DAY = 86_400.0  # seconds: longer than anything is on its way

Kind = Literal["blob", "receipt", "view", "partial", "lock", "temporary", "memo", "header", "published"]

_SHA256 = re.compile("[0-9a-f]{64}")
_SHORT = re.compile("[0-9a-f]{16}")
_KEY = re.compile("(?P<key>[0-9a-f]{64}|url-[0-9a-f]{32})(?P<private>[.].+)?")


class Thing(NamedTuple):
    """One thing in a store.

    Attributes:
        kind: What it is.
        name: Its digest, key or other name.
        path: A file, or a folder.
        bytes: What it takes on the disk; a link takes nothing.
        changed: When it was last written to, in seconds since the epoch.
        digests: What it is, shows or is to become; None where nothing tells.
        held: Whether a process is at work on it, or may be.
    """

    kind: Kind
    name: str
    path: Path
    bytes: int
    changed: float
    digests: frozenset[str] | None = None
    held: bool = False

    @property
    def key(self) -> str:
        """The key whose lock guards it, for a partial or a lock."""
        match = _KEY.fullmatch(self.name)
        return match["key"] if match else self.name


class Survey(NamedTuple):
    """A snapshot of a store's own root.

    Attributes:
        things: All that can go.
        roots: Who needs what, by key; None for a root that makes no sense.
        locks: The locks that roots name, as they are now.
        elsewhere: Digests of which a receipt tells about a read-only store.
        used: When each root was last used, in seconds since the epoch.
        place: Where this was seen from, as `disks.place_id` says it; None if unknown.
    """

    things: tuple[Thing, ...]
    roots: Mapping[str, Root | None]
    locks: Mapping[str, LockSeen]
    elsewhere: frozenset[str] = frozenset()
    used: Mapping[str, float] = {}
    place: str | None = None

    def of(self, kind: Kind) -> tuple[Thing, ...]:
        """All things of one kind."""
        return tuple(thing for thing in self.things if thing.kind == kind)


def take(store: Store, now: float) -> Survey:
    """Looks at a store, at the locks that need it, and at the processes that work on it.

    Args:
        store: The store; of the read-only ones it is only seen which blobs they have.
        now: Seconds since the epoch.

    Raises:
        StoreError: it cannot be looked at, or a folder of it is a link that leads out of it.
    """
    atomic.check_folders(store, again=True)
    known = roots.read_all(store)
    locks = {root.lock for root in known.values() if root is not None and root.lock is not None}
    things = (
        *_hashed(store, BLOBS, "blob", ""),
        *_hashed(store, RECEIPTS, "receipt", ".json"),
        *_views(store),
        *_partials(store, now),
        *_locks(store),
        *_temporary(store),
        *_small(store, MEMOS, "memo"),
        *_small(store, PUBLISHED, "published"),
        *_hashed(store, HEADERS, "header", ""),
    )
    elsewhere = frozenset(
        thing.name
        for thing in things
        if thing.kind == "receipt"
        and any(os.path.exists(blob_in(place, thing.name)) for place in store.readonly)  # noqa: PTH110
    )
    seen = {lock: roots.look_at_lock(lock) for lock in sorted(locks)}
    used = {key: roots.last_used(store, key) for key in known}
    return Survey(things, known, seen, elsewhere, used, disks.place_id())


def scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder, in order; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return


def _hashed(store: Store, folder: str, kind: Kind, ending: str) -> Iterator[Thing]:
    for shard in scan(store.root / folder):
        for entry in scan(Path(shard.path)):
            sha256 = entry.name.removesuffix(ending)
            if _SHA256.fullmatch(sha256) and entry.name == sha256 + ending and shard.name == sha256[:2]:
                with suppress(FileNotFoundError):  # another process has just removed it
                    seen = entry.stat(follow_symlinks=False)
                    yield Thing(
                        kind, sha256, Path(entry.path), seen.st_size, seen.st_mtime, frozenset({sha256})
                    )


def _views(store: Store) -> Iterator[Thing]:
    names = {entry.name.removesuffix(".json") for entry in scan(store.root / VIEWS)}
    for name in sorted(name for name in names if _SHORT.fullmatch(name)):
        folder = store.view_path(name)
        contents = views.contents_of(folder)
        copies, changed = _measure(folder, only_copies=True)
        digests = frozenset(contents.values()) if contents is not None else None
        yield Thing("view", name, folder, copies, changed, digests)


def _partials(store: Store, now: float) -> Iterator[Thing]:
    for entry in scan(store.root / PARTIALS):
        match = _KEY.fullmatch(entry.name)
        if match is None:
            continue
        size, changed = _measure(Path(entry.path))
        held = digest_lock.is_held(store, match["key"])
        if match["private"] and digest_lock.partial_of(store, match["key"]).name != entry.name:
            held = changed > now - DAY  # no claim tells of it
        digests = frozenset({match["key"]}) if _SHA256.fullmatch(match["key"]) else None
        yield Thing("partial", entry.name, Path(entry.path), size, changed, digests, held)


def _locks(store: Store) -> Iterator[Thing]:
    for entry in scan(store.root / LOCKS):
        base, dot, _ = entry.name.partition(".claim.")
        if dot and claim.is_removal(entry.name, f"{base}.claim"):
            key, ending = base, "claim"
        else:
            key, _, ending = entry.name.rpartition(".")
        match = _KEY.fullmatch(key)
        if match is not None and not match["private"] and ending in ("claim", "lock"):
            with suppress(FileNotFoundError):
                changed = entry.stat(follow_symlinks=False).st_mtime
                held = digest_lock.is_held(store, key)
                yield Thing("lock", key, Path(entry.path), 0, changed, held=held)


def _temporary(store: Store) -> Iterator[Thing]:
    for entry in scan(store.root / TEMPORARY):
        if _SHORT.fullmatch(entry.name):
            size, changed = _measure(Path(entry.path))
            yield Thing("temporary", entry.name, Path(entry.path), size, changed)


def _small(store: Store, folder: str, kind: Kind) -> Iterator[Thing]:
    """The files `<16 hex>.json` of a folder."""
    for entry in scan(store.root / folder):
        if _SHORT.fullmatch(entry.name.removesuffix(".json")):
            with suppress(FileNotFoundError):
                seen = entry.stat(follow_symlinks=False)
                yield Thing(kind, entry.name, Path(entry.path), seen.st_size, seen.st_mtime)


def _measure(path: Path, *, only_copies: bool = False) -> tuple[int, float]:
    """Bytes on the disk of a file or a folder's files, and when anything there was last changed."""
    total, changed = 0, 0.0
    inside = (f"{at}{os.sep}{name}" for at, folders, files in os.walk(path) for name in (*folders, *files))
    for place in (str(path), *inside):
        try:
            seen = os.lstat(place)
        except OSError:
            continue
        changed = max(changed, seen.st_mtime, seen.st_ctime)  # a hard link has its blob's old time
        if stat.S_ISREG(seen.st_mode) and not (only_copies and seen.st_nlink > 1):
            total += seen.st_blocks * 512 if hasattr(seen, "st_blocks") else seen.st_size
    return total, changed

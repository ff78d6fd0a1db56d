"""Prune: removes from a store what nothing needs, by a plan (`prune_plan.py`)."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.errors import StoreError
from modelsync.store import atomic, digest_lock, roots, views
from modelsync.store.layout import ROOTS, Store
from modelsync.store.prune_plan import PrunePlan, ordered, plan
from modelsync.store.survey import Thing, scan, take


class Freed(NamedTuple):
    """The result of a prune.

    Attributes:
        blobs: How many blobs went.
        bytes: Bytes that the disk has back.
        linked: Bytes of blobs that went, and that a project's folder still has by hard links.
        stuck: What could not be removed: another program uses it, or it is not ours.
    """

    blobs: int
    bytes: int
    linked: int
    stuck: tuple[Path, ...]


def prune(
    store: Store,
    *,
    at_once: bool = False,
    unseen: bool = False,
    max_size: int | None = None,
    now: float | None = None,
) -> PrunePlan:
    """Plans to remove what no root needs. `at_once` is `--now`; with `unseen` too it is `--all`.

    With `max_size`, in bytes, more goes until the blobs have no more than that; see `prune_plan.plan`.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
    return plan(take(store, now), now, at_once=at_once, unseen=unseen, max_size=max_size)


def clean(store: Store, *, now: float | None = None) -> PrunePlan:
    """Plans to remove everything but what a process is at work on.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
    return plan(take(store, now), now, everything=True)


def replaced(store: Store, lock_path: Path) -> PrunePlan:
    """Plans to remove what a lock needed before it changed, and nobody else needs: room for what it needs now.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time()
    survey = take(store, now)
    lock = str(lock_path.absolute())
    known = {key: root for key, root in survey.roots.items() if root is not None}
    seen = survey.locks.get(lock)
    old = {
        key: root
        for key, root in known.items()
        if root.lock == lock and seen is not None and not seen.needs(root)
    }
    kept = {digest for key, root in known.items() if key not in old for digest in root.digests}
    kept.update(digest for each in survey.locks.values() for digest in each.digests or ())
    free = {digest for root in old.values() for digest in root.digests} - kept
    if None in survey.roots.values():  # nobody can tell what it needs
        free = set()
    things = (
        thing
        for thing in survey.things
        if thing.kind in ("view", "blob", "receipt") and thing.digests and not thing.digests.isdisjoint(free)
    )
    return PrunePlan(ordered(things), tuple(sorted(old)), {}, survey.roots)


def execute(store: Store, steps: PrunePlan) -> Freed:
    """Carries a plan out. What came to be needed or at work on since it was made stays.

    Raises:
        StoreError: what was noticed cannot be written down, or a folder of the store leads out of it.
    """
    atomic.check_folders(store, again=True)  # a person may have thought about the plan for a while
    watch = _Watch(store, steps)
    for key, root in steps.noticed.items():
        if watch.unchanged(key):
            roots.save(store, key, root)
    for key in steps.roots:
        if watch.unchanged(key):
            with suppress(OSError):
                atomic.unlink(store.root_path(key))
    blobs, freed, linked, stuck = 0, 0, 0, []
    for thing in steps.things:
        if watch.needs(thing):
            continue
        try:
            links = thing.path.lstat().st_nlink if thing.kind == "blob" else 1
            if not (_remove_blob(store, thing, watch) if thing.kind == "blob" else _remove(store, thing)):
                continue
        except FileNotFoundError:
            continue
        except (OSError, StoreError):
            stuck.append(thing.path)
            continue
        blobs += thing.kind == "blob"
        freed += thing.bytes if links == 1 else 0
        linked += thing.bytes if links > 1 else 0
    return Freed(blobs, freed, linked, tuple(stuck))


class _Watch:
    """Sees roots that are written while a plan is carried out: a sync that begins now is safe."""

    def __init__(self, store: Store, steps: PrunePlan) -> None:
        self._store = store
        self._seen = steps.seen
        self._own = {**steps.noticed, **dict.fromkeys(steps.roots)}
        self._times: dict[str, int] | None = None
        self._needed: frozenset[str] = frozenset()
        self._illegible = False

    def unchanged(self, key: str) -> bool:
        """Whether a root is as it was when the plan was made."""
        return roots.read(self._store.root, key) == self._seen.get(key)

    def needs(self, thing: Thing) -> bool:
        """Whether a root that was written since the plan was made needs a thing, or may need it."""
        if thing.digests is None:
            return False
        times = {}
        for entry in scan(self._store.root / ROOTS):
            with suppress(FileNotFoundError):  # another prune has just removed it
                times[entry.name] = entry.stat().st_mtime_ns
        if times != self._times:
            self._times = times
            known = roots.read_all(self._store)
            new = [
                root for key, root in known.items() if root not in (self._seen.get(key), self._own.get(key))
            ]
            self._needed = frozenset(digest for root in new if root is not None for digest in root.digests)
            self._illegible = any(root is None and key not in self._seen for key, root in known.items())
        return self._illegible or not self._needed.isdisjoint(thing.digests)


def _remove(store: Store, thing: Thing) -> bool:
    """Removes a thing; False if a process is at work on it."""
    if thing.kind == "view":
        views.remove(thing.path)
    elif thing.kind == "partial":
        with digest_lock.hold(store, thing.key, blocking=False) as held:
            if held is None:
                return False
            for folder in (held.folder, thing.path):
                if folder.exists():
                    shutil.rmtree(folder)
    elif thing.kind == "lock":
        with digest_lock.hold(
            store, thing.key, blocking=False
        ) as held:  # which takes over what is left of it
            if held is None:
                return False
            if thing.path != held.claim.path:
                atomic.unlink(thing.path)
    elif thing.path.is_dir() and not thing.path.is_symlink():
        shutil.rmtree(thing.path)
    else:
        return atomic.unlink(thing.path)
    return True


def _remove_blob(store: Store, thing: Thing, watch: _Watch) -> bool:
    """Removes a blob; False if it came to be needed.

    It is moved aside before the roots are looked at for the last time: a sync writes its root before it looks for its
    blobs. So it either misses the blob and fetches it, or its root is seen here.
    """
    atomic.prepare(store)
    aside = atomic.temporary(store)
    atomic.rename(thing.path, aside)
    if watch.needs(thing):
        if os.path.lexists(thing.path):  # it was published again
            atomic.unlink(aside)
        else:
            atomic.rename(aside, thing.path)
        return False
    atomic.unlink(aside)
    atomic.unlink(store.receipt_path(thing.name))
    return True

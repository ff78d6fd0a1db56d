"""What can go from a store: a plan, made by a pure function from a survey, and its execution.

A plain prune keeps what any root names. A root of a lock goes when the lock was first seen gone or changed 30 days
ago; a root of a pull stays. `--now` does not wait: it keeps what the living locks name now. What another
container's or another machine's lock needs cannot be seen from here: such a lock counts as alive until 30 days after
its last use, for `--now` too. `--all` does not wait for that either.
"""

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.errors import StoreError
from modelsync.store import atomic, digest_lock, roots, views
from modelsync.store.layout import ROOTS, Store
from modelsync.store.roots import LockSeen, Root
from modelsync.store.survey import DAY, Survey, Thing, scan, take

GRACE_DAYS = 30


class PrunePlan(NamedTuple):
    """What goes. Pure data.

    Attributes:
        things: What goes, in the order in which it goes.
        roots: The roots that go, by key.
        noticed: Roots with what is noticed about them now: since when their lock is gone or changed.
        seen: All roots that were known when this was planned.
        illegible: Roots that cannot be read: while there are any, all files stay.
    """

    things: tuple[Thing, ...]
    roots: tuple[str, ...]
    noticed: Mapping[str, Root]
    seen: Mapping[str, Root | None]
    illegible: tuple[str, ...] = ()

    @property
    def blobs(self) -> int:
        """How many blobs go."""
        return sum(thing.kind == "blob" for thing in self.things)

    @property
    def bytes(self) -> int:
        """How many bytes the disk gets back at most: less where a project's folder has hard links to a blob."""
        return sum(thing.bytes for thing in self.things)


class Freed(NamedTuple):
    """What a prune came to.

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


def plan(
    survey: Survey,
    now: float,
    *,
    at_once: bool = False,
    unseen: bool = False,
    everything: bool = False,
    grace_days: float = GRACE_DAYS,
) -> PrunePlan:
    """What can go from a store.

    Args:
        survey: What is there.
        now: Seconds since the epoch.
        at_once: Do not wait for locks that are gone or changed to come back, nor keep what was pulled.
        unseen: Do not keep what locks need that cannot be seen from here, nor what a root may need that cannot be
            read.
        everything: Keep nothing but what a process is at work on.
        grace_days: How long a root outlives its lock, and a partial that no root names its last byte.
    """
    if everything:
        return PrunePlan(
            _ordered(thing for thing in survey.things if _idle(thing, now)),
            tuple(survey.roots),
            {},
            survey.roots,
        )
    recent = {
        key for key in survey.roots if not unseen and now - survey.used.get(key, now) < grace_days * DAY
    }
    illegible = {key for key, root in survey.roots.items() if root is None}
    known = {key: root for key, root in survey.roots.items() if root is not None}
    in_use = {key for key in recent - illegible if _is_hidden(known[key], survey)}
    noticed = {
        key: root if key in in_use else _notice(root, survey.locks, now) for key, root in known.items()
    }
    living = {
        key: root for key, root in noticed.items() if key in in_use or _lives(root, now, at_once, grace_days)
    }
    kept = {digest for root in living.values() for digest in root.digests}
    kept.update(digest for lock in survey.locks.values() for digest in lock.digests or ())
    if illegible & recent:  # nobody can tell what it needs
        kept.update(digest for thing in survey.things for digest in thing.digests or ())
    if not at_once:  # a lock that reads a file to learn its digest has no root yet
        kept.update(thing.name for thing in survey.of("blob") if thing.changed > now - DAY)
    return PrunePlan(
        _ordered(_unneeded(survey, kept, now, at_once, grace_days)),
        tuple(sorted((known.keys() - living.keys()) | (illegible - recent))),
        {key: root for key, root in living.items() if root != known[key]},
        survey.roots,
        tuple(sorted(illegible & recent)),
    )


def prune(
    store: Store, *, at_once: bool = False, unseen: bool = False, now: float | None = None
) -> PrunePlan:
    """Plans to remove what no root needs. `at_once` is `--now`; with `unseen` too it is `--all`.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
    return plan(take(store, now), now, at_once=at_once, unseen=unseen)


def clean(store: Store, *, now: float | None = None) -> PrunePlan:
    """Plans to remove everything but what a process is at work on.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
    return plan(take(store, now), now, everything=True)


def replaced(store: Store, lock_path: Path, *, now: float | None = None) -> PrunePlan:
    """Plans to remove what a lock needed before it changed, and nobody else needs: room for what it needs now.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
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
    return PrunePlan(_ordered(things), tuple(sorted(old)), {}, survey.roots)


def execute(store: Store, steps: PrunePlan) -> Freed:
    """Carries a plan out. What came to be needed or at work on since it was made stays.

    Raises:
        StoreError: what was noticed cannot be written down.
    """
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


def _notice(root: Root, locks: Mapping[str, LockSeen], now: float) -> Root:
    """A root with what is known now: since when its lock is gone or changed, or that it is alive (again)."""
    if root.lock is None:
        return root
    missed = None if locks[root.lock].needs(root) else root.missed or now
    return root._replace(missed=missed)


def _is_hidden(root: Root, survey: Survey) -> bool:
    """Whether it cannot be seen from here what became of the lock of a root: another container's, another machine's."""
    if root.lock is None:
        return False
    seen = survey.locks[root.lock]
    if root.place is None or survey.place is None:
        return not seen.there and not seen.folder
    return root.place != survey.place and not seen.needs(root)


def _lives(root: Root, now: float, at_once: bool, grace_days: float) -> bool:
    if root.lock is None:
        return not at_once
    return root.missed is None or (not at_once and now - root.missed < grace_days * DAY)


def _idle(thing: Thing, now: float) -> bool:
    return not thing.held and (thing.kind != "temporary" or thing.changed < now - DAY)


def _unneeded(
    survey: Survey, kept: set[str], now: float, at_once: bool, grace_days: float
) -> Iterable[Thing]:
    here = {thing.name for thing in survey.of("blob")}
    stale = now - DAY
    staying: set[str] = set()
    for thing in survey.of("partial"):
        needed = thing.digests is not None and thing.digests <= kept and thing.digests.isdisjoint(here)
        fresh = not at_once and thing.changed > now - grace_days * DAY and not (thing.digests or set()) & here
        if thing.held or needed or fresh:
            staying.add(thing.key)
        else:
            yield thing
    for thing in survey.things:
        digests = thing.digests or frozenset()
        goes = {
            "blob": not digests <= kept,
            "receipt": not digests <= (here | survey.elsewhere) and thing.changed < stale,
            "view": not digests <= kept if thing.digests is not None else thing.changed < stale,
            "partial": False,
            "lock": not thing.held and thing.key not in staying and thing.changed < stale,
            "temporary": thing.changed < stale,
            "memo": thing.changed < now - grace_days * DAY,
            # a file that is here tells its header itself
            "header": digests <= here
            or (not digests <= kept and (at_once or thing.changed < now - grace_days * DAY)),
        }
        if goes[thing.kind]:
            yield thing


def _ordered(things: Iterable[Thing]) -> tuple[Thing, ...]:
    """What tells of a thing before the thing, links before what they link to, partials before their locks."""
    order = ("memo", "header", "view", "blob", "receipt", "partial", "lock", "temporary")
    return tuple(sorted(things, key=lambda thing: (order.index(thing.kind), thing.name)))


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

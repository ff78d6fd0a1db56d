"""What can go from a store: a plan, made by a pure function from a survey, and its execution.

A plain prune keeps what any root names. A root of a lock goes when the lock was first seen gone or changed 30 days
ago; a root of a pull stays. `--now` does not wait: it keeps what the living locks name now.
"""

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


class Plan(NamedTuple):
    """What goes. Pure data.

    Attributes:
        things: What goes, in the order in which it goes.
        roots: The roots that go, by key.
        noticed: Roots with what is noticed about them now: since when their lock is gone or changed.
        seen: All roots that were known when this was planned.
    """

    things: tuple[Thing, ...]
    roots: tuple[str, ...]
    noticed: Mapping[str, Root]
    seen: Mapping[str, Root | None]

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
    everything: bool = False,
    grace_days: float = GRACE_DAYS,
) -> Plan:
    """What can go from a store.

    Args:
        survey: What is there.
        now: Seconds since the epoch.
        at_once: Do not wait for locks that are gone or changed to come back, nor keep what was pulled.
        everything: Keep nothing but what a process is at work on.
        grace_days: How long a root outlives its lock, and a partial that no root names its last byte.

    Raises:
        StoreError: a root cannot be read, so that nobody can tell what it needs.
    """
    if everything:
        return Plan(
            _ordered(thing for thing in survey.things if _idle(thing, now)),
            tuple(survey.roots),
            {},
            survey.roots,
        )
    illegible = [key for key, root in survey.roots.items() if root is None]
    if illegible:
        raise StoreError(
            f"the root {ROOTS}/{illegible[0]}.json in the store cannot be read, and may need anything",
            hint="update modelsync; or delete that file if no project is newer than this modelsync",
        )
    known = {key: root for key, root in survey.roots.items() if root is not None}
    noticed = {key: _notice(root, survey.locks, now) for key, root in known.items()}
    living = {key: root for key, root in noticed.items() if _lives(root, now, at_once, grace_days)}
    kept = {digest for root in living.values() for digest in root.digests}
    kept.update(digest for lock in survey.locks.values() for digest in lock.digests or ())
    if not at_once:  # a lock that reads a file to learn its digest has no root yet
        kept.update(thing.name for thing in survey.of("blob") if thing.changed > now - DAY)
    return Plan(
        _ordered(_unneeded(survey, kept, now, at_once, grace_days)),
        tuple(sorted(known.keys() - living.keys())),
        {key: root for key, root in living.items() if root != known[key]},
        survey.roots,
    )


def prune(store: Store, *, at_once: bool = False, now: float | None = None) -> Plan:
    """Plans to remove what no root needs. `at_once` is `--now`.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
    return plan(take(store, now), now, at_once=at_once)


def clean(store: Store, *, now: float | None = None) -> Plan:
    """Plans to remove everything but what a process is at work on.

    Raises:
        StoreError: the store cannot be looked at.
    """
    now = time.time() if now is None else now
    return plan(take(store, now), now, everything=True)


def replaced(store: Store, lock_path: Path, *, now: float | None = None) -> Plan:
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
    things = (
        thing
        for thing in survey.things
        if thing.kind in ("view", "blob", "receipt") and thing.digests and not thing.digests.isdisjoint(free)
    )
    return Plan(_ordered(things), tuple(sorted(old)), {}, survey.roots)


def execute(store: Store, steps: Plan) -> Freed:
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
        if thing.digests is not None and not watch.needed().isdisjoint(thing.digests):
            continue
        try:
            links = thing.path.lstat().st_nlink if thing.kind == "blob" else 1
            if not _remove(store, thing):
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

    def __init__(self, store: Store, steps: Plan) -> None:
        self._store = store
        self._seen = steps.seen
        self._own = {**steps.noticed, **dict.fromkeys(steps.roots)}
        self._times: dict[str, int] | None = None
        self._needed: frozenset[str] = frozenset()

    def unchanged(self, key: str) -> bool:
        """Whether a root is as it was when the plan was made."""
        return roots.read(self._store.root, key) == self._seen.get(key)

    def needed(self) -> frozenset[str]:
        """The digests of roots that were written since the plan was made."""
        times = {entry.name: entry.stat().st_mtime_ns for entry in scan(self._store.root / ROOTS)}
        if times != self._times:
            self._times = times
            new = (
                root
                for key, root in roots.read_all(self._store).items()
                if root is not None and root not in (self._seen.get(key), self._own.get(key))
            )
            self._needed = frozenset(digest for root in new for digest in root.digests)
        return self._needed


def _notice(root: Root, locks: Mapping[str, LockSeen], now: float) -> Root:
    """A root with what is known now: since when its lock is gone or changed, or that it is alive (again)."""
    if root.lock is None:
        return root
    missed = None if locks[root.lock].needs(root) else root.missed or now
    return root._replace(missed=missed)


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
    if thing.kind == "blob":
        atomic.unlink(thing.path)
        atomic.unlink(store.receipt_path(thing.name))
    elif thing.kind == "view":
        views.remove(thing.path)
    elif thing.kind == "partial":
        with digest_lock.locked(store.lock_path(thing.key), blocking=False) as answer:
            if answer == "taken":
                return False
            shutil.rmtree(thing.path)
    elif thing.kind == "lock":
        with digest_lock.locked(thing.path, blocking=False) as answer:
            if answer != "held":
                return False
            atomic.unlink(
                thing.path
            )  # who waits for it sees that it has no name any more, and makes a new one
    elif thing.path.is_dir():
        shutil.rmtree(thing.path)
    else:
        atomic.unlink(thing.path)
    return True

"""What can go from a store: a plan, made from a survey. Pure.

A plain prune keeps what any root names. A root of a lock goes when the lock was first seen gone or changed 30 days
ago; a root of a pull stays. `--now` does not wait: it keeps what the living locks name now. What another
container's or another machine's lock needs cannot be seen from here: such a lock counts as alive until 30 days after
its last use, for `--now` too. `--all` does not wait for that either.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modelsync.store.roots import LockSeen, Root
from modelsync.store.survey import DAY, Survey, Thing

GRACE_DAYS = 30


class PrunePlan(NamedTuple):
    """What goes. Pure data.

    Attributes:
        things: What goes, in the order in which it goes.
        roots: The roots that go, by key.
        noticed: Roots with what is noticed about them now: since when their lock is gone or changed.
        seen: All roots that were known when this was planned.
        illegible: Roots that cannot be read: while there are any, all files stay.
        later: Blobs that stay for some days yet, though no lock that is there names them: from when each goes, in
            seconds since the epoch, and its bytes.
        size: Bytes of the blobs that stay.
    """

    things: tuple[Thing, ...]
    roots: tuple[str, ...]
    noticed: Mapping[str, Root]
    seen: Mapping[str, Root | None]
    illegible: tuple[str, ...] = ()
    later: tuple[tuple[float, int], ...] = ()
    size: int = 0

    @property
    def blobs(self) -> int:
        """How many blobs go."""
        return sum(thing.kind == "blob" for thing in self.things)

    @property
    def bytes(self) -> int:
        """How many bytes the disk gets back at most: less where a project's folder has hard links to a blob."""
        return sum(thing.bytes for thing in self.things)


def plan(
    survey: Survey,
    now: float,
    *,
    at_once: bool = False,
    unseen: bool = False,
    everything: bool = False,
    max_size: int | None = None,
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
        max_size: Bytes that the blobs may have: what was used longest ago goes first, pulls too, until they have no
            more; what a living lock names stays all the same.
        grace_days: How long a root outlives its lock, and a partial that no root names its last byte.
    """
    if everything:
        return PrunePlan(
            ordered(thing for thing in survey.things if _idle(thing, now)),
            tuple(survey.roots),
            {},
            survey.roots,
        )
    recent = {
        key for key in survey.roots if not unseen and now - survey.used.get(key, now) < grace_days * DAY
    }
    illegible = {key for key, root in survey.roots.items() if root is None}
    known = {key: root for key, root in survey.roots.items() if root is not None}
    in_use = {key for key in recent - illegible if is_hidden(known[key], survey)}
    noticed = {
        key: root if key in in_use else _notice(root, survey.locks, now) for key, root in known.items()
    }
    living = {
        key: root for key, root in noticed.items() if key in in_use or _lives(root, now, at_once, grace_days)
    }
    named = {digest for lock in survey.locks.values() for digest in lock.digests or ()}
    if illegible & recent:  # nobody can tell what it needs
        named.update(digest for thing in survey.things for digest in thing.digests or ())
    fresh: set[str] = set()
    if not at_once:  # a lock that reads a file to learn its digest has no root yet
        fresh = {thing.name for thing in survey.of("blob") if thing.changed > now - DAY}
        if max_size is not None:
            fresh -= {digest for root in known.values() for digest in root.digests}
    if max_size is not None:
        living = _within(survey, living, named | fresh, in_use, max_size)
    kept = named | fresh | {digest for root in living.values() for digest in root.digests}
    sizes = {thing.name: thing.bytes for thing in survey.of("blob")}
    return PrunePlan(
        ordered(_unneeded(survey, kept, now, at_once, grace_days)),
        tuple(sorted((known.keys() - living.keys()) | (illegible - recent))),
        {key: root for key, root in living.items() if root != known[key]},
        survey.roots,
        tuple(sorted(illegible & recent)),
        _later(sizes, living, named.union(*(known[key].digests for key in in_use)), fresh, now, grace_days),
        sum(count for digest, count in sizes.items() if digest in kept),
    )


def removal(survey: Survey, digests: frozenset[str]) -> PrunePlan:
    """What goes with these files: their blobs, partials and views, and what is remembered of pulls of them.

    What a process is at work on stays.
    """
    things = (
        thing
        for thing in survey.things
        if thing.kind != "receipt" and not (thing.held or digests.isdisjoint(_shows(thing)))
    )
    pulls = (
        key
        for key, root in survey.roots.items()
        if root is not None and root.lock is None and not root.digests.isdisjoint(digests)
    )
    return PrunePlan(ordered(things), tuple(sorted(pulls)), {}, survey.roots)


def _shows(thing: Thing) -> frozenset[str]:
    """What a thing is, shows or is to become; the key of a partial whose digest is not known yet."""
    return thing.digests or frozenset({thing.key} if thing.kind == "partial" else ())


def _within(
    survey: Survey, living: Mapping[str, Root], named: set[str], in_use: set[str], most: int
) -> dict[str, Root]:
    """The roots that stay so that the blobs have at most so many bytes: those that were used last."""
    sizes = {thing.name: thing.bytes for thing in survey.of("blob")}
    staying = dict(living)
    droppable = (
        key
        for key, root in living.items()
        if key not in in_use and (root.lock is None or root.missed is not None)
    )
    for key in sorted(droppable, key=lambda key: (survey.used.get(key, 0.0), key)):
        kept = named | {digest for root in staying.values() for digest in root.digests}
        if sum(count for digest, count in sizes.items() if digest in kept) <= most:
            break
        del staying[key]
    return staying


def _later(
    sizes: Mapping[str, int],
    living: Mapping[str, Root],
    named: set[str],
    fresh: set[str],
    now: float,
    grace_days: float,
) -> tuple[tuple[float, int], ...]:
    """Blobs that only roots of locks that are gone or changed keep, or that are new: when each goes, and its bytes."""
    ends = dict.fromkeys(fresh, now + DAY)
    stays = set(named)
    for root in living.values():
        if root.lock is None or root.missed is None:
            stays |= root.digests
        else:
            end = root.missed + grace_days * DAY
            ends.update({digest: max(end, ends.get(digest, end)) for digest in root.digests})
    return tuple(
        sorted(
            (end, sizes[digest]) for digest, end in ends.items() if digest in sizes and digest not in stays
        )
    )


def _notice(root: Root, locks: Mapping[str, LockSeen], now: float) -> Root:
    """A root with what is known now: since when its lock is gone or changed, or that it is alive (again)."""
    if root.lock is None:
        return root
    missed = None if locks[root.lock].needs(root) else root.missed or now
    return root._replace(missed=missed)


def is_hidden(root: Root, survey: Survey) -> bool:
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
            "published": thing.changed < now - grace_days * DAY,
            # a file that is here tells its header itself
            "header": digests <= here
            or (not digests <= kept and (at_once or thing.changed < now - grace_days * DAY)),
        }
        if goes[thing.kind]:
            yield thing


def ordered(things: Iterable[Thing]) -> tuple[Thing, ...]:
    """What tells of a thing before the thing, links before what they link to, partials before their locks."""
    order = ("memo", "published", "header", "view", "blob", "receipt", "partial", "lock", "temporary")
    return tuple(sorted(things, key=lambda thing: (order.index(thing.kind), thing.name)))

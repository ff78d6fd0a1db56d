"""Which locks and pulls need which files of a store, and which of those locks are alive. Pure."""

from typing import NamedTuple

from modelsync.store.prune_plan import GRACE_DAYS, is_hidden
from modelsync.store.survey import DAY, Survey


class Need(NamedTuple):
    """What one lock or pull needs.

    Attributes:
        digests: The sha256 of each file, in hex.
        lock: The path of the lock, or None.
        uri: The URI that was pulled, or None.
        lives: Whether the lock names these files now, or may: it cannot be read or seen from here. A pull never does.
        used: When it was last used, in seconds since the epoch.
    """

    digests: frozenset[str]
    lock: str | None
    uri: str | None
    lives: bool
    used: float

    @property
    def by(self) -> str:
        """The path of the lock, or the URI."""
        return self.lock or self.uri or ""


def needs(survey: Survey, now: float) -> tuple[Need, ...]:
    """What each lock and each pull needs, in the order of their names.

    A lock has one entry for what it names now, and one for what it named before.

    Args:
        survey: What is there.
        now: Seconds since the epoch.
    """
    found: list[Need] = []
    by_lock: dict[str, list[str]] = {}
    for key, root in survey.roots.items():
        if root is None:
            continue
        if root.lock is None:
            found.append(Need(root.digests, None, root.uri, False, survey.used.get(key, 0.0)))
        else:
            by_lock.setdefault(root.lock, []).append(key)
    for lock, keys in by_lock.items():
        seen = survey.locks[lock]
        used = max(survey.used.get(key, 0.0) for key in keys)
        alive: set[str] = set(seen.digests or ())
        every: set[str] = set()
        for key in keys:
            root = survey.roots[key]
            assert root is not None
            every |= root.digests
            unread = seen.there and seen.digests is None
            recent = now - survey.used.get(key, now) < GRACE_DAYS * DAY
            if unread or (recent and is_hidden(root, survey)):
                alive |= root.digests
        if alive:
            found.append(Need(frozenset(alive), lock, None, True, used))
        if every - alive:
            found.append(Need(frozenset(every - alive), lock, None, False, used))
    return tuple(sorted(found, key=lambda need: (need.by, not need.lives)))

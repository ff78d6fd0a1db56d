"""What became of each model, from one lock to the next or on this machine. Pure."""

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from modelsync.spec.lock.model import Lock, LockedModel

Action = Literal["added", "updated", "removed", "unchanged"]


class Change(NamedTuple):
    """What became of one model: in the lock, or on this machine.

    `bytes` are those that were or would be fetched for it, where that is known.
    """

    name: str
    variant: str | None
    action: Action
    before: "LockedModel | None" = None
    after: "LockedModel | None" = None
    bytes: int = 0

    @property
    def title(self) -> str:
        """`llama3`, or `llama3 [server]` for a variant."""
        return f"{self.name} [{self.variant}]" if self.variant else self.name


def compare_locks(old: "Lock | None", new: "Lock") -> tuple[Change, ...]:
    """What became of each model from one lock to the next, sorted by name."""
    before = old.by_key if old else {}
    after = new.by_key
    changes = []
    for key in sorted(before.keys() | after.keys(), key=lambda k: (k[0], k[1] or "")):
        was, now = before.get(key), after.get(key)
        if was is None:
            changes.append(Change(*key, "added", None, now))
        elif now is None:
            changes.append(Change(*key, "removed", was, None))
        else:
            changes.append(Change(*key, "unchanged" if was == now else "updated", was, now))
    return tuple(changes)

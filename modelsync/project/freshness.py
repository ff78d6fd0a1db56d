"""Compares the requests of the manifest with those of the lock. Pure: makes no request, reads no file."""

from typing import NamedTuple

from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry, Manifest


class Freshness(NamedTuple):
    """The manifest compared with the lock.

    `answered` pairs each entry with the locked model whose request is the same; `stale` are entries that the
    lock lacks or answers for another request; `extra` are locked models that the manifest no longer names.
    `reasons` says the last two in words.
    """

    answered: tuple[tuple[Entry, LockedModel], ...]
    stale: tuple[Entry, ...]
    extra: tuple[LockedModel, ...]
    reasons: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Whether the lock answers the whole manifest and nothing else."""
        return not self.stale and not self.extra


def compare(manifest: Manifest, lock: Lock | None) -> Freshness:
    """Compares the request of every entry with the lock's."""
    locked = lock.by_key if lock else {}
    answered: list[tuple[Entry, LockedModel]] = []
    stale: list[Entry] = []
    reasons: list[str] = []
    for entry in manifest.entries:
        model = locked.pop(entry.key, None)
        if model is not None and answers(model, entry):
            answered.append((entry, model))
        else:
            stale.append(entry)
            reasons.append(missing(entry) if model is None else changed(entry, model))
    extra = tuple(locked.values())
    reasons += [f"{model.title} is no longer in the manifest" for model in extra]
    return Freshness(tuple(answered), tuple(stale), extra, tuple(reasons))


def answers(model: LockedModel, entry: Entry) -> bool:
    """Whether a locked model is the answer to the entry's request as it is now."""
    return model.request == entry.request.to_dict()


def missing(entry: Entry) -> str:
    """The reason in words: the lock lacks the entry."""
    return f"{entry.title} is not in the lock"


def changed(entry: Entry, model: LockedModel) -> str:
    """The reason in words: the lock has the entry, with another request."""
    now, then = entry.request.to_dict(), model.request
    keys = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    return f"{entry.title} changed in the manifest ({', '.join(keys)})"

"""Which requests of the manifest the lock answers. Pure: inputs are compared, nothing upstream is asked."""

from typing import NamedTuple

from modelsync.errors import StaleLockError
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry, Manifest


class Freshness(NamedTuple):
    """The manifest held against the lock.

    `answered` pairs each entry with the locked model whose request is the same; `stale` are entries that the
    lock lacks or answers for another request; `extra` are locked models that the manifest no longer names.
    """

    answered: tuple[tuple[Entry, LockedModel], ...]
    stale: tuple[Entry, ...]
    extra: tuple[LockedModel, ...]
    reasons: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Whether the lock answers the manifest, whole and exactly."""
        return not self.stale and not self.extra


def compare(manifest: Manifest, lock: Lock | None) -> Freshness:
    """Holds every entry's request against the lock's."""
    locked = {(model.name, model.variant): model for model in lock.models} if lock else {}
    answered: list[tuple[Entry, LockedModel]] = []
    stale: list[Entry] = []
    reasons: list[str] = []
    for entry in manifest.entries:
        model = locked.pop((entry.name, entry.variant), None)
        if model is None:
            stale.append(entry)
            reasons.append(f"{entry.title} is not in the lock")
        elif (wanted := entry.request.to_dict()) != model.request:
            stale.append(entry)
            keys = sorted(
                k for k in wanted.keys() | model.request.keys() if wanted.get(k) != model.request.get(k)
            )
            reasons.append(f"{entry.title} changed in the manifest ({', '.join(keys)})")
        else:
            answered.append((entry, model))
    extra = tuple(locked.values())
    reasons += [f"{model.title} is no longer in the manifest" for model in extra]
    return Freshness(tuple(answered), tuple(stale), extra, tuple(reasons))


def require(freshness: Freshness, lock_name: str) -> None:
    """Raises `StaleLockError`, with the first reasons, unless the lock is fresh."""
    if freshness.fresh:
        return
    shown = "; ".join(freshness.reasons[:3])
    more = f"; and {len(freshness.reasons) - 3} more" if len(freshness.reasons) > 3 else ""
    raise StaleLockError(
        f"{lock_name} is stale: {shown}{more}", hint="run `modelsync lock` and commit the result"
    )

"""Two locks that a merge left in one file become one again. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from modelsync.errors import DriftError
from modelsync.project import freshness
from modelsync.spec.lock import read as lock_reader
from modelsync.spec.lock.conflict import sides
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry, Manifest


class Halves(NamedTuple):
    """The two locks of one conflicted file.

    Attributes:
        ours: The lock of the branch that was merged into.
        theirs: The other.
        labels: What git calls them.
    """

    ours: Lock
    theirs: Lock
    labels: tuple[str, str]


class Merged(NamedTuple):
    """What both sides come to.

    Attributes:
        lock: Each entry of the manifest that a side answers, with that answer; none that may be of both sides.
        faults: By the key of an entry, why its answer cannot be chosen.
    """

    lock: Lock
    faults: Mapping[tuple[str, str | None], DriftError]


def halves(text: str, where: str) -> Halves | None:
    """Both sides of a lock that git could not merge, each read as a lock; None where there is no conflict.

    Raises:
        LockfileError: a side is no lock, or the markers are not in order.
        RefusedError: a side leads somewhere that its requests do not.
    """
    both = sides(text, where)
    if both is None:
        return None
    ours, theirs = (
        lock_reader.parse(side, where=f"{where} ({name})")
        for name, side in (("ours", both.ours), ("theirs", both.theirs))
    )
    return Halves(ours, theirs, both.labels)


def merge(
    manifest: Manifest, both: Halves, take_ours: bool | None, asked: Callable[[str], bool] = lambda _: False
) -> Merged:
    """Keeps every answer to the manifest that one side has, or both have alike.

    Args:
        manifest: What is wanted.
        both: The two locks.
        take_ours: Whether our answer counts where they differ, or theirs; None: neither.
        asked: Whether the model of a name is asked about upstream anyhow: then the sides need not agree.
    """
    models: list[LockedModel] = []
    faults: dict[tuple[str, str | None], DriftError] = {}
    ours, theirs = _unmixed(both.ours, both.theirs), _unmixed(both.theirs, both.ours)
    for entry in manifest.entries:
        found = [each[entry.key] for each in (ours, theirs) if entry.key in each]
        answers = [model for model in found if freshness.answers(model, entry)]
        differ = len(answers) == 2 and answers[0].known != answers[1].known
        if differ and take_ours is None and not asked(entry.name):
            faults[entry.key] = _two(entry, answers[0], answers[1], both.labels)
        models += _chosen(answers or found, take_ours)
    unknown = dict(both.theirs.unknown) | dict(both.ours.unknown)
    return Merged(Lock(tuple(models), tuple(unknown.items())), faults)


def _unmixed(side: Lock, other: Lock) -> dict[tuple[str, str | None], LockedModel]:
    """The models of a side that are surely its own, by name and variant.

    git puts a change of one side into the text of both where the other left those lines alone: a request of this side
    may stand above the files of the other. Both sides then have these files, under different requests.
    """
    mine, others = side.by_key, other.by_key
    there = {model.files: model for key, model in others.items() if mine.get(key) != model}
    return {
        key: model
        for key, model in mine.items()
        if others.get(key) == model or model.files not in there or there[model.files].request == model.request
    }


def _chosen(found: list[LockedModel], take_ours: bool | None) -> list[LockedModel]:
    """The one of up to two that counts, as a list; of two alike, the one to which a later version added keys."""
    if len(found) < 2:
        return found
    if take_ours is None and found[0].known == found[1].known:
        return [found[1] if found[0] == found[0].known else found[0]]
    return [found[1] if take_ours is False else found[0]]


def _two(entry: Entry, ours: LockedModel, theirs: LockedModel, labels: tuple[str, str]) -> DriftError:
    if ours.revision != theirs.revision:
        what = "two commits" if ours.revision and theirs.revision else "two answers"
        said = [(model.revision or "no commit")[:14] for model in (ours, theirs)]
    else:
        what, said = (
            "two answers",
            [f"sha256 {_differing(ours, theirs)[:12]}", f"{_differing(theirs, ours)[:12]}"],
        )
    names = [f" ({label})" if label else "" for label in labels]
    return DriftError(
        f"a merge left {what} to one request: {said[0]} in ours{names[0]}, {said[1]} in theirs{names[1]}",
        hint=f"`modelsync lock --ours` or `--theirs` takes one side's; `modelsync lock -P {entry.name}` asks upstream",
    )


def _differing(model: LockedModel, other: LockedModel) -> str:
    """The digest of the first file that the other has not."""
    there = {file.sha256 for file in other.files}
    return next((file.sha256 for file in model.files if file.sha256 not in there), model.files[0].sha256)

"""What is on this machine of some locked models: stats and small files, no hashing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.fetch.disk_space import has_size
from modelsync.install import plan, present
from modelsync.install.plan import BlobState, Here, Offer
from modelsync.install.target import Standing, Target
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.store import blobs, links, views


def look(context: Context, models: Sequence[LockedModel], target: Target | None) -> Here:
    """Takes a snapshot of this machine for some models: stats and small files, no hashing."""
    states: dict[str, BlobState] = {}
    ready: set[int] = set()
    shown: dict[str, Path] = {}
    for index, model in enumerate(models):
        paths = present.in_store(context, model.files)
        if paths is not None:
            if not views.lost(context.store, model.files):
                ready.add(index)
            shown.update(zip((file.sha256 for file in model.files), paths, strict=True))
            states.update((file.sha256, "here") for file in model.files)
        else:
            for file in model.files:
                known = file.sha256 and states.get(file.sha256)
                states[file.sha256] = known or blobs.state(context.store, file.sha256, file.size)
    if target is None:
        return Here(states, views=frozenset(ready), offers=_offers(context, models, states, ()))
    records = links.owned(target.folder)
    intact = {path: record.sha256 for path, record in records.items() if record.owner == target.owner}
    copies: set[str] = set()
    for model in models:
        for file, path in plan.link_targets(model):
            record = records.get(path)
            if record is not None:
                right = links.serves(target.folder, path, record, target.mode, shown.get(file.sha256))
                intact[path] = record.sha256 if right else ""
            other = record is not None and record.sha256 != file.sha256  # what another version left
            if states[file.sha256] == "missing" and not other and has_size(target.folder / path, file.size):
                copies.add(file.sha256)
    return Here(states, frozenset(copies), frozenset(ready), intact, _offers(context, models, states, copies))


def standing(folder: Path, wanted: Iterable[tuple[LockedFile, str]], here: Here) -> Standing:
    """What stands in a folder under the names, and with the sizes, of files that the store lacks.

    Args:
        folder: The folder.
        wanted: Files, each with its path in the folder.
        here: What there is of them.
    """
    files = {
        file.sha256: folder / path
        for file, path in wanted
        if here.blobs[file.sha256] == "missing" and has_size(folder / path, file.size)
    }
    return Standing(f"{folder.name}/", files)


def _offers(
    context: Context, models: Sequence[LockedModel], states: Mapping[str, BlobState], known: Collection[str]
) -> dict[str, Offer]:
    """What other tools have of the missing files that the project's folder does not have."""
    offers: dict[str, Offer] = {}
    for file in (file for model in models for file in model.files):
        if states[file.sha256] == "missing" and file.sha256 not in known and file.sha256 not in offers:
            from modelsync.fetch import adopt

            for candidate in adopt.find(context, file)[:1]:
                offers[file.sha256] = Offer(candidate.place, not adopt.needs_room(context, candidate))
    return offers

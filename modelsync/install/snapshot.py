"""What is on this machine of some locked models: stats and small files, no hashing."""

from collections.abc import Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.fetch.disk_space import has_size
from modelsync.install import plan, present
from modelsync.install.plan import BlobState, Here
from modelsync.install.target import Target
from modelsync.spec.lock.model import LockedModel
from modelsync.store import blobs, links


def look(context: Context, models: Sequence[LockedModel], target: Target | None) -> Here:
    """Takes a snapshot of this machine for some models: stats and small files, no hashing."""
    states: dict[str, BlobState] = {}
    ready: set[int] = set()
    shown: dict[str, Path] = {}
    for index, model in enumerate(models):
        paths = present.in_store(context, model.files)
        if paths is not None:
            ready.add(index)
            shown.update(zip((file.sha256 for file in model.files), paths, strict=True))
            states.update((file.sha256, "here") for file in model.files)
        else:
            for file in model.files:
                known = file.sha256 and states.get(file.sha256)
                states[file.sha256] = known or blobs.state(context.store, file.sha256, file.size)
    if target is None:
        return Here(states, views=frozenset(ready))
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
    return Here(states, frozenset(copies), frozenset(ready), intact)

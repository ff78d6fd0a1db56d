"""Which variant of each model was synced last: remembered by the project's folder, else by the store.

The folder's record travels with the folder, so an image that carries the folder knows what is in it. A project without
`dir` has its memory in the root of its lock, which the store keeps as long as the lock is in use.
"""

from collections.abc import Iterable, Mapping

from modelsync.context import Context
from modelsync.install import plan
from modelsync.project.project import LoadedProject
from modelsync.project.selection import variants_of
from modelsync.spec.lock.model import Lock
from modelsync.spec.manifest.model import Entry
from modelsync.store import atomic, link_folder, link_record, roots
from modelsync.store.clone import FOLDER_HINT


def remembered(
    context: Context, project: LoadedProject, lock: Lock | None = None
) -> Mapping[str, str | None]:
    """The variant that was synced last of each model that has variants; None is the entry itself.

    A model of which nothing is known is not in it. Where an older version linked the files and noted no variant, the
    files in the folder tell.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        lock: What is locked; None: what the project's lock says.
    """
    names = variants_of(project.manifest)
    lock = lock or project.lock
    if not names or lock is None:
        return {}
    folder = project.folder(project.manifest)
    if folder is None:
        known = roots.variants(context.store, project.lock_path, lock.digests) or {}
    else:
        recorded = link_record.variants(folder, project.called_in(folder))
        known = {**_linked(project, lock, names), **(recorded or {})}
    return {name: known[name] for name in names if name in known and known[name] in {None, *names[name]}}


def remember(
    context: Context, project: LoadedProject, lock: Lock, entries: Iterable[Entry], *, elsewhere: bool
) -> None:
    """Notes what was synced, if any of it has variants and that is not known yet.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        lock: What is locked.
        entries: What was synced. Where a model is there with several variants, the entry itself counts.
        elsewhere: Whether it was linked into a folder that a flag named.

    Raises:
        StoreError: it cannot be written down.
    """
    names = variants_of(project.manifest)
    if not names:
        return
    new: dict[str, str | None] = {}
    for entry in entries:
        if entry.name in names:
            new[entry.name] = None if entry.name in new else entry.variant
    folder = project.folder(project.manifest)
    if folder is None:
        before = roots.variants(context.store, project.lock_path, lock.digests) or {}
        after = _kept(before, names) | new
        roots.write(context.store, project.lock_path, lock.digests, named=lock.digests, variants=after)
        return
    owner = project.called_in(folder)
    if elsewhere or not folder.is_dir():
        return
    recorded = link_record.variants(folder, owner) or {}
    after = _kept(recorded, names) | new
    if after == recorded:
        return
    with atomic.told(f"cannot change {folder}", hint=FOLDER_HINT), link_folder.claimed(folder):
        link_record.write(folder, link_record.owned(folder), {}, synced={owner: after})


def _kept(known: Mapping[str, str | None], names: Mapping[str, object]) -> dict[str, str | None]:
    return {name: variant for name, variant in known.items() if name in names}


def _linked(
    project: LoadedProject, lock: Lock, names: Mapping[str, Mapping[str, Entry]]
) -> dict[str, str | None]:
    """Of each model the variant whose files were linked into the folder; the entry itself, where they all were."""
    folder = project.folder(project.manifest)
    records = link_record.owned(folder) if folder is not None else {}
    found: dict[str, str | None] = {}
    for name, mine in names.items():
        for variant in (None, *mine):
            model = lock.by_key.get((name, variant))
            wanted = plan.link_targets(model) if model is not None else ()
            put = [path in records and records[path].sha256 == file.sha256 for file, path in wanted]
            if put and all(put):
                found.setdefault(name, variant)
    return found

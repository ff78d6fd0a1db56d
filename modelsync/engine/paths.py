"""Where a model's files are: the answer to `path()`, without a network or a hash when they are here.

The order of places: `MODELSYNC_PATH_<NAME>`, the project's folder, the store's view, a read-only store's view; else
the blobs that the lock names are checked or fetched, and shown.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.engine import plan, variants
from modelsync.engine.context import Context
from modelsync.engine.modelfiles import ModelFiles, arranged
from modelsync.engine.project import Project
from modelsync.errors import HashMismatchError, NotSyncedError, StaleLockError
from modelsync.spec.lockfile import Lock, LockedModel
from modelsync.spec.manifest import Entry, Manifest
from modelsync.store import receipts, record, views
from modelsync.store.layout import Store
from modelsync.store.record import Record

_NAMES = ("hardlink", "symlink")  # what is put so is the blob itself


class Known(NamedTuple):
    """A model of the manifest: its entry, what the lock says of it, and what it needs to be found."""

    manifest: Manifest
    lock: Lock
    entry: Entry
    model: LockedModel


def find(
    context: Context, project: Project, name: str, variant: str | None = None, *, fetch: bool = True
) -> Known:
    """The entry of that name, and what the lock says of it.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        name: The model's name.
        variant: Its variant; None: the environment's, where the model has it; `auto`: the largest that fits.
        fetch: Whether `auto` may mean one that is not here.

    Raises:
        NotFoundError: the manifest has no such name or variant.
        StaleLockError: the lock does not answer the entry.
        ModelsyncError: with `auto`, whatever `fitting.largest` raises.
    """
    manifest, lock = project.read_manifest(), project.read_lock() or Lock()
    wanted = variants.entry(context, project, manifest, name, variant, fetch=fetch)
    return answered(project, manifest, lock, wanted)


def locked(project: Project, lock: Lock, wanted: Entry) -> LockedModel:
    """What the lock says of an entry, whether it still answers it or not.

    Raises:
        StaleLockError: it says nothing.
    """
    model = lock.find(wanted.name, wanted.variant)
    if model is None:
        raise StaleLockError(
            f"{wanted.title} is not in {project.lock_path.name}", hint="run `modelsync sync`"
        )
    return model


def answered(project: Project, manifest: Manifest, lock: Lock, wanted: Entry) -> Known:
    """An entry with what the lock says of it.

    Raises:
        StaleLockError: the lock does not answer the entry.
    """
    model = locked(project, lock, wanted)
    if model.request != wanted.request.to_dict():
        raise StaleLockError(
            f"{wanted.title} changed in {project.manifest_path.name} since {project.lock_path.name} was written",
            hint="run `modelsync sync`",
        )
    return Known(manifest, lock, wanted, model)


def files(
    context: Context,
    project: Project,
    known: Known,
    *,
    download: bool = True,
    records: Mapping[str, Record] | None = None,
) -> ModelFiles:
    """The files of a model of the manifest; neither manifest nor lock is written.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        known: What `find` found.
        download: Whether what is not here is fetched, as the lock says.
        records: What modelsync put into the project's folder, if that was read.

    Raises:
        NotSyncedError: it is not here, and was not to be fetched.
        HashMismatchError: what is here is damaged, and nothing was to be fetched.
    """
    ready = here(context, project.folder(known.manifest), known.model, records)
    if ready is None:
        from modelsync.store import roots

        ready = obtain(
            context,
            known.model,
            project.root,
            keep=lambda: roots.write(context.store, project.lock_path, known.lock.digests),
            download=download,
            load=known.entry.load,
        )
    return arranged([file.role for file in known.model.files], ready)


def here(
    context: Context,
    folder: Path | None,
    model: LockedModel,
    records: Mapping[str, Record] | None = None,
) -> Sequence[Path] | None:
    """The paths of a model's files in the project's folder, else in a view; None where they are in neither.

    What stands in the folder counts by its size, unless the record of what modelsync put there says that it is
    something else: a new lock may name another file of the same size; or that it is one more name of a blob that was
    found damaged. `records` is that record, if it was read.
    """
    return (folder and _in_folder(context.store, folder, model, records)) or views.ready(
        context.store, model.files
    )


def obtain(
    context: Context,
    model: LockedModel,
    folder: Path,
    *,
    keep: Callable[[], None],
    download: bool,
    load: Mapping[str, Any] = {},
) -> Sequence[Path]:
    """Makes a locked model be in the store, and shows it there; returns its files' paths.

    Args:
        context: What to work with.
        model: What is wanted.
        folder: What relative `file:` paths are relative to.
        keep: Writes the root, before the first byte.
        download: Whether the network may be used.
        load: The manifest's load settings: with them it is to fit this machine.

    Raises:
        MisfitError: it does not fit, and the context requires that.
        NotSyncedError: a file is not here, and was not to be fetched.
        HashMismatchError: what is here is damaged, and nothing was to be fetched.
    """
    from modelsync.engine import snapshot
    from modelsync.engine.carrying import carry_out, check

    def plan_now() -> plan.Plan:
        return plan.make([model], snapshot.look(context, [model], None), linked=False, exact=False)

    steps = plan_now()
    if context.offline or not download:
        if steps.of("fetch"):
            why = "the network is ruled out" if context.offline else "it was not to be fetched"
            raise NotSyncedError(
                f"{model.title} is not on this machine, and {why}", hint="run `modelsync sync`"
            )
        for step in steps.of("check"):
            finding = check(context, step)
            if finding.state != "good":
                got = f": expected sha256 {step.target}, got {finding.found}" if finding.found else ""
                raise HashMismatchError(
                    f"{finding.path} is damaged{got}",
                    hint="`modelsync sync` fetches what is damaged",
                )
        steps = plan_now()
    if steps.of("fetch"):
        from modelsync.engine import fetching, fitting

        needs = tuple(fetching.needs_of(context, model, model.files, folder))
        fitting.before(context, [fitting.Wanted(model.title, needs, load)])
    keep()
    carry_out(context, steps, folder, None)
    return views.ready(context.store, model.files) or views.view_paths(context.store, model.files)


def _in_folder(
    store: Store, folder: Path, model: LockedModel, records: Mapping[str, Record] | None
) -> Sequence[Path] | None:
    """The files as `<folder>/<name>/<file>`, when all are there and, as far as can be told, what is locked."""
    wanted = [(file, path, folder / path) for file, path in plan.link_targets(model)]
    try:
        seen = [place.stat() for _, _, place in wanted]
    except OSError:
        return None
    if any(stat.st_size != file.size for (file, _, _), stat in zip(wanted, seen, strict=True)):
        return None
    if records is None:
        records = record.owned(folder)
    for (file, path, _), stat in zip(wanted, seen, strict=True):
        put = records.get(path)
        if put is not None and put.sha256 != file.sha256:
            return None
        if put is not None and put.mode in _NAMES and receipts.condemned(store, file.sha256, stat):
            return None
    return [place.absolute() for _, _, place in wanted]

"""The lock: requests that it no longer answers are resolved, and the answers are written down."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import DriftError, UsageError
from modelsync.ops.options import Upgrade
from modelsync.project import freshness, lookup
from modelsync.project.lock_diff import Change, compare_locks
from modelsync.project.project import LoadedProject, Project
from modelsync.resolve.pin import PinnedFiles, ResolvedRequest, settle
from modelsync.resolve.resolver import Query, resolve_all
from modelsync.spec.lock import text as lock_text
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.spec.manifest.model import Entry
from modelsync.spec.roles import COMPANIONS

if TYPE_CHECKING:
    from modelsync.sources.base import Resolution

NO_UPGRADE = Upgrade()


class LockReport(NamedTuple):
    """The result of locking: the lock, what changed in it, whether it was written, and notes for a person."""

    lock: Lock
    changes: tuple[Change, ...]
    written: bool
    notes: tuple[str, ...] = ()
    bytes_fetched: int = 0


def lock(
    context: Context,
    project: Project,
    upgrade: Upgrade = NO_UPGRADE,
    *,
    dry_run: bool = False,
) -> LockReport:
    """Brings the lock up to date with the manifest.

    Entries that the lock answers stay as they are, byte for byte, unless they are to be upgraded: then upstream is
    asked what their request means now.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        upgrade: The models that upstream is asked about, though the lock has an answer.
        dry_run: Write nothing, and read no file only to learn its hash.

    Raises:
        UsageError: the lock belongs to a package.
        NotFoundError: a name to upgrade that the manifest does not have.
    """
    project = project.loaded()
    manifest, old = project.manifest, project.lock
    if project.package and not dry_run:
        raise UsageError(
            f"the lock of the package {project.package} is part of that package and is not written here",
            hint="lock in the package's own source tree, with --manifest",
        )
    known = {entry.name for entry in manifest.entries}
    for name in upgrade.models:
        if name not in known:
            manifest.entry(name)  # raises, with the nearest name
    fresh = freshness.compare(manifest, old)
    kept = {(entry.name, entry.variant): model for entry, model in fresh.answered}
    moving = [
        entry
        for entry in manifest.entries
        if (entry.name, entry.variant) not in kept or upgrade.every_model or entry.name in upgrade.models
    ]
    if not moving and not fresh.extra and old is not None:
        return LockReport(old, _unchanged(old), written=False)

    answers = resolve_all(context, [_query(entry, kept) for entry in moving], project.root)
    notes = tuple(
        f"{entry.title}: {note}"
        for entry, answer in zip(moving, answers, strict=True)
        for note in answer.notes
    )
    settled, reading = _settle(context, project, moving, answers, kept, dry_run=dry_run)
    models = {**kept, **settled}
    new = Lock(tuple(models[entry.name, entry.variant] for entry in manifest.entries))
    changes = compare_locks(old, new)
    text = lock_text.dumps(new)
    unwritten = old is not None and text == lock_text.dumps(old)
    if not dry_run and not unwritten:
        project.write_lock(new, text)
    return LockReport(
        new,
        changes,
        written=not dry_run and not unwritten,
        notes=notes + reading.notes,
        bytes_fetched=reading.fetched,
    )


def check(project: Project) -> Lock:
    """The lock, if it is up to date with the manifest.

    Raises:
        StaleLockError: it does not, with the first reasons.
    """
    project = project.loaded()
    old = project.lock
    lookup.require_fresh(project, freshness.compare(project.manifest, old))
    return old or Lock()


def verify(context: Context, project: Project) -> Lock:
    """Asks upstream whether the lock is the truth about what it names: the gate for a change to the lock.

    Every request is resolved at the very commits that the lock has, and commits, sizes and digests are compared;
    that those commits are still what a branch or tag means is not asked: a lock may be behind, not wrong. What has no
    published digest is read.

    Raises:
        StaleLockError: the lock does not answer the manifest.
        DriftError: upstream says otherwise than the lock; the message names each difference.
    """
    project = project.loaded()
    manifest, current = project.manifest, check(project)
    models = lookup.locked_models(project, current, manifest.entries)
    pinned = [_at_locked_commit(*pair) for pair in zip(manifest.entries, models, strict=True)]
    answers = resolve_all(context, [Query(entry.request) for entry in pinned], project.root)
    asked = [
        ResolvedRequest(entry.name, entry.request.to_dict(), answer)
        for entry, answer in zip(pinned, answers, strict=True)
    ]
    reading = settle(context, asked, project.root)
    wrong: list[str] = []
    for entry, model, answer, files in zip(pinned, models, answers, reading.files, strict=True):
        wrong += [f"{entry.title}: {difference}" for difference in differences(model, answer.revision, files)]
    if wrong:
        raise DriftError(
            f"{project.lock_path.name} does not say what upstream says: " + "; ".join(wrong),
            hint="find out who changed it; `modelsync lock --upgrade` writes what upstream says now",
        )
    return current


def outdated(context: Context, project: Project) -> LockReport:
    """What `lock --upgrade` would move, without writing anything."""
    return lock(context, project, Upgrade(every_model=True), dry_run=True)


def differences(model: LockedModel, revision: str | None, files: Sequence[LockedFile]) -> list[str]:
    """In what a locked model differs from what upstream has at its commit, in words."""
    from modelsync.spec.names import printable

    said: list[str] = []
    if model.revision != revision:
        said.append(f"commit {model.revision} in the lock, {revision} upstream")
    here = {(file.role, file.path, file.repo or ""): file for file in model.files}
    there = {(file.role, file.path, file.repo or ""): file for file in files}
    for key in sorted(here.keys() | there.keys()):
        name = printable(key[1])
        mine, theirs = here.get(key), there.get(key)
        if mine is None or theirs is None:
            said.append(f"{name} is only {'upstream' if mine is None else 'in the lock'}")
            continue
        if theirs.revision != mine.revision:
            said.append(f"{name} is of commit {mine.revision} in the lock, {theirs.revision} upstream")
        if theirs.size != mine.size:
            said.append(f"{name} is {mine.size} bytes in the lock, {theirs.size} upstream")
        if theirs.sha256 != mine.sha256:
            said.append(f"{name} has sha256 {mine.sha256} in the lock, {theirs.sha256} upstream")
        if [(p.path, p.size, p.sha256) for p in mine.pieces] != [
            (p.path, p.size, p.sha256) for p in theirs.pieces
        ]:
            said.append(f"{name} is joined from other pieces upstream")
    return said


def _unchanged(current: Lock) -> tuple[Change, ...]:
    return tuple(Change(model.name, model.variant, "unchanged", model, model) for model in current.models)


def _query(entry: Entry, known: dict[tuple[str, str | None], LockedModel]) -> Query:
    before = known.get((entry.name, entry.variant))
    return Query(entry.request, before.files if before else ())


def _at_locked_commit(entry: Entry, model: LockedModel) -> Entry:
    """The entry with the lock's commits in place of branches and tags."""
    request = entry.request
    if model.revision is not None:
        request = request._replace(revision=model.revision)
    for companion in COMPANIONS:
        files = [file for file in model.files if file.role == companion.role]
        asked: Any = getattr(request, companion.key)
        if companion.many:
            if len(files) == len(asked):
                pairs = zip(asked, files, strict=True)
                at_commits = tuple(each._replace(revision=_commit(file, model)) for each, file in pairs)
                request = request._replace(**{companion.key: at_commits})  # type: ignore[arg-type]
        elif asked is not None and asked is not True:
            at_commit = asked._replace(revision=_commit(next(iter(files), None), model))
            request = request._replace(**{companion.key: at_commit})
    return entry._replace(request=request)


def _commit(file: LockedFile | None, model: LockedModel) -> str | None:
    """The commit a file was taken from; None where its source has no commits."""
    if file is None:
        return None
    return file.revision or (model.revision if file.repo is None else None)


def _settle(
    context: Context,
    project: LoadedProject,
    entries: Sequence[Entry],
    answers: "Sequence[Resolution]",
    previous: dict[tuple[str, str | None], LockedModel],
    *,
    dry_run: bool,
) -> tuple[dict[tuple[str, str | None], LockedModel], PinnedFiles]:
    """Makes locked models of answers."""
    from modelsync.sources.request import check_pins
    from modelsync.store import roots

    asked = []
    for entry, answer in zip(entries, answers, strict=True):
        before = previous.get((entry.name, entry.variant))
        asked.append(
            ResolvedRequest(entry.name, entry.request.to_dict(), answer, before.files if before else ())
        )
    named = project.lock.digests if project.lock is not None else ()
    reading = settle(
        context,
        asked,
        project.root,
        read=not dry_run,
        keep=lambda sha256: roots.write(context.store, project.lock_path, {sha256}, named=named),
    )
    settled: dict[tuple[str, str | None], LockedModel] = {}
    for entry, ask, files in zip(entries, asked, reading.files, strict=True):
        check_pins(entry.request, [file for file in files if file.sha256])
        settled[entry.name, entry.variant] = LockedModel(
            name=entry.name,
            request=ask.request,
            files=files,
            variant=entry.variant,
            revision=ask.answer.revision,
            license=ask.answer.license,
        )
    return settled, reading

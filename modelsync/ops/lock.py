"""The lock: requests that it no longer answers are resolved, and the answers are written down."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from modelsync.context import Context
from modelsync.errors import DriftError, StoreError
from modelsync.ops.failures import Failures
from modelsync.ops.options import Upgrade
from modelsync.ops.proposal import NO_UPGRADE, LockReport, propose, write
from modelsync.project import freshness, lookup
from modelsync.project.project import LoadedProject, Project
from modelsync.resolve.pin import ResolvedRequest, settle
from modelsync.resolve.resolver import Query, resolve_all
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.spec.manifest.model import Entry
from modelsync.spec.roles import COMPANIONS

Result = TypeVar("Result")


def lock(
    context: Context,
    project: Project,
    upgrade: Upgrade = NO_UPGRADE,
    *,
    dry_run: bool = False,
) -> LockReport:
    """Brings the lock up to date with the manifest.

    Entries that the lock answers stay as they are, byte for byte, unless they are to be upgraded: then upstream is
    asked what their request means now. An entry that cannot be resolved keeps its old place in the lock; if it has
    none, nothing is written.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        upgrade: The models that upstream is asked about, though the lock has an answer.
        dry_run: Write nothing, and read no file only to learn its hash.

    Raises:
        UsageError: the lock belongs to a package.
        NotFoundError: a name to upgrade that the manifest does not have.
        ModelsyncError: the first by name of the models that could not be resolved, with all errors and the report.
    """
    project = project.loaded()
    with nullcontext() if dry_run else edited(context, project):
        return update(context, project, upgrade, dry_run=dry_run)


def edited(context: Context, project: LoadedProject) -> AbstractContextManager[None]:
    """The edit lock of the project, for a `with` block; what another process wrote before is read anew."""
    from modelsync.project.edit_lock import edit_lock

    return edit_lock(context.store, project, warn=context.warn, cancel=context.cancel)


def update(
    context: Context,
    project: LoadedProject,
    upgrade: Upgrade = NO_UPGRADE,
    *,
    dry_run: bool = False,
    strict: bool = False,
) -> LockReport:
    """Like `lock`, for a caller that has the edit lock.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        upgrade: See `lock`.
        dry_run: See `lock`.
        strict: Write nothing if any model could not be resolved.
    """

    def attempt() -> LockReport:
        failures = Failures(project)
        proposal = propose(context, project, failures, upgrade, dry_run=dry_run)
        if strict:
            failures.raise_first()
        report = proposal.report(written=not dry_run and write(project, proposal))
        failures.raise_first(report)
        return report

    return anew(project, attempt)


def anew(project: LoadedProject, attempt: Callable[[], Result]) -> Result:
    """Makes an edit; once more where another program wrote the file meanwhile.

    Raises:
        StoreError: that happened again and again.
    """
    from modelsync.project.edit_lock import TRIES
    from modelsync.project.write import ChangedMeanwhileError

    for _ in range(TRIES):
        try:
            return attempt()
        except ChangedMeanwhileError:
            project.refresh()
    raise StoreError(
        f"another program keeps writing {project.manifest_path.name} or {project.lock_path.name}",
        hint="end it, and run the command again",
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

    Every request is resolved at the very commits that the lock has, and commits, licenses, sizes and digests are
    compared; that those commits are still what a branch or tag means is not asked: a lock may be behind, not wrong.
    What has no published digest is read.

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
        there = model._replace(revision=answer.revision, license=answer.license, files=files)
        wrong += [f"{entry.title}: {difference}" for difference in differences(model, there)]
    if wrong:
        raise DriftError(
            f"{project.lock_path.name} does not say what upstream says: " + "; ".join(wrong),
            hint="find out who changed it; `modelsync lock --upgrade` writes what upstream says now",
        )
    return current


def outdated(context: Context, project: Project) -> LockReport:
    """What `lock --upgrade` would move, without writing anything."""
    return lock(context, project, Upgrade(every_model=True), dry_run=True)


def differences(model: LockedModel, upstream: LockedModel) -> list[str]:
    """In what a locked model differs from what upstream has at its commit, in words."""
    from modelsync.spec.names import printable

    said: list[str] = []
    if model.revision != upstream.revision:
        said.append(f"commit {model.revision} in the lock, {upstream.revision} upstream")
    if model.license != upstream.license:
        locked, published = (printable(one.license or "none") for one in (model, upstream))
        said.append(f"license {locked} in the lock, {published} upstream")
    here = {(file.role, file.path, file.repo or ""): file for file in model.files}
    there = {(file.role, file.path, file.repo or ""): file for file in upstream.files}
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

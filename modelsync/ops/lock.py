"""The lock: requests that it no longer answers are resolved, and the answers are written down."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from modelsync.context import Context
from modelsync.errors import DriftError, ModelsyncError, StoreError
from modelsync.ops.failures import Failures
from modelsync.ops.options import Merging, Upgrade
from modelsync.ops.proposal import NO_UPGRADE, LockReport, propose, write
from modelsync.project import freshness, license_check, lookup
from modelsync.project.project import LoadedProject, Project, about
from modelsync.resolve.pin import settle
from modelsync.resolve.pinned_commits import at_pinned_commits
from modelsync.resolve.resolved import ResolvedRequest
from modelsync.resolve.resolver import Query, resolve_each
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry

if TYPE_CHECKING:
    from modelsync.project.lock_merge import Halves

NO_SIDE = Merging()

Result = TypeVar("Result")


def lock(
    context: Context,
    project: Project,
    upgrade: Upgrade = NO_UPGRADE,
    *,
    merging: Merging = NO_SIDE,
    dry_run: bool = False,
) -> LockReport:
    """Brings the lock up to date with the manifest.

    Entries that the lock answers stay as they are, byte for byte, unless they are to be upgraded: then upstream is
    asked what their request means now. An entry that cannot be resolved keeps its old place in the lock; if it has
    none, nothing is written.

    Of a lock that git could not merge both sides are read: each answer to the manifest that one of them has stays.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        upgrade: The models that upstream is asked about, though the lock has an answer.
        merging: Which side counts where the two sides of a merge have two answers to one request.
        dry_run: Write nothing, and read no file only to learn its hash.

    Raises:
        UsageError: the lock belongs to a package.
        NotFoundError: a name to upgrade that the manifest does not have.
        ModelsyncError: the first by name of the models that could not be resolved, with all errors and the report.
    """
    project = project.loaded()
    with nullcontext() if dry_run else edited(context, project):
        return update(context, project, upgrade, merging=merging, dry_run=dry_run)


def edited(context: Context, project: LoadedProject) -> AbstractContextManager[None]:
    """The edit lock of the project, for a `with` block; what another process wrote before is read anew."""
    from modelsync.project.edit_lock import edit_lock

    return edit_lock(context.store, project, warn=context.warn, cancel=context.cancel)


def update(
    context: Context,
    project: LoadedProject,
    upgrade: Upgrade = NO_UPGRADE,
    *,
    merging: Merging | None = None,
    dry_run: bool = False,
    strict: bool = False,
) -> LockReport:
    """Like `lock`, for a caller that has the edit lock.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        upgrade: See `lock`.
        merging: See `lock`; None: a lock that git could not merge is an error.
        dry_run: See `lock`.
        strict: Write nothing if any model could not be resolved. Errors name no line: the manifest is an edit that
            they undo.
    """

    def attempt() -> LockReport:
        failures = Failures(None if strict else project)
        both = merge_sides(project, failures, upgrade, merging) if merging is not None else None
        proposal = propose(context, project, failures, upgrade, dry_run=dry_run)
        if both is not None:
            proposal = proposal._replace(old=both.ours, merged=True)
        if strict:
            failures.raise_first()
        else:
            _refuse(project, proposal.lock, failures)
        report = proposal.report(written=not dry_run and write(project, proposal))
        failures.raise_first(report)
        return report

    return anew(project, attempt)


def merge_sides(
    project: LoadedProject, failures: Failures, upgrade: Upgrade, merging: Merging
) -> "Halves | None":
    """Makes one lock of the two sides that a merge left in the file; it is the project's until the file changes.

    Returns:
        The two sides; None where the lock is one.

    Raises:
        DriftError: the first by name of the models for which the two sides have two answers, with all of them.
        LockfileError: a side cannot be read.
    """
    from modelsync.spec.lock.conflict import conflicted

    text = project.lock_text
    if text is None or not conflicted(text):
        return None
    from modelsync.project import lock_merge

    with about(project.lock_path):
        both = lock_merge.halves(text, project.lock_path.name)
    if both is None:
        return None
    merged = lock_merge.merge(project.manifest, both, merging.ours, upgrade.concerns)
    for entry in project.manifest.entries:
        if entry.key in merged.faults:
            failures.add(entry.title, merged.faults[entry.key], entry)
    failures.raise_first()
    project.lock = merged.lock
    return both


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
        LicenseRefusedError: the first by name of the models that the project does not allow, with all errors.
    """
    project = project.loaded()
    old = project.lock
    lookup.require_fresh(project, freshness.compare(project.manifest, old))
    failures = Failures(project)
    _refuse(project, old or Lock(), failures)
    failures.raise_first()
    return old or Lock()


def _refuse(project: LoadedProject, current: Lock, failures: Failures) -> None:
    """Makes failures of the locked models that the project does not allow."""
    if project.manifest.allowed_licenses is None:
        return
    answered = freshness.compare(project.manifest, current).answered
    for entry, error in license_check.refusals(project.manifest, answered):
        failures.add(entry.title, error, entry)


def verify(context: Context, project: Project) -> LockReport:
    """Asks upstream whether the lock is the truth about what it names: the gate for a change to the lock.

    Every request is resolved at the very commits that the lock has, and commits, licenses, sizes and digests are
    compared; that those commits are still what a branch or tag means is not asked: a lock may be behind, not wrong.
    What has no published digest is read, unless the store has it and upstream confirms that it is the same.

    Raises:
        StaleLockError: the lock does not answer the manifest.
        DriftError: upstream says otherwise than the lock; the message names each difference.
        ModelsyncError: the first by name of the models that differ or could not be asked about, with all errors.
    """
    project = project.loaded()
    manifest, current = project.manifest, check(project)
    models = lookup.locked_models(project, current, manifest.entries)
    failures = Failures(project)
    pinned = [
        (entry, model, at_pinned_commits(entry.request, model))
        for entry, model in zip(manifest.entries, models, strict=True)
    ]
    resolved: list[tuple[Entry, LockedModel, ResolvedRequest]] = []
    answers = resolve_each(context, [Query(request) for _, _, request in pinned], project.root)
    for (entry, model, request), answer in zip(pinned, answers, strict=True):
        if isinstance(answer, ModelsyncError):
            failures.add(entry.title, answer, entry)
        else:
            asked = ResolvedRequest(entry.name, request.to_dict(), answer, model.files, entry.allow_code)
            resolved.append((entry, model, asked))
    reading = settle(
        context,
        [asked for _, _, asked in resolved],
        project.root,
        confirm=True,
        on_error=lambda index, error: failures.add(resolved[index][0].title, error, resolved[index][0]),
    )
    for (entry, model, asked), files in zip(resolved, reading.files, strict=True):
        if entry.title in failures:
            continue
        answer = asked.answer
        there = model._replace(revision=answer.revision, license=answer.license, files=files)
        if wrong := differences(model, there):
            error = DriftError(
                wrong[0] if len(wrong) == 1 else f"{len(wrong)} things differ from upstream",
                hint=f"{project.lock_path.name} does not say what upstream says: find out who changed it; "
                "`modelsync lock --repin` writes what upstream says now",
            )
            failures.add(entry.title, error.detailed(wrong if len(wrong) > 1 else ()), entry)
    report = LockReport(current, (), False, reading.notes, reading.fetched)
    failures.raise_first(report)
    return report


def differences(model: LockedModel, upstream: LockedModel) -> list[str]:
    """In what a locked model differs from what upstream has at its commit, in words."""
    from modelsync.spec.names import printable

    said: list[str] = []
    if model.revision != upstream.revision:
        said.append(f"revision {model.revision} in the lock, {upstream.revision} upstream")
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
            said.append(f"{name} is of revision {mine.revision} in the lock, {theirs.revision} upstream")
        if theirs.size != mine.size:
            said.append(f"{name} is {mine.size} bytes in the lock, {theirs.size} upstream")
        if mine.license not in (None, theirs.license):  # None: a lock from before it had them
            other = printable(theirs.license or "none")
            said.append(f"{name} has license {printable(mine.license)} in the lock, {other} upstream")
        if theirs.sha256 != mine.sha256:
            said.append(f"{name} has sha256 {mine.sha256} in the lock, {theirs.sha256} upstream")
        if [(p.path, p.size, p.sha256) for p in mine.pieces] != [
            (p.path, p.size, p.sha256) for p in theirs.pieces
        ]:
            said.append(f"{name} is joined from other pieces upstream")
    return said

"""Reconciling this machine with the lock: lock x what is here -> plan -> root -> blobs -> views -> links."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import DiskFullError, DriftError, ModelsyncError, StaleLockError, StoreError, UsageError
from modelsync.fit import preflight, variants
from modelsync.install import plan, stale_links, synced
from modelsync.install.plan import Here, Plan, Step
from modelsync.install.report import SyncReport
from modelsync.install.snapshot import look
from modelsync.install.stale_links import left_behind
from modelsync.install.target import Target, target_of
from modelsync.ops.failures import Failures
from modelsync.ops.options import SyncOptions
from modelsync.project import freshness, lookup
from modelsync.project.lock_diff import Action, Change
from modelsync.project.project import LoadedProject, Project
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry
from modelsync.spec.names import printable
from modelsync.store import link_folder

if TYPE_CHECKING:
    from modelsync.ops.proposal import LockReport


class Prepared(NamedTuple):
    """What a sync will do, once the lock says it.

    Attributes:
        current: The lock.
        report: What became of the lock, if it was brought up to date.
        pairs: The entries to sync, each with its locked model.
        target: Where they are linked; None: nowhere.
        here: What is on this machine of them.
        steps: The plan.
    """

    current: Lock
    report: "LockReport | None"
    pairs: tuple[tuple[Entry, LockedModel], ...]
    target: Target | None
    here: Here
    steps: Plan

    @property
    def models(self) -> tuple[LockedModel, ...]:
        """The locked models to sync."""
        return tuple(model for _, model in self.pairs)


def reconcile(
    context: Context,
    project: LoadedProject,
    options: SyncOptions,
) -> SyncReport:
    """Like `sync.sync`, without the up-to-date check."""
    failures = Failures(project)
    ready = _prepare(context, project, options, failures)
    report, models, target, here, steps = ready.report, ready.models, ready.target, ready.here, ready.steps
    notes = report.notes if report else ()
    changes = _changes(report, models, steps, here)
    exact = _exact(options) and options.directory is None
    left = left_behind(context, project, target) if exact and not failures else ()
    todo, steps = steps, Plan((*steps.steps, *stale_links.steps(left, project.root)))
    if options.check and steps.steps:
        raise DriftError(
            "not as the lock says: " + "; ".join(words for words, _ in plan.summary(steps.steps)),
            hint="run `modelsync sync`",
        )
    done = SyncReport(changes, steps.steps, notes=notes, lock_written=False)
    if not options.writes:
        failures.raise_first(done)
        return done
    if target is not None:
        link_folder.sweep(target.folder)

    described = ((model.title, model, entry.load) for entry, model in ready.pairs)
    unfit: list[LockedModel] = []

    def on_misfit(model: LockedModel, error: ModelsyncError) -> None:
        unfit.append(model)
        failures.add(model.title, error)

    warnings = preflight.check_plan(context, steps, described, project.root, on_misfit)
    todo, steps = _without(todo, unfit), _without(steps, unfit)
    if options.replace and steps.of("fetch") and not unfit:
        _free_old(context, project, todo, target)
    linked = target.folder if target is not None and options.directory is None else None
    _root(context, project, ready.current, linked, needed=bool(steps.of("fetch", "adopt", "check", "view")))
    fetched = report.bytes_fetched if report else 0
    changed = {change.name for change in changes}
    reused = max(0, plan.bytes_here((model for model in models if model.name in changed), here) - fetched)
    done = done._replace(
        bytes_fetched=fetched,
        bytes_reused=reused,
        lock_written=report is not None and report.written,
        warnings=warnings,
    )
    lost = {model.name for model in unfit}
    done = done._replace(changes=tuple(change for change in changes if change.name not in lost))
    if steps.steps:
        from modelsync.install.execute import carry_out

        def on_error(model: LockedModel, error: ModelsyncError) -> None:
            lost.add(model.name)
            failures.add(model.title, error)

        brought = carry_out(context, todo, project.root, target, on_error=on_error)
        gone = stale_links.remove(left, project.root)
        done = done._replace(
            changes=tuple(change for change in changes if change.name not in lost),
            bytes_fetched=fetched + brought.fetched,
            bytes_reused=reused + brought.reused,
            notes=notes + brought.notes + gone,
        )
    here_now = [entry for entry, model in ready.pairs if model.name not in lost]
    synced.remember(context, project, ready.current, here_now, elsewhere=options.directory is not None)
    failures.raise_first(done)
    return done


def _without(steps: Plan, models: Sequence[LockedModel]) -> Plan:
    """The plan without what concerns these models; what is linked for them stays."""
    return _keeping(
        Plan(tuple(step for step in steps.steps if not any(step.model is model for model in models))),
        {model.name for model in models},
    )


def _keeping(steps: Plan, names: Collection[str]) -> Plan:
    """The plan without the removal of links of the models of these names."""
    return Plan(
        tuple(
            step
            for step in steps.steps
            if step.verb != "unlink" or step.target.partition("/")[0] not in names
        )
    )


def _prepare(context: Context, project: LoadedProject, options: SyncOptions, failures: Failures) -> Prepared:
    """Brings the lock up to date, if that is to be done, and plans what the machine needs.

    The disks are looked at before the lock is written: a model that they have no room for keeps its old place there.
    """
    upgrade = options.upgrade
    current = project.lock
    variants.check(context, project.manifest, options.selection)  # names that are not there are told first
    if options.frozen:
        current = lookup.require_lock(project, current)
    elif upgrade.wanted or not (fresh := freshness.compare(project.manifest, current)).fresh:
        if options.check:
            raise DriftError("; ".join(fresh.reasons), hint="run `modelsync sync`")
        if options.locked or (project.package and not upgrade.wanted):
            lookup.require_fresh(project, fresh)
        from modelsync.ops import lock

        with nullcontext() if options.dry_run else lock.edited(context, project):
            return lock.anew(project, lambda: _relock(context, project, options, failures))
    return _fitting(context, project, options, failures, current or Lock())


def _relock(context: Context, project: LoadedProject, options: SyncOptions, failures: Failures) -> Prepared:
    """Resolves, plans, and writes the lock."""
    from modelsync.ops import proposal as proposals

    failures.clear()
    target = target_of(project, project.manifest, options.directory, options.link_mode)
    proposal = proposals.propose(
        context, project, failures, options.upgrade, dry_run=options.dry_run, target=target
    )
    before = proposal.old if proposal.whole else None
    ready = _fitting(context, project, options, failures, proposal.lock, before)
    if proposal.whole:
        proposal = proposal._replace(new=ready.current)
    written = not options.dry_run and proposals.write(project, proposal)
    return ready._replace(report=proposal.report(written=written))


def _fitting(
    context: Context,
    project: LoadedProject,
    options: SyncOptions,
    failures: Failures,
    current: Lock,
    before: Lock | None = None,
) -> Prepared:
    """Plans for the models that the disks have room for; the others become failures.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        options: What was asked.
        failures: Entries that are among them need no place in the lock.
        current: The lock.
        before: The lock as it was: a model without room keeps its place in that one, and its files.
    """
    lost: set[tuple[str, str | None]] = set()
    old = {(model.name, model.variant): model for model in before.models} if before is not None else {}
    while True:
        ready = _planned(context, project, options, current, lost, failures)
        misfits = _misfits(context, ready) if options.writes and not options.replace else ()
        if not misfits:
            return ready
        back = {}
        for model, error in misfits:
            failures.add(model.title, error)
            key = (model.name, model.variant)
            if old.get(key, model) != model:
                back[key] = old[key]
            else:
                lost.add(key)
        current = current._replace(models=tuple(back.get(model.key, model) for model in current.models))


def _planned(
    context: Context,
    project: LoadedProject,
    options: SyncOptions,
    current: Lock,
    lost: Collection[tuple[str, str | None]],
    failures: Failures,
) -> Prepared:
    """Plans for the selected models, without those that are lost.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        options: What was asked.
        current: The lock.
        lost: Names and variants that are left as they are on this machine.
        failures: Gets models of which no variant can be chosen. If there is any yet, a model that the lock lacks is
            left out too.
    """
    selection, lenient = options.selection, bool(failures)
    otherwise: variants.Otherwise = "synced" if options.as_synced else "entry"

    def undecided(entry: Entry, error: ModelsyncError) -> None:
        if not isinstance(error, StaleLockError):
            failures.add(entry.title, error, entry)
        elif not lenient:
            raise error

    chosen = variants.check(context, project.manifest, selection)
    entries = variants.selected(
        context, project, selection, lock=current, fetch=True, otherwise=otherwise, on_error=undecided
    )
    wanted = [entry for entry in entries if (entry.name, entry.variant) not in lost]
    if lenient:
        known = {(model.name, model.variant) for model in current.models}
        wanted = [entry for entry in wanted if (entry.name, entry.variant) in known]
    models = lookup.locked_models(project, current, wanted)
    target = target_of(project, project.manifest, options.directory, options.link_mode)
    if target is not None and (clash := plan.clash(models)) is not None:
        one, other, path = clash
        raise UsageError(
            f"{one.title} and {other.title} would both be {printable(path)}",
            hint=f"name one of them: --variant {other.name}={other.variant}",
        )
    here = look(context, models, target)
    steps = plan.make(models, here, linked=target is not None, exact=_exact(options))
    left = {entry.name for entry in entries if entry not in wanted}
    kept = left | {entry.name for entry in chosen} - {entry.name for entry in entries}
    steps = _keeping(steps, kept)
    return Prepared(current, None, tuple(zip(wanted, models, strict=True)), target, here, steps)


def _misfits(context: Context, ready: Prepared) -> list[tuple[LockedModel, DiskFullError]]:
    """The models that the disks have no room for, beside those before them."""
    from modelsync.fetch import disk_space

    coming: dict[int, list[Step]] = {}
    for step in ready.steps.of("fetch", "adopt", "link"):
        coming.setdefault(id(step.model), []).append(step)
    room = disk_space.Room(context.store)
    misfits = []
    for model in ready.models:
        steps = coming.get(id(model), ())
        files = [(step.target, step.bytes) for step in steps if step.verb != "link"]
        links = [
            (step.target, step.file.size) for step in steps if step.verb == "link" and step.file is not None
        ]
        target = ready.target
        copies = (
            disk_space.of_copies(context.store, target.folder, target.mode, links)
            if target is not None and links
            else ()
        )
        error = room.take(files, copies) if files or copies else None
        if error is not None:
            misfits.append((model, error))
    return misfits


def _exact(options: SyncOptions) -> bool:
    return not (options.inexact or options.selection.partial)


def _free_old(context: Context, project: Project, steps: Plan, target: Target | None) -> None:
    """Removes what the lock needed before, first: for a disk that cannot hold two versions."""
    from modelsync.store import links, prune

    if target is not None:
        paths = [step.target for step in steps.of("link", "unlink")]
        links.remove(target.folder, paths, inside=target.inside)
    prune.execute(context.store, prune.replaced(context.store, project.lock_path))


def _root(context: Context, project: Project, current: Lock, linked: Path | None, *, needed: bool) -> None:
    """Says that the lock's digests are in use, and `linked` too; a sync with nothing to do never fails over it."""
    from modelsync.store import roots

    with nullcontext() if needed else suppress(StoreError):
        roots.write(context.store, project.lock_path, current.digests, folder=linked, named=current.digests)


def _changes(
    report: "LockReport | None", models: Sequence[LockedModel], steps: Plan, here: Here
) -> tuple[Change, ...]:
    """What becomes of each model: what the lock says of it, else what the plan does for it."""
    moved: Mapping[tuple[str, str | None], Change] = {
        (change.name, change.variant): change
        for change in (report.changes if report else ())
        if change.action != "unchanged"
    }
    touched: dict[tuple[str, str | None], int] = {}
    for step in steps.steps:
        if step.model is not None:
            of = (step.model.name, step.model.variant)
            touched[of] = touched.get(of, 0) + (step.bytes if step.verb == "fetch" else 0)
    linked = {path.partition("/")[0] for path in here.links}
    changes: dict[tuple[str, str], Change] = {}
    for model in models:
        of = (model.name, model.variant)
        change = moved.get(of)
        key = (model.name, model.variant or "")
        if change is not None:
            changes[key] = change._replace(bytes=touched.get(of, 0))
        elif of in touched:
            action: Action = "updated" if model.name in linked else "added"
            changes[key] = Change(model.name, model.variant, action, after=model, bytes=touched[of])
    wanted = {model.name for model in models}
    for change in moved.values():
        if change.action == "removed":
            changes.setdefault((change.name, change.variant or ""), change)
    for step in steps.of("unlink"):
        name = step.target.partition("/")[0]
        if name not in wanted:
            changes.setdefault((name, ""), Change(name, None, "removed"))
    return tuple(changes[key] for key in sorted(changes))

"""Reconciling this machine with the lock: lock x what is here -> plan -> root -> blobs -> views -> links."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import DriftError, StoreError
from modelsync.fit import preflight, variants
from modelsync.install import plan, stale_links
from modelsync.install.plan import Here, Plan
from modelsync.install.report import SyncReport
from modelsync.install.snapshot import look
from modelsync.install.stale_links import left_behind
from modelsync.install.target import Target, target_of
from modelsync.ops.options import SyncOptions
from modelsync.project import freshness, lookup
from modelsync.project.lock_diff import Action, Change
from modelsync.project.project import LoadedProject, Project
from modelsync.project.selection import select
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.store import link_folder

if TYPE_CHECKING:
    from modelsync.ops.lock import LockReport


def reconcile(
    context: Context,
    project: LoadedProject,
    options: SyncOptions,
) -> SyncReport:
    """Like `sync.sync`, without the up-to-date check; the settings' variant is in the options already."""
    selection, upgrade = options.selection, options.upgrade
    manifest, current = project.manifest, project.lock
    auto = selection.variant == variants.AUTO  # what it means depends on what is locked, so that comes first
    entries = select(manifest, selection._replace(variant=None) if auto else selection)
    report: LockReport | None = None
    if options.frozen:
        current = lookup.require_lock(project, current)
    elif upgrade.wanted or not (fresh := freshness.compare(manifest, current)).fresh:
        if options.check:
            raise DriftError("; ".join(fresh.reasons), hint="run `modelsync sync`")
        if options.locked or (project.package and not upgrade.wanted):
            lookup.require_fresh(project, fresh)
        from modelsync.ops import lock

        report = lock.lock(context, project, upgrade, dry_run=options.dry_run)
        current = report.lock
    current = current or Lock()  # a manifest that wants nothing needs none
    if auto:
        entries = variants.selected(context, project, selection, lock=current, fetch=True)
    models = lookup.locked_models(project, current, entries)
    target = target_of(project, manifest, options.directory, options.link_mode)
    exact = not (options.inexact or selection.partial)
    here = look(context, models, target)
    steps = plan.make(models, here, linked=target is not None, exact=exact)
    notes = report.notes if report else ()
    changes = _changes(report, models, steps, here)
    left = left_behind(context, project, target) if exact and options.directory is None else ()
    todo, steps = steps, Plan((*steps.steps, *stale_links.steps(left, project.root)))
    if options.check and steps.steps:
        raise DriftError(
            "not as the lock says: " + "; ".join(plan.describe(step) for step in steps.steps),
            hint="run `modelsync sync`",
        )
    if not options.writes:
        return SyncReport(changes, steps.steps, notes=notes, lock_written=False)
    if target is not None:
        link_folder.sweep(target.folder)

    described = ((model.title, model, entry.load) for entry, model in zip(entries, models, strict=True))
    warnings = preflight.check_plan(context, steps, described, project.root)
    if options.replace and steps.of("fetch"):
        _free_old(context, project, todo, target)
    linked = target.folder if target is not None and options.directory is None else None
    _root(context, project, current, linked, needed=bool(steps.of("fetch", "adopt", "check", "view")))
    fetched = report.bytes_fetched if report else 0
    changed = {change.name for change in changes}
    reused = max(0, plan.bytes_here((model for model in models if model.name in changed), here) - fetched)
    if not steps.steps:
        return SyncReport(changes, steps.steps, fetched, reused, notes, report is not None and report.written)
    from modelsync.install.execute import carry_out

    done = carry_out(context, todo, project.root, target)
    gone = stale_links.remove(left, project.root)
    return SyncReport(
        changes,
        steps.steps,
        bytes_fetched=fetched + done.fetched,
        bytes_reused=reused + done.reused,
        notes=notes + done.notes + gone,
        lock_written=report.written if report else False,
        warnings=warnings,
    )


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
    touched: dict[str, int] = {}
    for step in steps.steps:
        if step.model is not None:
            touched[step.model.name] = touched.get(step.model.name, 0) + (
                step.bytes if step.verb == "fetch" else 0
            )
    linked = {path.partition("/")[0] for path in here.links}
    changes: dict[tuple[str, str], Change] = {}
    for model in models:
        change = moved.get((model.name, model.variant))
        key = (model.name, model.variant or "")
        if change is not None:
            changes[key] = change._replace(bytes=touched.get(model.name, 0))
        elif model.name in touched:
            action: Action = "updated" if model.name in linked else "added"
            changes[key] = Change(model.name, model.variant, action, after=model, bytes=touched[model.name])
    wanted = {model.name for model in models}
    for change in moved.values():
        if change.action == "removed":
            changes.setdefault((change.name, change.variant or ""), change)
    for step in steps.of("unlink"):
        name = step.target.partition("/")[0]
        if name not in wanted:
            changes.setdefault((name, ""), Change(name, None, "removed"))
    return tuple(changes[key] for key in sorted(changes))

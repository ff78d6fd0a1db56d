"""Reconciling this machine with the lock: lock x what is here -> plan -> root -> blobs -> views -> links."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.errors import DriftError, ModelsyncError, StoreError
from modelsync.fit import preflight
from modelsync.install import plan, stale_links, synced
from modelsync.install.plan import Here, Plan
from modelsync.install.report import SyncReport
from modelsync.install.stale_links import left_behind
from modelsync.install.target import Target
from modelsync.ops.failures import Failures
from modelsync.ops.options import SyncOptions
from modelsync.ops.preparation import prepare
from modelsync.project.lock_diff import Action, Change
from modelsync.project.project import LoadedProject, Project
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.store import link_folder

if TYPE_CHECKING:
    from modelsync.ops.proposal import LockReport


def reconcile(
    context: Context,
    project: LoadedProject,
    options: SyncOptions,
) -> SyncReport:
    """Like `sync.sync`, without the up-to-date check."""
    failures = Failures(project)
    context.use_mirrors(project.manifest.mirrors)
    ready = prepare(context, project, options, failures)
    report, models, target, here, steps = ready.report, ready.models, ready.target, ready.here, ready.steps
    notes = report.notes if report else ()
    changes = _changes(report, models, steps, here)
    exact = options.exact and options.directory is None
    left = left_behind(context, project, target) if exact and not failures else ()
    todo, steps = steps, Plan((*steps.steps, *stale_links.steps(left, project.root)))
    done = SyncReport(changes, steps.steps, notes=notes, lock_written=False)
    if options.check and steps.steps:
        drift = DriftError(
            plan.lacking(steps.steps, _folder_name(target, project)), hint="run `modelsync sync`"
        )
        drift.report = done
        raise drift
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
    todo, steps = todo.without(unfit), steps.without(unfit)
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

    def on_error(model: LockedModel, error: ModelsyncError) -> None:
        lost.add(model.name)
        failures.add(model.title, error)

    _check_shown(context, project, [model for model in models if model.name not in lost], steps, on_error)
    if steps.steps:
        from modelsync.install.execute import carry_out

        brought = carry_out(
            context,
            todo._replace(allowed=project.manifest.allowed_code),
            project.root,
            target,
            on_error=on_error,
        )
        gone = stale_links.remove(left, project.root)
        done = done._replace(
            changes=tuple(change for change in changes if change.name not in lost),
            bytes_fetched=fetched + brought.fetched,
            bytes_reused=reused + brought.reused,
            notes=notes + brought.notes + gone,
            brought=brought.brought,
        )
    here_now = [entry for entry, model in ready.pairs if model.name not in lost]
    synced.remember(context, project, ready.current, here_now, elsewhere=options.directory is not None)
    if context.hf_cache:
        done = _given(context, [model for model in models if model.name not in lost], done)
    failures.raise_first(done)
    return done


def _folder_name(target: Target | None, project: Project) -> str:
    """The project's folder for people: `models/`."""
    if target is None:
        return "the project's folder"
    inside = target.folder.is_relative_to(project.root)
    return f"{target.folder.relative_to(project.root) if inside else target.folder}/"


def _check_shown(
    context: Context,
    project: LoadedProject,
    models: Sequence[LockedModel],
    steps: Plan,
    on_error: Callable[[LockedModel, ModelsyncError], None],
) -> None:
    """Refuses models that are shown already and may not be: another project, which permits their code, brought them."""
    from modelsync.fetch.file_check import check_blobs

    planned = {id(step.model) for step in steps.steps}
    for model in models:
        if id(model) not in planned:
            try:
                check_blobs(context, model, project.manifest.allowed_code.get(model.key, ()))
            except ModelsyncError as error:
                on_error(model, error)


def _given(context: Context, models: Sequence[LockedModel], done: SyncReport) -> SyncReport:
    """Puts the models into the Hugging Face cache."""
    from modelsync.ops import hf_cache

    gave = hf_cache.offer(context, models)
    places = tuple(hf_cache.places(context, models)) if gave.settled else None
    return done._replace(notes=done.notes + gave.notes, given=len(gave.put), given_places=places)


def _free_old(context: Context, project: Project, steps: Plan, target: Target | None) -> None:
    """Removes what the lock needed before, first: for a disk that cannot hold two versions."""
    from modelsync.ops import prune as pruning
    from modelsync.store import links, prune

    if target is not None:
        paths = [step.target for step in steps.of("link", "unlink")]
        links.remove(target.folder, paths, inside=target.inside)
    pruning.execute(context.store, prune.replaced(context.store, project.lock_path))


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

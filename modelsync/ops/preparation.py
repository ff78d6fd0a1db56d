"""Prepares a sync: lock x what is here -> a plan for the models that can be had and that the disks have room for.

The lock is brought up to date first, where that is asked for.
"""

from collections.abc import Collection
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import DiskFullError, ModelsyncError, StaleLockError, UsageError
from modelsync.fit import variants
from modelsync.install import plan
from modelsync.install.plan import Here, Plan, Step
from modelsync.install.snapshot import look
from modelsync.install.target import Target, target_of
from modelsync.ops.failures import Failures
from modelsync.ops.options import SyncOptions
from modelsync.project import freshness, license_check, lookup
from modelsync.project.project import LoadedProject
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.manifest.model import Entry
from modelsync.spec.names import printable

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


def prepare(context: Context, project: LoadedProject, options: SyncOptions, failures: Failures) -> Prepared:
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
            raise lookup.drifted(project, fresh)
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
        failures: Gets models of which no variant can be chosen, and those that the project does not allow. If there is
            any yet, a model that the lock lacks is left out too.
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
    for entry, error in license_check.refusals(project.manifest, zip(wanted, models, strict=True)):
        failures.add(entry.title, error, entry)
        wanted.remove(entry)
        models = tuple(model for model in models if model.key != entry.key)
    target = target_of(project, project.manifest, options.directory, options.link_mode)
    if target is not None and (clash := plan.clash(models)) is not None:
        one, other, path = clash
        raise UsageError(
            f"{one.title} and {other.title} would both be {printable(path)}",
            hint=f"name one of them: --variant {other.name}={other.variant}",
        )
    here = look(context, models, target)
    steps = plan.make(
        models, here, linked=target is not None, exact=options.exact, exact_names=options.replaced
    )
    left = {entry.name for entry in entries if entry not in wanted}
    kept = left | {entry.name for entry in chosen} - {entry.name for entry in entries}
    steps = steps.keeping_links(kept)
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
        files = [(step.target, step.room) for step in steps if step.verb != "link"]
        links = [
            (step.target, step.file.size) for step in steps if step.verb == "link" and step.file is not None
        ]
        target = ready.target
        copies = (
            disk_space.of_copies(context.store, target.folder, target.mode, links)
            if target is not None and links
            else ()
        )
        passing = disk_space.largest_layer(
            (step.file.url, step.room) for step in steps if step.verb != "link" and step.file is not None
        )
        error = room.take(files, copies, passing) if files or copies else None
        if error is not None:
            misfits.append((model, error))
    return misfits

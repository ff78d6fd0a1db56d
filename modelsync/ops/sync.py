"""Sync: make this machine hold what the lock says. Light while there is nothing to do."""

from modelsync.context import Context
from modelsync.install.report import SyncReport
from modelsync.ops import up_to_date
from modelsync.ops.options import SyncOptions
from modelsync.project.project import Project

BARE = SyncOptions()


def sync(context: Context, project: Project, options: SyncOptions = BARE) -> SyncReport:
    """Makes this machine hold what the lock says, after bringing the lock up to date with the manifest.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        options: What to sync, and how.

    Raises:
        UsageError: two options contradict each other.
        StaleLockError: `locked`, and the lock is not up to date with the manifest.
        DriftError: `check`, and something would have to be done; the message says what.
        NotSyncedError: `frozen`, and the lock lacks a model.
        MisfitError: no variant fits, with `auto`; or a model does not, and the context requires a fit.
    """
    options.check_combination()
    variant = options.selection.variant
    if options.whole and up_to_date.nothing_to_do(context, project, variant, as_synced=options.as_synced):
        return SyncReport(())
    from modelsync.ops.reconcile import reconcile

    if options.writes:
        up_to_date.sweep(project)
    project = project.loaded()
    report = reconcile(context, project, options)
    if options.whole and options.writes:
        up_to_date.keep(context, project, variant, as_synced=options.as_synced, given=report.given_places)
    return report

"""Sync: make this machine hold what the lock says. Light while there is nothing to do."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.install.plan import Plan
from modelsync.install.report import SyncReport
from modelsync.ops import up_to_date
from modelsync.project.project import Project

if TYPE_CHECKING:
    from modelsync.project.selection import Groups
    from modelsync.store.links import LinkMode


def sync(
    context: Context,
    project: Project,
    names: Sequence[str] = (),
    *,
    locked: bool = False,
    frozen: bool = False,
    check: bool = False,
    dry_run: bool = False,
    groups: "Groups | None" = None,
    variant: str | None = None,
    directory: Path | None = None,
    link_mode: "LinkMode" = "auto",
    inexact: bool = False,
    upgrade: bool = False,
    upgrade_models: Collection[str] = (),
    replace: bool = False,
) -> SyncReport:
    """Makes this machine hold what the lock says, after bringing the lock up to date with the manifest.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models to sync; empty: those of the groups.
        locked: Fail if the lock is stale instead of bringing it up to date.
        frozen: Take the lock as it is, and do not compare it with the manifest.
        check: Change nothing; fail if anything would have to be done.
        dry_run: Change nothing; the report's plan says what would be done.
        groups: The group flags.
        variant: The variant of the models that have it; `auto`: of each model the largest that fits this machine.
        directory: The folder to link into, over the manifest's `dir`.
        link_mode: How files come into that folder.
        inexact: Keep links that are wanted no more.
        upgrade: Ask upstream about every model first.
        upgrade_models: Ask upstream about these first.
        replace: Free what the lock needed before, and nobody else needs, before the first byte: for a disk that
            cannot hold two versions. If the fetch then fails, the old version is gone.

    Raises:
        StaleLockError: `locked`, and the lock does not answer the manifest.
        DriftError: `check`, and something would have to be done; the message says what.
        NotSyncedError: `frozen`, and the lock lacks a model.
        MisfitError: no variant fits, with `auto`; or a model does not, and the context requires a fit.
    """
    part = names or directory or upgrade or upgrade_models or (groups is not None and groups.given)
    whole = not part and link_mode == "auto"
    wanted = variant or context.settings.variant
    if whole and not (locked and frozen) and up_to_date.nothing_to_do(context, project, wanted):
        return SyncReport((), Plan(()))
    from modelsync.ops.reconcile import reconcile

    report = reconcile(
        context,
        project,
        names,
        locked=locked,
        frozen=frozen,
        check=check,
        dry_run=dry_run,
        groups=groups,
        variant=wanted,
        directory=directory,
        link_mode=link_mode,
        inexact=inexact,
        upgrade=upgrade,
        upgrade_models=upgrade_models,
        replace=replace,
    )
    if whole and not (check or dry_run):
        up_to_date.keep(context, project, wanted)
    return report

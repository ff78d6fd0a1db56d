"""`modelsync lock`."""

from typing import TYPE_CHECKING, Any

import click

from modelsync.cli import options, report
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.display.changes import counted
from modelsync.errors import ModelsyncError, UsageError
from modelsync.ops.options import Merging, Upgrade

if TYPE_CHECKING:
    from modelsync.context import Context
    from modelsync.ops.proposal import LockReport
    from modelsync.project.project import Project


@command(
    "lock",
    short_help="Write down exactly which bytes the manifest means.",
    examples=(
        ("modelsync lock", "what the lock does not have yet"),
        ("modelsync lock --upgrade", "what upstream has now"),
        ("modelsync lock --check", "in CI: fail if the lock is stale"),
    ),
)
@click.option("--check", is_flag=True, help="Write nothing; fail if the lock is stale.")
@click.option("--verify", is_flag=True, help="Write nothing; fail if upstream says otherwise than the lock.")
@options.upgrades
@options.value(
    "merging",
    Merging,
    click.option(
        "--ours/--theirs",
        default=None,
        help="Where a merge left two answers to one request, take that side's.",
    ),
)
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would change.")
def lock(
    invocation: Invocation,
    check: bool,
    verify: bool,
    upgrade: Upgrade,
    merging: Merging,
    dry_run: bool,
) -> None:
    """Write models.lock: which commit, files, sizes and digests the requests of the manifest mean.

    Only what the lock does not answer yet is asked upstream; -U and -P ask again. A pin whose files are unchanged
    upstream stays at its commit; --repin moves it. Of a lock that git could not merge, both sides are read.
    """
    if (check or verify) and (upgrade.wanted or merging.ours is not None or dry_run):
        raise UsageError(
            "--check and --verify write nothing, and go with no upgrade, no side and no --dry-run"
        )
    project = invocation.project()
    with invocation.context() as context:
        if check or verify:
            _check(invocation, context, project, verify=verify)
            return
        from modelsync.ops import lock as ops_lock
        from modelsync.ops.proposal import LockReport

        try:
            done = ops_lock.lock(context, project, upgrade, merging=merging, dry_run=dry_run)
        except ModelsyncError as error:
            if isinstance(error.report, LockReport):
                tell(invocation, project, error.report, dry_run=dry_run, failed=True)
            raise
    tell(invocation, project, done, dry_run=dry_run)


def tell(
    invocation: Invocation,
    project: "Project",
    done: "LockReport",
    *,
    dry_run: bool = False,
    failed: bool = False,
) -> None:
    """Says what a lock changed, or would change.

    Args:
        invocation: The run.
        project: The manifest and its lock.
        done: What was done.
        dry_run: Whether nothing was written.
        failed: Whether errors of some models follow.
    """
    changes = report.changed(done.changes)
    output = invocation.output
    name = project.lock_path.name
    output.notes(done.notes)
    if done.merged:
        output.words(f"{name}: both sides of the merge are read; these are the changes to ours")
    if changes or done.written or done.merged:
        output.words(
            *report.change_lines(changes),
            f"{name} would be written"
            if dry_run
            else f"{name} written: {report.totals(done.bytes_fetched, 0, invocation.seconds)}",
        )
    elif not failed:
        output.words(f"{name} is up to date: {counted(done.lock)}")
    fields = {
        "changes": report.change_values(changes),
        "bytes_fetched": done.bytes_fetched,
        "bytes_reused": 0,
        "written": done.written,
        "notes": list(done.notes),
    }
    if failed:
        invocation.partial = fields
    else:
        output.result(**fields)


def _check(invocation: Invocation, context: "Context", project: "Project", *, verify: bool) -> None:
    from modelsync.ops import lock as ops_lock
    from modelsync.ops.proposal import LockReport

    try:
        done = (
            ops_lock.verify(context, project)
            if verify
            else LockReport(ops_lock.check(project), (), written=False)
        )
    except ModelsyncError as error:
        if isinstance(error.report, LockReport):
            invocation.output.notes(error.report.notes)
            invocation.partial = _checked(error.report)
        raise
    what = "agrees with upstream" if verify else "is up to date"
    invocation.output.notes(done.notes)
    invocation.output.words(f"{project.lock_path.name} {what}: {counted(done.lock)}")
    invocation.output.result(**_checked(done))


def _checked(done: "LockReport") -> dict[str, Any]:
    """What a check came to, for programs: nothing changes."""
    return {
        "changes": [],
        "bytes_fetched": done.bytes_fetched,
        "bytes_reused": 0,
        "written": False,
        "notes": list(done.notes),
    }

"""What `modelsync sync` does."""

from typing import TYPE_CHECKING, cast

from modelsync.cli.invocation import Invocation
from modelsync.errors import ModelsyncError

if TYPE_CHECKING:
    from modelsync.context import CallOptions
    from modelsync.install.report import SyncReport
    from modelsync.ops.options import SyncOptions


def perform(
    invocation: Invocation,
    options: "SyncOptions",
    call: "CallOptions | None" = None,
    *,
    events: str | None = None,
) -> None:
    """Syncs, and says what was done."""
    from modelsync.ops import sync

    project = invocation.project()
    try:
        with invocation.context(call, events=events) as context:
            done = sync.sync(context, project, options)
    except ModelsyncError as error:
        if error.report is not None:
            planned = options.dry_run or options.check
            tell(invocation, cast("SyncReport", error.report), dry_run=planned, failed=True)
        raise
    tell(invocation, done, dry_run=options.dry_run)


def tell(invocation: Invocation, done: "SyncReport", *, dry_run: bool = False, failed: bool = False) -> None:
    """Says what a sync did, or would do.

    Args:
        invocation: The run.
        done: What the sync came to.
        dry_run: Whether nothing was done.
        failed: Whether errors of some models follow.
    """
    output = invocation.output
    output.notes(done.notes)
    if not failed and not done.changes and not done.steps and not done.given:
        if not output.json:
            from modelsync.install.report import NOTHING_TO_DO  # whose report this is: imported already

            output.words(NOTHING_TO_DO)
            return
        output.result(
            changes=[],
            bytes_fetched=0,
            bytes_reused=0,
            lock_written=False,
            notes=list(done.notes),
            warnings=[],
            brought=[],
            sources=[],
        )
        return
    from modelsync.cli import report
    from modelsync.display import units

    changes = report.changed(done.changes)
    output.words(*report.change_lines(changes))
    if dry_run and done.steps:
        count = done.plan.bytes_to_fetch
        output.words(
            *report.plan_lines(done.plan), f"would fetch {units.size(count) if count else 'nothing'}"
        )
    elif changes or not failed:
        output.words(report.totals(done.bytes_fetched, done.bytes_reused, invocation.seconds))
        output.words(*report.given_lines(done.given))
    fields = {
        "changes": report.change_values(changes),
        "bytes_fetched": done.bytes_fetched,
        "bytes_reused": done.bytes_reused,
        "lock_written": done.lock_written,
        "notes": list(done.notes),
        "warnings": list(done.warnings),
        "brought": report.brought_values(done.brought),
        "sources": report.source_values(done.brought),
        **({} if done.given is None else {"given": done.given}),
        **({"plan": report.plan_values(done.plan)} if dry_run else {}),
    }
    if failed:
        invocation.partial = fields
    else:
        output.result(**fields)

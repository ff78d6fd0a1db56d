"""`modelsync list` and `modelsync outdated`."""

from modelsync.cli import report
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.errors import ModelsyncError


@command("list", short_help="Show what is wanted, locked and here.")
def list_(invocation: Invocation) -> None:
    """Show what the manifest wants, what the lock says of it, and what is on this machine."""
    from modelsync.ops import listing

    project = invocation.project()
    with invocation.context(progress=False) as context:
        rows = listing.rows(context, project)
    output = invocation.output
    if not rows:
        output.words(f"no models in {project.manifest_path.name}; `modelsync add NAME URI` adds one")
    wide = bool(invocation.verbose)
    lines = titled(
        ["name", "variant", "quant", "size", "revision", "groups", "state", "uri", "path"],
        [
            (
                row.name,
                row.variant or "",
                row.quant or "",
                "" if row.size is None else units.size(row.size),
                (row.revision or "")[:7],
                ",".join(row.groups),
                row.state,
                row.uri if wide else "",
                str(row.path or "") if wide else "",
            )
            for row in rows
        ],
        right=[3],
    )
    output.lines(lines if rows else [])
    output.result(
        rows=[
            {
                "name": row.name,
                "variant": row.variant,
                "uri": row.uri,
                "quant": row.quant,
                "size": row.size,
                "revision": row.revision,
                "groups": list(row.groups),
                "state": row.state,
                "path": None if row.path is None else str(row.path),
            }
            for row in rows
        ]
    )


@command("outdated", short_help="Show what `lock --upgrade` would move.")
def outdated(invocation: Invocation) -> None:
    """Ask upstream what the manifest means now, and show what `modelsync lock --upgrade` would move."""
    from modelsync.ops import lock
    from modelsync.ops.proposal import LockReport

    project = invocation.project()
    failed: ModelsyncError | None = None
    with invocation.context() as context:
        try:
            done = lock.outdated(context, project)
        except ModelsyncError as error:
            if not isinstance(error.report, LockReport):
                raise
            done, failed = error.report, error
    changes = report.changed(done.changes)
    output = invocation.output
    output.notes(done.notes)
    if not changes and failed is None:
        output.words(f"everything is up to date: {units.count(len(done.lock.models), 'model')}")
    output.lines(report.change_lines(changes))
    fields = {"rows": report.change_values(changes), "notes": list(done.notes)}
    if failed is not None:
        invocation.partial = fields
        raise failed
    output.result(**fields)

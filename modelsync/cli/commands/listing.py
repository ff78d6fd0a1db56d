"""`modelsync list` and `modelsync outdated`."""

from typing import TYPE_CHECKING

import click

from modelsync.cli import completion, report
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.errors import ModelsyncError
from modelsync.spec.lock.keys import short
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.ops.listing import ModelStatus
    from modelsync.ops.outdated import OutdatedModel


@command(
    "list",
    short_help="Show what is wanted, locked and here.",
    examples=(
        ("modelsync list", "each model, and whether it is here"),
        ("modelsync list llama3 -v", "one, with its URI and path"),
        ("modelsync list --json", "for programs"),
    ),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
def list_(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Show what the manifest wants, or of the NAMEd models, what the lock says of it, and what is on this machine.

    \b
    here         as the lock says; a percentage: how far a sync came
    missing      not on this machine
    not linked   on this machine, and not in the project's folder
    old          the project's folder has what an earlier lock said
    damaged      found so: `modelsync sync` mends it
    stale        the manifest asks for something else than the lock has
    unlocked     the lock does not have it yet
    """
    from modelsync.ops import listing

    project = invocation.project()
    with invocation.context(progress=False) as context:
        rows = listing.rows(context, project, names)
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
                short(row.revision),
                ",".join(row.groups),
                _state(row),
                row.uri if wide else "",
                str(row.path or "") if wide else "",
            )
            for row in rows
        ],
        right=[3],
        give=["groups", "quant", "variant"],
        below=["uri", "path"],
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
                "files": row.files,
                "bytes_here": row.arrived,
            }
            for row in rows
        ]
    )


def _state(row: "ModelStatus") -> str:
    """The state in a word; of a model that is here in part, how much of it."""
    if row.state == "partial" and row.size and row.arrived is not None:
        return f"{100 * row.arrived // row.size} %"
    return {"unlinked": "not linked"}.get(row.state, row.state)


@command(
    "outdated",
    short_help="Show what `lock --upgrade` would move.",
    examples=(
        ("modelsync outdated", "all models"),
        ("modelsync outdated llama3 --exit-code", "in CI: 1 if it would move"),
    ),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything would move.")
def outdated(invocation: Invocation, names: tuple[str, ...], exit_code: bool) -> int:
    """Ask upstream what the manifest means now, and show what `modelsync lock --upgrade` would move.

    The columns: the name, what would move from what to what, and the bytes that this machine lacks, with how many of
    those may be in the older files that are here.

    Where upstream has another commit with the same files, nothing moves; -v shows these models as `same bytes`.
    """
    from modelsync.ops import outdated as ops_outdated

    project = invocation.project()
    failed: ModelsyncError | None = None
    with invocation.context() as context:
        try:
            done = ops_outdated.outdated(context, project, names)
        except ModelsyncError as error:
            if not isinstance(error.report, ops_outdated.OutdatedReport):
                raise
            done, failed = error.report, error
    moving = [one for one in done.models if not one.same_bytes]
    output = invocation.output
    output.notes(done.notes)
    if not moving and failed is None:
        output.words(f"everything is up to date: {units.count(done.asked, 'model')}")
    shown = done.models if invocation.verbose else moving
    output.lines(report.change_lines([one.change for one in shown], [_cost(one) for one in shown]))
    values = report.change_values([one.change for one in done.models])
    rows = [
        {
            **value,
            "bytes_reused": one.reused,
            "bytes_reusable": one.reusable,
            "same_bytes": one.same_bytes,
            "files_changed": list(one.files_changed),
            "license_changed": one.license_changed,
        }
        for value, one in zip(values, done.models, strict=True)
    ]
    fields = {"rows": rows, "notes": list(done.notes)}
    if failed is not None:
        invocation.partial = fields
        raise failed
    output.result(**fields)
    return int(exit_code and bool(moving))


def _cost(one: "OutdatedModel") -> str:
    """`4.6 GiB to fetch, 4.5 GiB of it may be here`."""
    if one.license_changed and one.change.after is not None and one.change.before is not None:
        was, now = (printable(model.license or "unknown") for model in (one.change.before, one.change.after))
        words = f"license {was} -> {now}" if was != now else "another license of a companion"
        return f"{_bytes(one)}, {words}"
    return _bytes(one)


def _bytes(one: "OutdatedModel") -> str:
    if one.same_bytes:
        return "same bytes"
    if one.change.after is None:
        return ""
    if not one.change.bytes:
        return "nothing to fetch"
    words = f"{units.size(one.change.bytes)} to fetch"
    return f"{words}, {units.size(one.reusable)} of it may be here" if one.reusable else words

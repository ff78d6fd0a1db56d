"""`modelsync licenses`."""

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.project.selection import Groups, Selection


@command(
    "licenses",
    short_help="Show each model's license and source.",
    examples=(
        ("modelsync licenses", "all models, with what their adapters and projectors are under"),
        ("modelsync licenses llama3 --format json", "one model, for programs"),
        ("modelsync --offline licenses", "without asking hubs which repos are gated"),
    ),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@options.groups
def licenses(invocation: Invocation, names: tuple[str, ...], groups: Groups) -> None:
    """Show the license of each model, or of the NAMEd ones, whether its repo is gated, and where it comes from.

    What the lock has from the hub is shown, and what models.toml states where the hub names none. Projectors,
    adapters and draft heads of other repos have lines of their own.

    \b
    not allowed  not one of `allowed-licenses`: lock, sync and push refuse it
    unlocked     the lock does not have the model yet
    """
    from modelsync.ops import licenses as ops_licenses

    project = invocation.project()
    with invocation.context(progress=False) as context:
        report = ops_licenses.rows(context, project, Selection(names, groups))
    output = invocation.output
    output.notes(report.notes)
    if not report.rows:
        output.words(f"no models in {project.manifest_path.name}; `modelsync add NAME URI` adds one")
    lines = titled(ops_licenses.TITLES, [row.cells for row in report.rows], below=["source"])
    output.lines(lines if report.rows else [])
    output.result(**report.to_dict())

"""`modelsync verify`."""

from typing import TYPE_CHECKING

import click

from modelsync.cli import completing, human, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.errors import HashMismatchError, ModelsyncError, NotSyncedError
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.engine.verifying import Row


@command("verify", short_help="Hash the files again that are here.")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completing.names)
@click.option("--full", is_flag=True, help="Against the lock's SHA-256, not against the seals of the store.")
@options.variant
def verify(invocation: Invocation, names: tuple[str, ...], full: bool, variant: str | None) -> None:
    """Hash the files of all models, or of the NAMEd ones, and compare them with what they were when they came.

    Fails if a file is missing or damaged.
    """
    from modelsync.engine import verifying

    project = invocation.project()
    with invocation.context() as context:
        rows = verifying.verify(context, project, names, full=full, variant=variant)
    failed = complaint(rows)
    output = invocation.output
    output.lines(_lines(rows))
    values = [row._asdict() | {"path": None if row.path is None else str(row.path)} for row in rows]
    if failed is None:
        size = sum(row.size for row in rows)
        checked = f"{human.count(len(rows), 'file')}, {human.size(size)}"
        output.words(f"all is well: {checked} checked in {human.duration(invocation.seconds)}")
        output.result(rows=values)
        return
    output.error(failed, rows=values)
    click.get_current_context().exit(failed.exit_code)


def complaint(rows: "Sequence[Row]") -> ModelsyncError | None:
    """What is wrong with the files, or None."""
    damaged = [row.file for row in rows if row.status == "damaged"]
    missing = [row.file for row in rows if row.status == "missing"]
    if damaged:
        more = f", and {len(missing)} missing" if missing else ""
        return HashMismatchError(
            f"{human.count(len(damaged), 'file is', 'files are')} damaged{more}",
            hint="`modelsync sync` fetches them anew",
        )
    if missing:
        return NotSyncedError(
            f"{human.count(len(missing), 'file is', 'files are')} missing",
            hint="`modelsync sync` fetches them",
        )
    return None


def _lines(rows: "Sequence[Row]") -> list[str]:
    titles = ["name", "variant", "file", "size", "status"]
    return titled(
        titles,
        [
            (row.name, row.variant or "", printable(row.file), human.size(row.size), row.status)
            for row in rows
        ],
        right=[3],
    )

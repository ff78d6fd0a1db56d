"""`modelsync verify`."""

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.fast import verify as act
from modelsync.cli.invocation import Invocation
from modelsync.context import CallOptions
from modelsync.project.selection import Selection, Variant


@command(
    "verify",
    short_help="Hash the files again that are here.",
    examples=(
        ("modelsync verify", "as quickly as the disk reads"),
        ("modelsync verify --full", "against the lock's SHA-256"),
        ("modelsync verify --repair", "and fetch what is damaged"),
    ),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@click.option("--full", is_flag=True, help="Against the lock's SHA-256, not against the seals of the store.")
@click.option(
    "--repair", is_flag=True, help="Fetch what is missing, and the damaged blocks of what is damaged."
)
@options.variant
@options.adopt
@options.mirrors
@options.transfer
@options.events
def verify(
    invocation: Invocation,
    names: tuple[str, ...],
    full: bool,
    repair: bool,
    variant: Variant,
    call: CallOptions,
    events: str | None,
) -> int:
    """Hash the files of all models, or of the NAMEd ones, and compare them with what they were when they came.

    Fails if a file is missing or damaged, and says which of its blocks are. A repair takes what is good from the
    damaged file and proves the whole by its SHA-256.
    """
    return act.perform(
        invocation, Selection(names, variant=variant), call, full=full, repair=repair, events=events
    )

"""`modelsync sync`."""

from pathlib import Path

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.fast import sync as act
from modelsync.cli.help_page import RareOption
from modelsync.cli.invocation import Invocation
from modelsync.context import CallOptions
from modelsync.ops.options import SyncOptions, Upgrade
from modelsync.project.selection import Groups, Selection, Variant, every_variant

LINK_MODES = ("auto", "reflink", "hardlink", "symlink", "copy")


@command(
    "sync",
    short_help="Make this machine hold what the lock says.",
    examples=(
        ("modelsync sync", "all that the manifest names"),
        ("modelsync sync llama3 --variant server", "one model, in its larger quant"),
        ("modelsync sync --locked", "in CI: never change the lock"),
    ),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@options.freezing
@options.value(
    "options",
    SyncOptions,
    click.option("--check", is_flag=True, help="Change nothing; fail if anything would have to be done."),
    click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done."),
)
@options.groups
@options.variant
@click.option("--all-variants", is_flag=True, help="Take every variant of each model, and the entry itself.")
@options.value(
    "options",
    SyncOptions,
    click.option(
        "--dir",
        "directory",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Link the files into this folder, not the manifest's.",
    ),
    click.option(
        "--link-mode",
        cls=RareOption,
        type=click.Choice(LINK_MODES),
        default="auto",
        envvar="MODELSYNC_LINK_MODE",
        show_envvar=True,
        help="How files come into that folder; auto: reflink, else hardlink, else copy.",
    ),
    click.option("--inexact", cls=RareOption, is_flag=True, help="Keep links that are wanted no more."),
    click.option(
        "--replace",
        cls=RareOption,
        is_flag=True,
        help="Free the old versions first, for a disk that cannot hold two. Then nothing of them is reused, and a "
        "fetch that fails leaves neither.",
    ),
)
@options.upgrades
@options.require_fit
@options.adopt
@options.mirrors
@options.hf_cache
@options.transfer
@options.events
def sync(
    invocation: Invocation,
    names: tuple[str, ...],
    options: SyncOptions,
    groups: Groups,
    variant: Variant,
    all_variants: bool,
    upgrade: Upgrade,
    call: CallOptions,
    events: str | None,
) -> None:
    """Make this machine hold the models of the manifest, or the NAMEd ones, exactly as the lock says.

    A stale lock is brought up to date first. What is here already is not fetched again, and an interrupted sync
    goes on where it was.
    """
    if all_variants:
        variant = every_variant(variant)
    chosen = options._replace(selection=Selection(names, groups, variant), upgrade=upgrade)
    act.perform(invocation, chosen, call, events=events)

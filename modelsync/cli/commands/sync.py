"""`modelsync sync`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.fast import sync as act
from modelsync.cli.invocation import Invocation

if TYPE_CHECKING:
    from modelsync.store.links import LinkMode

LINK_MODES = ("auto", "reflink", "hardlink", "symlink", "copy")


@command("sync", short_help="Make this machine hold what the lock says.")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@options.freezing
@click.option("--check", is_flag=True, help="Change nothing; fail if anything would have to be done.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@options.groups
@options.variant
@click.option(
    "--dir",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Link the files into this folder, not the manifest's.",
)
@click.option(
    "--link-mode",
    type=click.Choice(LINK_MODES),
    default="auto",
    envvar="MODELSYNC_LINK_MODE",
    show_envvar=True,
    help="How files come into that folder; auto: reflink, else hardlink, else copy.",
)
@click.option("--inexact", is_flag=True, help="Keep links that are wanted no more.")
@click.option(
    "--replace",
    is_flag=True,
    help="Free the old versions first, for a disk that cannot hold two. Then nothing of them is reused, and a "
    "fetch that fails leaves neither.",
)
@options.upgrades
@options.require_fit
@options.transfer
def sync(
    invocation: Invocation,
    names: tuple[str, ...],
    locked: bool,
    frozen: bool,
    check: bool,
    dry_run: bool,
    plus_groups: tuple[str, ...],
    only_groups: tuple[str, ...],
    minus_groups: tuple[str, ...],
    all_groups: bool,
    variant: str | None,
    directory: Path | None,
    link_mode: "LinkMode",
    inexact: bool,
    upgrade: bool,
    upgrade_models: tuple[str, ...],
    replace: bool,
    require_fit: bool | None,
    jobs: int | None,
    max_rate: int | None,
    events: str | None,
) -> None:
    """Make this machine hold the models of the manifest, or the NAMEd ones, exactly as the lock says.

    A stale lock is brought up to date first. What is here already is not fetched again, and an interrupted sync
    goes on where it was.
    """
    act.perform(
        invocation,
        names,
        require_fit=require_fit,
        jobs=jobs,
        max_rate=max_rate,
        events=events,
        locked=locked,
        frozen=frozen,
        check=check,
        dry_run=dry_run,
        groups=options.grouped(plus_groups, only_groups, minus_groups, all_groups),
        variant=variant,
        directory=directory,
        link_mode=link_mode,
        inexact=inexact,
        replace=replace,
        upgrade=upgrade,
        upgrade_models=upgrade_models,
    )

"""`modelsync cache rm|prune|clean`: remove from the store."""

import sys
from typing import TYPE_CHECKING

import click

from modelsync.cli import cache_report, sizes
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.display import units
from modelsync.display.terminal import is_terminal
from modelsync.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from modelsync.store.layout import Store
    from modelsync.store.prune_plan import PrunePlan


@command(
    "rm",
    short_help="Remove models from the store.",
    examples=(
        ("modelsync cache rm hf:user/model:Q4_K_M", "one quant"),
        ("modelsync cache rm user/model --dry-run", "say what would go of a repo"),
    ),
)
@click.argument("words", metavar="WHAT...", nargs=-1, required=True)
@click.option("--force", "-f", is_flag=True, help="Remove also what a project needs.")
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would go.")
def rm(invocation: Invocation, words: tuple[str, ...], force: bool, dry_run: bool) -> None:
    """Remove models from the store, and what has arrived of them.

    \b
    WHAT is one of
      llama3                      a name in models.lock
      hf:user/model:QUANT         a URI; without a quant: all of the repo
      user/model, user/model:Q4   as `modelsync cache list` shows it
      5667219b536d                a sha256, or how it begins

    What the lock of a project names stays, unless --force is given: the next sync would fetch it again.
    """
    from modelsync.errors import ModelsyncError
    from modelsync.ops.cache import models, removal

    lock = None
    try:
        lock = invocation.project().lock_path
    except ModelsyncError:
        if invocation.manifest or invocation.package:
            raise
    store = invocation.store()
    found = models.stored(store)
    going = removal.removal(found, words, lock=lock, force=force)
    if going.busy:
        invocation.output.words(f"{units.count(going.busy, 'file')} stay: a process is at work on them")
    _carry_out(invocation, store, going.plan, dry_run=dry_run)


@command(
    "prune",
    short_help="Remove what no lock and no pull needs.",
    examples=(
        ("modelsync cache prune", "what nothing has needed for 30 days"),
        ("modelsync cache prune --now", "what nothing needs"),
        ("modelsync cache prune --max-size 50GiB", "also what was used longest ago"),
    ),
)
@click.option("--now", "at_once", is_flag=True, help="Do not wait 30 days; forget what was pulled by URI.")
@click.option(
    "--all", "unseen", is_flag=True, help="As --now; forget locks that cannot be seen from here, too."
)
@click.option(
    "--max-size",
    type=sizes.SizeParam(),
    metavar="SIZE",
    help="Remove also what was used longest ago, until the files have 8GiB, say.",
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would go.")
def prune(invocation: Invocation, at_once: bool, unseen: bool, max_size: int | None, dry_run: bool) -> None:
    """Remove files that no lock needs any more, 30 days after their lock was first seen gone or changed.

    What has been pulled by its URI stays. --now does not wait: it keeps what the locks that are there name, and what
    a project needs whose folder cannot be seen from here (another container's, another machine's) until 30 days after
    it was last used. --all keeps only what the locks that are there name.

    --max-size goes on with what was used longest ago, pulled models too, and never takes what a lock names.
    """
    from modelsync.store import prune as pruning

    store = invocation.store()
    plan = pruning.prune(store, at_once=at_once or unseen, unseen=unseen, max_size=max_size)
    _carry_out(invocation, store, plan, dry_run=dry_run, stays=plan.size, max_size=max_size)
    if max_size is not None and plan.size > max_size:
        invocation.output.words(
            f"{units.size(plan.size)} stay, more than {units.size(max_size)}: projects need them, or they came today"
        )


@command(
    "clean",
    short_help="Remove everything from the store.",
    examples=(
        ("modelsync cache clean --dry-run", "say what would go"),
        ("modelsync cache clean", "everything, after a question"),
    ),
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would go.")
def clean(invocation: Invocation, yes: bool, dry_run: bool) -> None:
    """Remove everything from the store but what another process is at work on. Asks first.

    The next sync fetches again what its lock names.
    """
    from modelsync.store import prune as pruning

    store = invocation.store()
    plan = pruning.clean(store)
    if plan.things and not yes and not dry_run:
        _ask(store, plan)
    _carry_out(invocation, store, plan, dry_run=dry_run)


def _ask(store: "Store", plan: "PrunePlan") -> None:
    from modelsync.spec.names import printable

    if not is_terminal(sys.stdin):
        raise UsageError("cache clean asks first, and stdin is not a terminal", hint="--yes answers")
    what = f"{units.count(plan.blobs, 'file')}, {units.size(plan.bytes)}"
    where = printable(str(store.root), 1000)
    try:
        sure = click.confirm(f"Remove everything ({what}) from {where}?", err=True)
    except click.Abort:
        click.echo(err=True)
        sure = False
    if not sure:
        raise CancelledError("nothing was removed")


def _carry_out(
    invocation: Invocation, store: "Store", plan: "PrunePlan", *, dry_run: bool, **fields: int | None
) -> None:
    """Carries a plan out, or says what would go; `fields` are put into the object for programs."""
    from modelsync.ops import prune as pruning
    from modelsync.ops.cache import models
    from modelsync.spec.names import printable
    from modelsync.store import layout

    output = invocation.output
    if plan.illegible:
        name = f"{layout.ROOTS}/{plan.illegible[0]}.json"
        output.words(
            f"{name} in the store cannot be read and may need any file: all files stay (--all removes them)"
        )
    later = [{"after": round(end), "bytes": count} for end, count in plan.later]
    going = cache_report.going_lines(models.stored(store), plan) if plan.things else []
    if dry_run:
        output.lines(going)
        if plan.blobs or plan.bytes:
            output.words(f"would remove {units.count(plan.blobs, 'file')}, {units.size(plan.bytes)}")
        elif not plan.later:
            output.words("nothing to remove")
        _tell_later(invocation, plan)
        output.result(
            blobs=plan.blobs,
            bytes=plan.bytes,
            things=[
                {"kind": thing.kind, "name": thing.name, "path": str(thing.path), "bytes": thing.bytes}
                for thing in plan.things
            ],
            later=later,
            **fields,
        )
        return
    freed, taken = pruning.execute(store, plan)
    if taken:
        output.words(f"took {units.count(taken, 'file')} back from the Hugging Face cache")
    if freed.linked:
        output.words(f"{units.size(freed.linked)} stay on the disk: folders of projects have links to them")
    for path in freed.stuck:
        output.words(f"{printable(str(path), 1000)} is in use, and stays")
    if freed.blobs or freed.bytes:
        output.words(*going, f"removed {units.count(freed.blobs, 'file')}, {units.size(freed.bytes)}")
    elif not plan.later:
        output.words("nothing to remove")
    _tell_later(invocation, plan)
    output.result(
        blobs=freed.blobs,
        bytes=freed.bytes,
        linked_bytes=freed.linked,
        taken_back=taken,
        stuck=[str(path) for path in freed.stuck],
        later=later,
        **fields,
    )


def _tell_later(invocation: Invocation, plan: "PrunePlan") -> None:
    if plan.later:
        invocation.output.words(cache_report.later_words(plan.later))

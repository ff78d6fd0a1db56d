"""`modelsync cache dir|size|list|prune|clean|adopt`: the store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelsync.cli.command import Group, command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import table, titled
from modelsync.context import CallOptions
from modelsync.display import units
from modelsync.display.terminal import is_terminal
from modelsync.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from modelsync.store.inventory import StoredBlob
    from modelsync.store.layout import Store
    from modelsync.store.prune_plan import PrunePlan

HERE = "modelsync.cli.commands.cache"

cache = Group(
    "cache",
    help="The store: verified files, shared by all projects of this machine.",
    short_help="Show, prune or empty the store.",
    sections={
        "Commands": {
            "dir": f"{HERE}:dir_",
            "size": f"{HERE}:size",
            "list": f"{HERE}:list_",
            "prune": f"{HERE}:prune",
            "clean": f"{HERE}:clean",
            "adopt": f"{HERE}:adopt",
        }
    },
    elsewhere={"clear": "clean", "gc": "prune", "ls": "list", "path": "dir", "rm": "clean"},
)


@command("dir", short_help="Print where the store is.")
def dir_(invocation: Invocation) -> None:
    """Print the folder of the store: MODELSYNC_STORE, or `modelsync` in the user's cache folder."""
    store = _store()
    invocation.output.paths([store.root])
    invocation.output.result(dir=str(store.root), readonly=[str(place) for place in store.readonly])


@command("size", short_help="Show how large the store is.")
def size(invocation: Invocation) -> None:
    """Show how many files the store has and what they take on the disk."""
    from modelsync.store import inventory

    found = inventory.size(_store())
    rows = (
        ("files", str(found.blobs), units.size(found.blob_bytes)),
        ("unfinished", str(found.partials), units.size(found.partial_bytes)),
        ("other", "", units.size(found.other_bytes)),
        ("total", "", units.size(found.bytes)),
    )
    invocation.output.lines(table(rows, right=[1, 2]))
    invocation.output.result(bytes=found.bytes, **found._asdict())


@command("list", short_help="Show what is in the store, the largest first.")
def list_(invocation: Invocation) -> None:
    """Show each file of the store, the largest first: where it came from, and how many locks and pulls need it."""
    from modelsync.spec.names import printable
    from modelsync.store import inventory

    rows = inventory.rows(_store())
    output = invocation.output
    lines = titled(
        ["sha256", "size", "needed by", "file"],
        [(row.sha256[:12], units.size(row.size), str(len(row.needed_by)), _title(row)) for row in rows],
        right=[1, 2],
    )
    if invocation.verbose:
        needers = [[f"  {printable(needer, 1000)}" for needer in row.needed_by] for row in rows]
        lines = lines[:1] + [
            line for head, rest in zip(lines[1:], needers, strict=True) for line in (head, *rest)
        ]
    if rows:
        output.lines(lines)
    else:
        output.words("the store is empty")
    output.result(
        rows=[
            {
                "sha256": row.sha256,
                "size": row.size,
                "path": str(row.path),
                "origins": [origin._asdict() for origin in row.origins],
                "needed_by": list(row.needed_by),
            }
            for row in rows
        ]
    )


@command("prune", short_help="Remove what no lock and no pull needs.")
@click.option("--now", "at_once", is_flag=True, help="Do not wait 30 days; forget what was pulled by URI.")
@click.option(
    "--all", "unseen", is_flag=True, help="As --now; forget locks that cannot be seen from here, too."
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would go.")
def prune(invocation: Invocation, at_once: bool, unseen: bool, dry_run: bool) -> None:
    """Remove files that no lock needs any more, 30 days after their lock was first seen gone or changed.

    What has been pulled by its URI stays. --now does not wait: it keeps what the locks that are there name, and what
    a project needs whose folder cannot be seen from here (another container's, another machine's) until 30 days after
    it was last used. --all keeps only what the locks that are there name.
    """
    from modelsync.store import prune as pruning

    store = _store()
    _carry_out(
        invocation, store, pruning.prune(store, at_once=at_once or unseen, unseen=unseen), dry_run=dry_run
    )


@command("clean", short_help="Remove everything from the store.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Remove nothing; say what would go.")
def clean(invocation: Invocation, yes: bool, dry_run: bool) -> None:
    """Remove everything from the store but what another process is at work on. Asks first.

    The next sync fetches again what its lock names.
    """
    from modelsync.store import prune as pruning

    store = _store()
    plan = pruning.clean(store)
    if plan.things and not yes and not dry_run:
        _ask(store, plan)
    _carry_out(invocation, store, plan, dry_run=dry_run)


@command("adopt", short_help="Take what other tools have.")
@click.argument("locks", metavar="[LOCK]...", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Take nothing; say what could be taken.")
def adopt(invocation: Invocation, locks: tuple[Path, ...], dry_run: bool) -> None:
    """Take into the store what other tools' caches have of the project's lock, or of each LOCK. No network.

    Each file is hashed while it is taken, and theirs stays as it is. sync does the same by itself; this looks at all
    models and variants at once, also where MODELSYNC_ADOPT=0.
    """
    from modelsync.cli.report import brought_values
    from modelsync.ops import adopt as ops_adopt
    from modelsync.spec.names import printable

    paths = [path.absolute() for path in locks] or [invocation.project().lock_path]
    with invocation.context(CallOptions(adopt=True)) as context:
        done = ops_adopt.adopt_locked(context, paths, dry_run=dry_run)
    output = invocation.output
    offered = [row for row in done.rows if row.place is not None]
    lines = titled(
        ["model", "file", "size", "where"],
        [
            (row.model, printable(row.path), units.size(row.bytes), printable(str(row.found), 1000))
            for row in offered
        ],
        right=[2],
    )
    if dry_run and offered:
        output.lines(lines)
    output.notes(done.notes)
    lacking = len(done.rows) - len(done.taken)
    if not done.rows:
        output.words("nothing to take: everything is in the store")
    elif not offered:
        output.words("nothing to take: no other tool has any of it")
    elif dry_run:
        output.words(f"would take {units.count(len(offered), 'file')}")
    elif lacking:
        output.words(f"{units.count(lacking, 'file')} not found: `modelsync sync` fetches them")
    output.result(
        rows=[
            {**row._asdict(), "found": str(row.found) if row.found is not None else None} for row in done.rows
        ],
        brought=brought_values(done.taken),
        notes=list(done.notes),
    )


def _store() -> "Store":
    from modelsync import settings
    from modelsync.store.layout import open_store

    return open_store(settings.from_environment())


def _title(row: "StoredBlob") -> str:
    from modelsync.spec.names import printable

    if not row.origins:
        return ""
    first = row.origins[0]
    return printable(f"{first.repo}/{first.path}" if first.repo else first.path)


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


def _carry_out(invocation: Invocation, store: "Store", plan: "PrunePlan", *, dry_run: bool) -> None:
    from modelsync.ops import prune as pruning
    from modelsync.spec.names import printable
    from modelsync.store import layout

    output = invocation.output
    if plan.illegible:
        name = f"{layout.ROOTS}/{plan.illegible[0]}.json"
        output.words(
            f"{name} in the store cannot be read and may need any file: all files stay (--all removes them)"
        )
    if dry_run:
        rows = [(thing.kind, units.size(thing.bytes), thing.name[:12]) for thing in plan.things]
        output.lines(table(rows, right=[1]))
        output.words(f"would remove {units.count(plan.blobs, 'file')}, {units.size(plan.bytes)}")
        output.result(
            blobs=plan.blobs,
            bytes=plan.bytes,
            things=[
                {"kind": thing.kind, "name": thing.name, "path": str(thing.path), "bytes": thing.bytes}
                for thing in plan.things
            ],
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
        output.words(f"removed {units.count(freed.blobs, 'file')}, {units.size(freed.bytes)}")
    else:
        output.words("nothing to remove")
    output.result(
        blobs=freed.blobs,
        bytes=freed.bytes,
        linked_bytes=freed.linked,
        taken_back=taken,
        stuck=[str(path) for path in freed.stuck],
    )

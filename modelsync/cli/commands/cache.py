"""`modelsync cache dir|size|list|adopt`: what is in the store, and what is taken into it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelsync.cli import cache_report
from modelsync.cli.command import Group, command
from modelsync.cli.elsewhere import CACHE as ELSEWHERE
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.context import CallOptions
from modelsync.display import units
from modelsync.display.columns import table
from modelsync.errors import UsageError

if TYPE_CHECKING:
    from modelsync.project.project import Project

HERE = "modelsync.cli.commands.cache"
REMOVAL = "modelsync.cli.commands.cache_removal"

cache = Group(
    "cache",
    help="The store: verified files, shared by all projects of this machine.",
    short_help="Show, prune or empty the store.",
    examples=(
        ("modelsync cache list", "the models in it, and what needs them"),
        ("modelsync cache prune", "remove what nothing needs any more"),
        ("modelsync cache rm user/model:Q4_K_M", "remove one"),
    ),
    sections={
        "Commands": {
            "dir": f"{HERE}:dir_",
            "size": f"{HERE}:size",
            "list": f"{HERE}:list_",
            "rm": f"{REMOVAL}:rm",
            "prune": f"{REMOVAL}:prune",
            "clean": f"{REMOVAL}:clean",
            "adopt": f"{HERE}:adopt",
        }
    },
    elsewhere=ELSEWHERE,
)


@command(
    "dir",
    short_help="Print where the store is.",
    examples=(
        ("modelsync cache dir", "where it is"),
        ('du -sh "$(modelsync cache dir)"', "what a disk says of it"),
    ),
)
def dir_(invocation: Invocation) -> None:
    """Print the folder of the store: MODELSYNC_STORE, or `modelsync` in the user's cache folder."""
    store = invocation.store()
    invocation.output.paths([store.root])
    invocation.output.result(dir=str(store.root), readonly=[str(place) for place in store.readonly])


@command(
    "size",
    short_help="Show how large the store is.",
    examples=(
        ("modelsync cache size", "files, downloads that broke off, and the rest"),
        ("modelsync cache size --format json", "in bytes"),
    ),
)
def size(invocation: Invocation) -> None:
    """Show how many files the store has and what they take on the disk."""
    from modelsync.store import inventory

    found = inventory.size(invocation.store())
    rows = (
        ("files", str(found.blobs), units.size(found.blob_bytes)),
        ("unfinished", str(found.partials), units.size(found.partial_bytes)),
        ("other", "", units.size(found.other_bytes)),
        ("total", "", units.size(found.bytes)),
    )
    invocation.output.lines(table(rows, right=[1, 2]))
    invocation.output.result(bytes=found.bytes, **found._asdict())


@command(
    "list",
    short_help="Show the models in the store, the largest first.",
    examples=(
        ("modelsync cache list", "each model, and what needs it"),
        ("modelsync cache list -v", "with its files"),
    ),
)
def list_(invocation: Invocation) -> None:
    """Show the models in the store, the largest first: their size, when they were last used, and what needs them.

    A download that broke off is shown with how far it came; the next sync or pull of it goes on from there. -v shows
    the files of each model, and everything that needs it.
    """
    from modelsync.ops.cache import models
    from modelsync.store import inventory

    store = invocation.store()
    found = models.stored(store)
    output = invocation.output
    if found.models:
        output.lines(cache_report.model_lines(found, every=bool(invocation.verbose)))
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
            for row in inventory.rows(store)
        ],
        models=cache_report.model_values(found),
    )


@command(
    "adopt",
    short_help="Take what other tools have.",
    examples=(
        ("modelsync cache adopt --dry-run", "say what other tools have"),
        ("modelsync cache adopt", "take it"),
    ),
)
@click.argument("locks", metavar="[LOCK]...", nargs=-1, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Take nothing; say what could be taken.")
def adopt(invocation: Invocation, locks: tuple[Path, ...], dry_run: bool) -> None:
    """Take into the store what other tools' caches have of the project's lock, or of each LOCK. No network.

    Each file is hashed while it is taken, and theirs stays as it is. sync does the same by itself; this looks at all
    models and variants at once, also where MODELSYNC_ADOPT=0. What can run code is left out, unless the manifest beside
    the lock permits it.
    """
    from modelsync.cli.report import brought_values
    from modelsync.ops import adopt as ops_adopt
    from modelsync.spec.names import printable

    projects = [_locked_by(path) for path in locks] or [invocation.project()]
    with invocation.context(CallOptions(adopt=True)) as context:
        done = ops_adopt.adopt_locked(context, projects, dry_run=dry_run)
    output = invocation.output
    offered = [row for row in done.rows if row.place is not None]
    lines = titled(
        ["model", "file", "size", "where"],
        [
            (row.model, printable(row.path), units.size(row.bytes), printable(str(row.found), 1000))
            for row in offered
        ],
        right=[2],
        give=["file"],
        below=["where"],
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


def _locked_by(lock: Path) -> "Project":
    """The project of a lock, which may have no manifest."""
    from modelsync.project.project import Project

    if lock.suffix != ".lock":
        raise UsageError(f"{lock} is not a lock", hint="a lock's name ends in .lock")
    return Project(lock.absolute().with_suffix(".toml"), named=True)

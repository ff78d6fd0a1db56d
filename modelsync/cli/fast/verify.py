"""What `modelsync verify` does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.errors import HashMismatchError, ModelsyncError, NotSyncedError
from modelsync.project.selection import Selection
from modelsync.spec import blocks
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.context import CallOptions
    from modelsync.ops.repair import Repaired
    from modelsync.ops.verify import VerifiedFile


def perform(
    invocation: Invocation,
    selection: Selection,
    call: "CallOptions | None" = None,
    *,
    full: bool = False,
    repair: bool = False,
    events: str | None = None,
) -> int:
    """Verifies, and repairs where that was asked; says what was found, and returns the exit status."""
    project, output = invocation.project(), invocation.output
    with invocation.context(call, events=events) as context:
        if repair:
            from modelsync.ops import repair as ops_repair

            done = ops_repair.repair(context, project, selection, full=full)
            rows, failed = done.rows, done.error or complaint(done.rows)
            totals = _totals(done)
        else:
            from modelsync.ops import verify

            rows = verify.verify(context, project, selection, full=full)
            failed, totals = complaint(rows), {}
    output.lines(_lines(rows if not output.quiet else [row for row in rows if row.status in WRONG]))
    values = [_value(row) for row in rows]
    if failed is not None:
        output.error(failed, rows=values, **totals)
        return failed.exit_code
    if mended := [row for row in rows if row.status == "repaired"]:
        moved = f"{units.size(done.fetched)} fetched, {units.size(done.reused)} reused"
        count = units.count(len(mended), "file is", "files are")
        output.words(f"{count} repaired: {moved}, {units.duration(invocation.seconds)}")
    else:
        checked = f"{units.count(len(rows), 'file')}, {units.size(sum(row.size for row in rows))}"
        output.words(f"all is well: {checked} checked in {units.duration(invocation.seconds)}")
    output.result(rows=values, **totals)
    return 0


def _totals(done: "Repaired") -> dict[str, Any]:
    """What a repair moved, as programs read it."""
    from modelsync.cli import report

    return {
        "bytes_fetched": done.fetched,
        "bytes_reused": done.reused,
        "notes": list(done.notes),
        "brought": report.brought_values(done.brought),
        "sources": report.source_values(done.brought),
    }


WRONG = ("damaged", "missing")


def complaint(rows: "Sequence[VerifiedFile]") -> ModelsyncError | None:
    """What is wrong with the files, or None."""
    damaged = [row.file for row in rows if row.status == "damaged"]
    missing = [row.file for row in rows if row.status == "missing"]
    if damaged:
        more = f", and {len(missing)} missing" if missing else ""
        return HashMismatchError(
            f"{units.count(len(damaged), 'file is', 'files are')} damaged{more}",
            hint="`modelsync verify --repair` fetches what is damaged",
        )
    if missing:
        return NotSyncedError(
            f"{units.count(len(missing), 'file is', 'files are')} missing",
            hint="`modelsync sync` fetches them",
        )
    return None


def _value(row: "VerifiedFile") -> dict[str, Any]:
    """A row as programs read it."""
    value = row._asdict()
    del value["in_folder"]
    return value | {
        "path": None if row.path is None else str(row.path),
        "damaged": [{"start": start, "end": end} for start, end in row.damaged],
    }


class _Shown(NamedTuple):
    """A line: a file, or the files of a folder model that are all as they should be."""

    name: str
    variant: str | None
    file: str
    status: str
    size: int
    damaged: tuple[blocks.Span, ...] = ()


def _together(rows: "Sequence[VerifiedFile]") -> list[_Shown]:
    """A line for each file; one for all files of a folder model that are of one status, if that is a good one."""
    groups: dict[object, list[VerifiedFile]] = {}
    for row in rows:
        one = row.in_folder and row.status in ("ok", "repaired")
        key: object = (row.name, row.variant, row.status) if one else id(row)
        groups.setdefault(key, []).append(row)
    return [
        _Shown(
            group[0].name,
            group[0].variant,
            group[0].file if len(group) == 1 else units.count(len(group), "file"),
            group[0].status,
            sum(row.size for row in group),
            group[0].damaged,
        )
        for group in groups.values()
    ]


def _lines(rows: "Sequence[VerifiedFile]") -> list[str]:
    if not rows:
        return []
    titles = ["name", "variant", "file", "size", "status", "damaged"]
    return titled(
        titles,
        [
            (
                row.name,
                row.variant or "",
                printable(row.file),
                units.size(row.size),
                row.status,
                blocks.describe_damage(row.size, row.damaged) if row.damaged else "",
            )
            for row in _together(rows)
        ],
        right=[3],
        give=["damaged"],
    )

"""`python -m bench`: every claim about speed, side by side with what people use today.

With `--against REF`: this checkout and an older commit of it, in pairs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import fleet, pairs, registries, report, rows, startup, updates
from bench.builds import INSTALLED, NoSuchCommitError, make_pair, pair
from bench.rows import Row
from bench.timing import Run, Setting

ROUNDS = 5


def main() -> None:
    """Measures and prints; all rows also write `bench/results.md` and `docs/bench.svg`.

    Ends with status 1 if a row failed, or if one is worse than the older commit.
    """
    parser = _parser()
    options = parser.parse_args()
    if options.pairs is not None and options.against is None:
        parser.error("--pairs needs --against")
    if options.smaller < 1 or options.smaller > 1024:
        parser.error("--smaller is from 1 to 1024")
    if options.smaller > 1 and not options.row:
        parser.error("--smaller needs --row: no page is written of smaller files")
    if options.pairs is not None and options.pairs < 1:
        parser.error("--pairs is at least 1")
    compared = options.against is not None or options.builds is not None
    table = {
        row.key: row
        for row in (
            *(startup.rows() if compared else ()),
            *rows.rows(),
            *updates.rows(),
            *registries.rows(options.smaller),
        )
    }
    try:
        wanted = chosen(options.row or (pairs.ROWS if options.against else table), table)
    except KeyError as error:
        parser.error(f"no row {error.args[0]}; there are {', '.join(table)}")
    if options.into is not None:  # `apart` started this process
        builds = (INSTALLED,) if options.builds is None else pair(options.builds)
        setting = Setting(options.place, options.rounds, builds)
        options.into.write_text(json.dumps(measured(wanted[0], setting)))
        return
    for name, how in rows.INSTALL.items():
        if not rows.installed(name):
            print(f"{name} is not here: {how}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="modelsync-bench-") as scratch:
        place = options.place or Path(scratch) / "files"
        place.mkdir(exist_ok=True)
        if options.against is not None:
            folder = Path(scratch) / "builds"
            try:
                make_pair(options.against, folder)
            except NoSuchCommitError as error:
                parser.error(str(error))
            results = [
                apart(row, place, options.pairs or pairs.count(row), folder, smaller=options.smaller)
                for row in wanted
            ]
            print("\n".join(pairs.table(results, options.against)))
        else:
            results = [apart(row, place, options.rounds, smaller=options.smaller) for row in wanted]
            print("\n".join(report.tables(results)))
    if not options.row and not options.against:
        clients = fleet.tables()
        print("\n".join(clients))
        report.write(results, options.rounds, clients)
        startup.main()
    failed = [result for result in results if result.failure]
    if failed:
        print("\n".join(report.failures(failed)), file=sys.stderr)
    if failed or (options.against and any(pairs.is_worse(result) for result in results)):
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contender runs")
    parser.add_argument(
        "--row",
        action="append",
        default=[],
        help="measure only this row, or those whose names begin with it and a dash (startup: with --against alone, "
        "else `python -m bench.startup`); writes no files",
    )
    parser.add_argument("--place", type=Path, help="where the files to serve are made and kept (11 GiB)")
    parser.add_argument(
        "--against",
        metavar="REF",
        help="compare this checkout with an older commit: each row runs with both, in pairs that alternate (A B, B A, "
        f"…); prints the ratio of the medians and its 95 %% interval (bootstrap over pairs); {pairs.RULE}, "
        "and then the exit status is 1. "
        f"Rows if none is named: {', '.join(pairs.ROWS)}",
    )
    parser.add_argument(
        "--pairs",
        type=int,
        metavar="N",
        help=f"with --against: how many pairs a row has ({pairs.STARTUP_PAIRS} for start-up, {pairs.PAIRS} for others)",
    )
    parser.add_argument(
        "--smaller",
        type=int,
        default=1,
        metavar="N",
        help="make the files of the rows about registries N times smaller: to see that they run, not to learn how fast",
    )
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--builds", type=Path, help=argparse.SUPPRESS)
    return parser


def chosen(names: Iterable[str], table: Mapping[str, Row]) -> list[Row]:
    """The named rows, in the table's order; a name also stands for all that begin with it and a dash.

    Raises:
        KeyError: There is no row of that name.
    """
    found: set[str] = set()
    for name in names:
        those = {key for key in table if key == name or key.startswith(f"{name}-")}
        if not those:
            raise KeyError(name)
        found |= those
    return [row for key, row in table.items() if key in found]


def measured(row: Row, setting: Setting) -> dict[str, Any]:
    """A row's runs, or why there are none: one that fails takes no other with it."""
    try:
        return {"runs": row.measure(setting)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told and the others go on
        return {"failure": f"{type(error).__name__}: {error}"}


def apart(
    row: Row, place: Path, rounds: int, builds: Path | None = None, *, smaller: int = 1
) -> report.Result:
    """Measures a row in a process of its own, so that no row's servers are there in another.

    Args:
        row: What.
        place: Where the files to serve are made and kept.
        rounds: How often each contender runs.
        builds: The folder of the two builds to compare; None: the installed modelsync and its peers.
        smaller: By how much the files of rows about registries are smaller.
    """
    print(f"{row.title} …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "runs.json"
        command = [sys.executable, "-m", "bench", "--row", row.key, "--rounds", str(rounds)]
        command += ["--place", str(place), "--into", str(into)]
        command += ["--smaller", str(smaller)]
        command += ["--builds", str(builds)] if builds is not None else []
        status = subprocess.run(command, check=False).returncode
        found: dict[str, Any] = (
            json.loads(into.read_text()) if into.exists() else {"failure": f"it ended with {status}"}
        )
    runs = {name: [Run(*run) for run in each] for name, each in found.get("runs", {}).items()}
    return report.Result(row, runs, found.get("failure", ""))


if __name__ == "__main__":
    main()

"""`python -m bench`: every claim about speed, side by side with what people use today."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import report, rows, startup, updates
from bench.timing import Run

ROUNDS = 5


def main() -> None:
    """Measures, prints, and writes `bench/results.md` and `docs/bench.svg`."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each contender runs")
    parser.add_argument(
        "--row", action="append", default=[], help="measure only this row, and write no files"
    )
    parser.add_argument("--place", type=Path, help="where the files to serve are made and kept (11 GiB)")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    table = {row.key: row for row in (*rows.rows(), *updates.rows())}
    if unknown := set(options.row) - set(table):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(table)}")
    if options.into is not None:
        options.into.write_text(json.dumps(measured(table[options.row[0]], options.place, options.rounds)))
        return
    for name, how in rows.INSTALL.items():
        if not rows.installed(name):
            print(f"{name} is not here: {how}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="modelsync-bench-") as scratch:
        place = options.place or Path(scratch)
        place.mkdir(exist_ok=True)
        wanted = [table[key] for key in options.row] or list(table.values())
        results = [apart(row, place, options.rounds) for row in wanted]
    print("\n".join(report.tables(results)))
    if not options.row:
        report.write(results, options.rounds)
        startup.main()
    if failed := [result for result in results if result.failure]:
        print("\n".join(report.failures(failed)), file=sys.stderr)
        sys.exit(1)


def measured(row: rows.Row, place: Path, rounds: int) -> dict[str, Any]:
    """A row's runs, or why there are none: one that fails takes no other with it."""
    try:
        return {"runs": row.measure(place, rounds)}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told and the others go on
        return {"failure": f"{type(error).__name__}: {error}"}


def apart(row: rows.Row, place: Path, rounds: int) -> report.Result:
    """Measures a row in a process of its own, so that no row's servers are there in another."""
    print(f"{row.title} …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "runs.json"
        command = [sys.executable, "-m", "bench", "--row", row.key, "--rounds", str(rounds)]
        status = subprocess.run(
            [*command, "--place", str(place), "--into", str(into)], check=False
        ).returncode
        found: dict[str, Any] = (
            json.loads(into.read_text()) if into.exists() else {"failure": f"it ended with {status}"}
        )
    runs = {name: [Run(*run) for run in each] for name, each in found.get("runs", {}).items()}
    return report.Result(row, runs, found.get("failure", ""))


if __name__ == "__main__":
    main()

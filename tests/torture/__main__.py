"""`python -m tests.torture MACHINE…`: run some machines, or all, for some minutes; tell what they covered."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.torture import shrunk
from tests.torture.tally import Budget, Tally

MACHINES = {
    "kill": 0.4,
    "power": 0.05,
    "races": 0.2,
    "disks": 0.05,
    "hostile": 0.1,
    "fuzz": 0.15,
    "secrets": 0.05,
}


def main(words: Sequence[str] | None = None) -> int:
    """Runs what the words say. Exit status 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=f"{', '.join(MACHINES)}; none: all")
    parser.add_argument("--minutes", type=float, default=60.0, help="of all machines together")
    parser.add_argument("--cases", type=int, help="of each machine, at most")
    parser.add_argument("--seed", type=int, default=0, help="where to begin")
    parser.add_argument("--whole", action="store_true", help="also the cases that take a minute each")
    parser.add_argument(
        "--operation", action="append", default=[], help="of `kill`, only this; several times: these"
    )
    parser.add_argument("--action", action="append", default=[], help="of `kill`, only this")
    parser.add_argument("--plant", choices=shrunk.PLANTED, help="a fault for the machines to find")
    parser.add_argument(
        "--case", nargs=3, metavar=("OPERATION", "ACTION", "N"), help="one case of `kill` again"
    )
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args(words)
    shrunk.shrink(options.plant)
    from tests.torture import lab

    tally = Tally()
    chosen = options.machines or list(MACHINES)
    whole = sum(MACHINES[name] for name in chosen)
    with lab.opened() as room:
        if options.case:
            from tests.torture import kill

            operation, action, number = options.case
            kill.one(room, tally, operation, action, int(number))
            chosen = []
        for name in chosen:
            seconds = options.minutes * 60 * MACHINES[name] / whole
            machine = import_module(f"tests.torture.{name}")
            narrowed = tuple(options.operation), tuple(options.action)
            machine.run(room, Budget(seconds, options.cases, options.whole, options.seed, *narrowed), tally)
            print(f"{name}: {len(tally.faults)} faults so far", file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(tally.to_json())
    print(tally.table())
    for fault in tally.faults:
        print(f"\n* {fault}")
    if options.json:
        options.json.write_text(tally.to_json())
    return bool(tally.faults)


if __name__ == "__main__":
    sys.exit(main())

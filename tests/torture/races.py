"""Many processes at once on one store: with file locks, with none (ENOLCK), and with some that lie."""

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.processes import TREE
from tests.torture import checks
from tests.torture.hub_process import PARTS, STILL
from tests.torture.lab import Lab
from tests.torture.operations import BOTH, LINKED, SMALL, must
from tests.torture.shrunk import RACES
from tests.torture.tally import Budget, Tally

# What stands in for flock(2): a lock that everyone gets, and a file system without locks.
SHIM = """
#include <errno.h>
int flock(int fd, int operation) {{ (void)fd; (void)operation; {body} }}
"""
FLOCKS = {"lying": "return 0;", "failing": "errno = ENOLCK; return -1;"}
PROJECTS = {
    "one": LINKED + BOTH,
    "two": LINKED + BOTH.replace("parts =", f'small = "hf:{STILL}:Q8_0"\nparts ='),
    "three": SMALL + f'other = "hf:{PARTS}:Q4_K_M"\n',
}
MANY = 12, 6  # processes of a round, and operations of each
FEW = 4, 3  # the same where the cases are counted


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """Rounds with real locks; then, in processes that see another `flock`, with the others."""
    if os.environ.get(RACES):
        _rounds(lab, budget, tally, os.environ[RACES])
        return
    _apart("real", {}, budget.part(1 / 3), tally)
    compiler = shutil.which("cc")
    if compiler is None:
        tally.skipped.append("races without file locks: there is no C compiler")
        return
    for name, body in FLOCKS.items():
        with TemporaryDirectory() as folder:
            source, shim = Path(folder) / "shim.c", Path(folder) / "shim.so"
            source.write_text(SHIM.format(body=body))
            subprocess.run([compiler, "-shared", "-fPIC", "-o", str(shim), str(source)], check=True)
            _apart(name, {"LD_PRELOAD": str(shim)}, budget.part(1 / 3), tally)


def _apart(name: str, variables: dict[str, str], budget: Budget, tally: Tally) -> None:
    """Rounds in a process of its own, with these variables."""
    words = [sys.executable, "-m", "tests.torture", "races"]
    words += ["--minutes", str(budget.seconds / 60), "--seed", str(budget.seed)]
    words += ["--cases", str(budget.cases)] if budget.cases is not None else []
    with TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        done = subprocess.run(
            [*words, "--json", str(figures)],
            cwd=TREE,
            env={**os.environ, **variables, RACES: name},
            capture_output=True,
            text=True,
        )
        if figures.exists():
            tally.add(json.loads(figures.read_text()))
        else:
            tally.fault(f"races, {name} flock", f"the machine broke: {done.stderr[-500:]}")


def _rounds(lab: Lab, budget: Budget, tally: Tally, flock: str) -> None:
    """Rounds until the budget is used up; one in three has someone who empties the store."""
    size = MANY if budget.cases is None else FEW
    lab.empty()
    for name, manifest in PROJECTS.items():
        (lab.scope / name).mkdir()
        (lab.scope / name / "models.toml").write_text(manifest)
        must(replace(lab, place=name), "lock")
    lab.keep("races")
    rounds = range(budget.cases if budget.cases is not None else 1 << 30)
    for number in rounds:
        if budget.over and number:
            break
        _round(lab, tally, flock, budget.seed * 1000 + number, size, cleans=number % 3 == 2)
        tally.count(f"races: rounds, {flock} flock")


def _round(lab: Lab, tally: Tally, flock: str, seed: int, size: tuple[int, int], *, cleans: bool) -> None:
    lab.fresh("races")
    results = lab.root / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    children = []
    processes, operations = size
    for number in range(processes):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                dice = random.Random(seed * 100 + number)
                _runner(lab, results / str(number), number, operations, dice, cleans=cleans)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    ended = [os.waitpid(child, 0)[1] for child in children]
    assert not any(ended), "a runner broke"
    rows = [json.loads(line) for path in results.iterdir() for line in path.read_text().splitlines()]
    tally.count(f"races: operations, {flock} flock", len(rows))
    _judge(tally, f"races, {flock} flock, round {seed}{', cleans' if cleans else ''}", rows, cleans=cleans)
    _afterwards(lab, tally, f"races, {flock} flock, round {seed}, afterwards", rows)


def _runner(lab: Lab, results: Path, number: int, times: int, dice: random.Random, *, cleans: bool) -> None:
    """One of the processes: operation after operation, each in a process of its own; a line of JSON about each."""
    operations = ["sync", "sync", "sync --link-mode copy", "path", "path", "verify", "prune", "add", "list"]
    added = 0
    for _ in range(times):
        mine = replace(lab, place=dice.choice(list(PROJECTS)), tag=f"-{number}")
        what = dice.choice([*operations, "clean"] if cleans else operations)
        row: dict[str, Any] = {"what": what, "place": mine.place}
        if what == "path":
            manifest = mine.project / "models.toml"
            try:
                row["answers"] = mine.call(partial(checks.returned, manifest, download=True))
            except AssertionError as error:
                row["crash"] = str(error)[-600:]
        else:
            words = {"prune": "cache prune --now", "clean": "cache clean --yes"}.get(what, what)
            if what == "add":
                row["name"] = f"added-{number}-{added}"
                added += 1
                words = f"add {row['name']} hf:{STILL}:Q8_0"
            done = mine.command(*words.split(), counted=False)
            row |= {
                "status": done.status,
                "err": done.err[-600:],
                "told": checks.told_well(done.status, done.err),
            }
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _judge(tally: Tally, case: str, rows: list[dict[str, Any]], *, cleans: bool) -> None:
    """All succeed, and what they return is right; where someone empties the store, what is gone may be gone."""
    for row in rows:
        where = f"{row['what']} of {row['place']}"
        if row["what"] == "path":
            if "crash" in row:
                tally.fault(case, f"{where} crashed: {row['crash']}")
            for name, answer in row.get("answers", {}).items():
                if answer.startswith("wrong"):
                    tally.fault(case, f"{where}: wrong bytes returned for {name}: {answer}")
                elif answer != "right" and not cleans and not _stale(answer):
                    tally.fault(case, f"{where}: {name} is {answer}")
        elif row["told"]:
            tally.fault(case, f"{where}: {row['told']}")
        elif row["status"] != 0 and not _incomplete(row):
            tally.fault(case, f"{where} fails with {row['status']}: {row['err'][-400:]}")


def _incomplete(row: dict[str, Any]) -> bool:
    """`verify` of a project that nobody has synced yet, or of which another is writing the lock."""
    return row["what"] == "verify" and row["status"] == 1 and "damaged" not in row["err"]


def _stale(answer: str) -> bool:
    """An answer between another's two writes: the manifest has an entry that the lock has not yet."""
    return "models.lock" in answer and "error: " in answer


def _afterwards(lab: Lab, tally: Tally, case: str, rows: list[dict[str, Any]]) -> None:
    """A last sync of each project brings everything; what was added is there; nothing is left over."""
    for place in PROJECTS:
        mine = replace(lab, place=place)
        text = (mine.project / "models.toml").read_text()
        added = [row for row in rows if row["what"] == "add" and row["place"] == place and row["status"] == 0]
        for row in added:
            if row["name"] not in text:
                tally.fault(case, f"`add {row['name']}` of {place} is lost")
        done = mine.command("sync", counted=False)
        if done.status != 0:
            tally.fault(case, f"sync of {place} fails: {done.err[-400:]}")
            continue
        for name, answer in checks.nothing_wrong(mine, partial(tally.fault, case)).items():
            if answer != "right":
                tally.fault(case, f"{name} of {place} is {answer}")

"""A hostile network and its data: the whole catalogue, each with a clean run afterwards."""

import contextlib
import itertools
import random
import subprocess
import sys
from collections.abc import Iterator

from tests.support.processes import TREE
from tests.torture import checks
from tests.torture.catalogue import ENDLESS, FAULTS
from tests.torture.lab import Lab
from tests.torture.operations import BOTH, LINKED, must
from tests.torture.tally import Budget, Tally

MOST_MEMORY = 400 << 20  # bytes of one command
PATIENCE = 150.0  # seconds, where a clock ends it
SOON = 30.0  # seconds, where a count does


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """Goes through the catalogue until the budget is used up."""
    lab.empty(LINKED + BOTH)
    lab.keep("unlocked")
    must(lab, "lock")
    lab.keep("locked")
    cases = [("faults", name) for name in FAULTS]
    cases += [("endless", name) for name, (_, slow, _) in ENDLESS.items() if budget.whole or not slow]
    random.Random(budget.seed).shuffle(cases)
    for kind, name in itertools.islice(cases, budget.cases):
        if budget.over:
            break
        (_misbehaving if kind == "faults" else _endless)(lab, tally, name)
        tally.count("hostile cases")


def _misbehaving(lab: Lab, tally: Tally, name: str) -> None:
    for template in ("unlocked",) if name.startswith("api") else ("locked", "unlocked"):
        lab.fresh(template)
        lab.ask_hub("misbehave", case=name)

        def fault(what: str) -> None:
            tally.fault(f"{name}, {template}", what)  # noqa: B023

        done = lab.command("sync", timeout=PATIENCE)
        _bounded(done.status, done.err, done.memory, fault)
        if name.endswith("once") and "byte" not in name and done.status != 0:
            fault(f"it should have got over that: {done.err[-300:]}")
        if done.out.isprintable() is False and "\x1b" in done.out + done.err:
            fault("a control character reached the terminal")
        checks.nothing_wrong(lab, fault)
        lab.ask_hub("behave")
        again = lab.command("sync")
        if again.status != 0:
            fault(f"afterwards, sync fails with {again.status}: {again.err[-300:]}")
        for model, answer in checks.nothing_wrong(lab, fault).items():
            if answer != "right":
                fault(f"afterwards, {model} is {answer}")


def _endless(lab: Lab, tally: Tally, name: str) -> None:
    """The command gives up by itself, within bounds of time and memory."""

    def fault(what: str) -> None:
        tally.fault(name, what)

    lab.fresh("unlocked")
    patience = PATIENCE if ENDLESS[name][1] else SOON
    with _serving(name) as endpoint:
        done = lab.command("lock", variables={"HF_ENDPOINT": endpoint}, timeout=patience, counted=False)
    _bounded(done.status, done.err, done.memory, fault)
    if done.status == 0:
        fault("it succeeded")


def _bounded(status: int | None, err: str, memory: int, fault: checks.Fault) -> None:
    if wrong := checks.told_well(status, err):
        fault(wrong)
    if memory > MOST_MEMORY:
        fault(f"it took {memory >> 20} MiB of memory")


@contextlib.contextmanager
def _serving(name: str) -> Iterator[str]:
    """A server of the catalogue in a process of its own, so that no thread is here; its endpoint."""
    code = (
        "import sys, time\n"
        "from tests.support.servers import Listener\n"
        "from tests.torture.catalogue import ENDLESS\n"
        "with Listener(ENDLESS[sys.argv[1]][2]) as server:\n"
        "    print(server.port, flush=True)\n"
        "    sys.stdin.read()\n"
        "    import os; os._exit(0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, name], cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()

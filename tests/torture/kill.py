"""At every event of every operation: a kill, a torn write, a power cut, an error of the disk, a Ctrl-C."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from functools import partial

from tests.torture import checks
from tests.torture.events import Action
from tests.torture.lab import Lab, Outcome
from tests.torture.operations import Operation, Reference, papers, prepared
from tests.torture.tally import Budget, Tally

ACTIONS: tuple[Action, ...] = ("kill", "tear", "cut", "ENOSPC", "EIO", "EACCES", "interrupt")
ONE_STREAM = 1 << 20  # bytes that a kill may lose of each
REQUESTS = 64 << 10  # bytes of answers that are no file
Key = tuple[str, Action]
LATER = 40 * 86400.0  # seconds: what was left behind is old then
REBOOTED = {"TORTURE_BOOT": "second-boot"}


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """Works through all operations and actions evenly until the budget is used up."""
    known = prepared(lab, tally, budget.operations)
    turns = _Turns(lab, {name: operation for name, (operation, _) in known.items()}, budget)
    seen: Counter[Key] = Counter()
    for (name, action), at in itertools.islice(turns, budget.cases):
        if budget.over:
            break
        _case(lab, tally, *known[name], action, at)
        seen[name, action] += 1
        tally.count(f"cases: {action}")
    for (name, action), total in turns.totals.items():
        tally.covered[f"{name}, {action}"] = (seen[name, action], total)


def one(lab: Lab, tally: Tally, name: str, action: Action, at: int) -> None:
    """One case again, by its name."""
    _case(lab, tally, *prepared(lab, tally, [name])[name], action, at)


class _Turns:
    """Every event of every operation and action once, the pairs by turns, the events in an order of chance.

    How many events there are is counted by a run in which nothing happens, when a pair's first turn comes.
    """

    def __init__(self, lab: Lab, operations: dict[str, Operation], budget: Budget) -> None:
        self._lab, self._operations = lab, operations
        self._dice = random.Random(budget.seed)
        self._actions = [action for action in ACTIONS if action in (budget.actions or ACTIONS)]
        self.totals: dict[Key, int] = {}

    def __iter__(self) -> Iterator[tuple[Key, int]]:
        keys = [(name, action) for name in self._operations for action in self._actions]
        self._dice.shuffle(keys)
        left: dict[Key, list[int]] = {}
        while keys:
            for key in list(keys):
                if key not in left:
                    self.totals[key] = total = self._events(*key)
                    left[key] = self._dice.sample(range(1, total + 1), total)
                if left[key]:
                    yield key, left[key].pop()
                else:
                    keys.remove(key)

    def _events(self, name: str, action: Action) -> int:
        self._lab.fresh(name)
        return self._lab.command(*self._operations[name].words, action=action).events


def _case(
    lab: Lab, tally: Tally, operation: Operation, reference: Reference, action: Action, at: int
) -> None:
    lab.fresh(operation.name)
    rotten = checks.stored_wrong(lab.store)
    first = lab.command(*operation.words, action=action, at=at)
    case = f"{operation.name} {action} {at} ({first.struck})"
    tally.count("events struck", bool(first.struck))

    def fault(what: str) -> None:
        tally.fault(case, what)

    _ended(first, action, fault)
    variables = REBOOTED if action == "cut" else {}
    for was, may in zip(
        papers(lab.project), zip(reference.before, reference.after, strict=True), strict=True
    ):
        if was not in may:
            fault(f"manifest or lock is neither old nor new: {was!r}"[:400])
    checks.nothing_wrong(lab, fault, variables, rotten)
    words = operation.words
    if operation.completed_by and papers(lab.project)[0] != reference.before[0]:
        words = operation.completed_by
    second = lab.command(*words, variables=variables)
    if second.status != 0:
        fault(f"the second run fails with {second.status}: {second.err[-500:]}")
        return
    _fetched_again(first, second, reference, action, fault)
    if papers(lab.project) != reference.after:
        fault("manifest or lock is not what the operation makes")
    answers = checks.nothing_wrong(lab, fault, variables)
    if operation.name != "lock":
        for name, answer in answers.items():
            if answer != "right":
                fault(f"after the second run, {name} is {answer}")
    _tidy(lab, operation, fault)


def _ended(first: Outcome, action: Action, fault: checks.Fault) -> None:
    if action in ("kill", "tear", "cut"):
        if first.struck and first.status != -9:
            fault(f"it was to be killed, and ended with {first.status}: {first.err[-300:]}")
    elif wrong := checks.told_well(first.status, first.err):
        fault(wrong)


def _fetched_again(
    first: Outcome, second: Outcome, reference: Reference, action: Action, fault: checks.Fault
) -> None:
    """After a kill, all that had arrived is there but for the last part of each stream."""
    if action != "kill":
        return
    again = first.received + second.received - reference.received
    if again > 2 * ONE_STREAM + REQUESTS:
        fault(f"{again} bytes were fetched again")


def _tidy(lab: Lab, operation: Operation, fault: checks.Fault) -> None:
    """What is left on its way goes: by the next command where it is the project's, by a prune where the store's."""
    for line in (operation.completed_by or operation.words, ("cache", "prune", "--now")):
        done = lab.command(*line, before=partial(checks.shift_clock, LATER), counted=False)
        if done.status != 0:
            fault(f"`{' '.join(line)}` afterwards fails with {done.status}: {done.err[-300:]}")
    if left := checks.leftovers(lab):
        fault(f"left behind: {left}")

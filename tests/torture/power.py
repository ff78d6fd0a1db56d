"""After a power loss: every small file of store and project missing, emptied, cut, zeroed or flipped.

What a power cut takes of writes that were not synced is an action of `kill`: `cut`.
"""

import itertools
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from tests.torture import checks
from tests.torture.fuzz_targets import shapes
from tests.torture.lab import Lab
from tests.torture.operations import BOTH, LINKED, SMALL, must
from tests.torture.tally import Budget, Tally

SMALLEST = 64 << 10  # bytes; what is larger is a model
HARMS = ("missing", "empty", "cut", "zeroed", "flipped", "older", "shaped")
COMMANDS = (
    ("list",),
    ("path", "still", "--offline"),
    ("cache", "list"),
    ("verify",),
    ("sync",),
)
PAPERS = ("project/models.toml", "project/models.lock")


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """Harms one file after another until the budget is used up."""
    _prepare(lab)
    places = [("synced", place) for place in sorted(_small(lab.root / "synced"))]
    places += [("broken off", place) for place in sorted(_small(lab.root / "broken off"))]
    cases = [(template, place, harm) for template, place in places for harm in HARMS]
    dice = random.Random(budget.seed)
    dice.shuffle(cases)
    for template, place, harm in itertools.islice(cases, budget.cases):
        if budget.over:
            break
        _case(lab, tally, template, place, harm, dice)
        tally.count("small files harmed")


def _prepare(lab: Lab) -> None:
    """A project that is synced, a URI that was pulled, a project that is gone, and a fetch that broke off."""
    lab.empty(LINKED + SMALL)
    must(lab, "sync")
    must(lab, "pull hf:user/parts:Q4_K_M")
    (lab.project / "models.toml").write_text(LINKED + BOTH)
    must(lab, "lock")
    lab.keep("broken off")
    events = lab.command("sync", action="kill").events
    must(lab, "list")
    lab.keep("synced")
    for share in (0.3, 0.4, 0.5, 0.6):
        lab.fresh("broken off")
        lab.command("sync", action="kill", at=int(events * share))
        if list((lab.store / "partials-v1").glob("*/journal")):
            break
    lab.keep("broken off")


def _small(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        place = str(path.relative_to(folder))
        model = path.suffix == ".gguf" or path.name == "data" or place.startswith("store/blobs")
        if path.is_file() and not path.is_symlink() and not model and path.stat().st_size <= SMALLEST:
            yield place


def _case(lab: Lab, tally: Tally, template: str, place: str, harm: str, dice: random.Random) -> None:
    lab.fresh(template)
    path = lab.scope / place
    before = path.read_bytes()
    _harm(path, harm, dice)

    def fault(what: str) -> None:
        tally.fault(f"{template}: {place} {harm}", what)

    for words in COMMANDS:
        done = lab.command(*words, counted=False)
        if wrong := checks.told_well(done.status, done.err):
            fault(f"`{' '.join(words)}`: {wrong}")
        checks.nothing_wrong(lab, fault)
        if place in PAPERS:
            break
    if place in PAPERS:
        path.write_bytes(before)
    done = lab.command("sync", counted=False)
    if done.status != 0:
        fault(f"`sync` afterwards: {done.status}: {done.err[-400:]}")
    for name, answer in checks.nothing_wrong(lab, fault).items():
        if answer != "right":
            fault(f"in the end, {name} is {answer}")


def _harm(path: Path, harm: str, dice: random.Random) -> None:
    data, seen = path.read_bytes(), path.stat()
    path.unlink()
    if harm == "missing":
        return
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data
    if harm == "shaped":
        data = _shaped(data, dice)
    zeros = bytes(len(data))
    harmed = {"empty": b"", "cut": data[:middle], "zeroed": zeros, "flipped": flipped}
    path.write_bytes(harmed.get(harm, data))
    path.chmod(seen.st_mode & 0o7777)
    back = 10**9 if harm == "older" else 0
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns - back))


def _shaped(data: bytes, dice: random.Random) -> bytes:
    """A JSON file of another shape; what is none is emptied."""
    try:
        value = json.loads(data.splitlines()[0])
    except (ValueError, IndexError):
        return b""
    return json.dumps(dice.choice(list(shapes(value)))).encode()

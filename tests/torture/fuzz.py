"""Fuzzing of all that is read, each target in a process of its own.

With atheris where it is installed, which sees what of the code an input reaches; else with Hypothesis. Both begin with
the same seeds and keep what they found in a corpus folder, so that the next run begins there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.processes import TREE
from tests.torture.lab import Lab
from tests.torture.tally import Budget, Tally

TARGETS = ("gguf", "content", "manifest", "lock", "uri", "hub", "store", "head", "registry", "layer")
CORPUS = "TORTURE_CORPUS"


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """Gives each target the same time."""
    kept = os.environ.get(CORPUS)
    with TemporaryDirectory(dir=lab.root) as folder:
        for target in TARGETS:
            corpus = Path(kept or folder).resolve() / target
            corpus.mkdir(parents=True, exist_ok=True)
            _fuzz(
                target, budget.seconds / len(TARGETS), budget, corpus, Path(folder) / f"{target}.json", tally
            )


def _fuzz(target: str, seconds: float, budget: Budget, corpus: Path, figures: Path, tally: Tally) -> None:
    inputs = 0 if budget.cases is None else budget.cases * 20
    words = [target, str(max(1, round(seconds))), str(inputs), str(budget.seed), str(corpus), str(figures)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.fuzz_process", *words],
        cwd=TREE,
        env={**os.environ, "TORTURE_PLACE": str(figures.parent / target)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds * 2 + 120,
    )
    if not figures.exists():
        tally.fault(f"fuzz {target}", f"the fuzzer broke: {done.stderr[-600:]}")
        return
    told = json.loads(figures.read_text())
    tally.count(f"fuzzed inputs: {target}, {told['engine']}", told["inputs"])
    for fault in told["faults"]:
        tally.fault(f"fuzz {target}", fault)
    if done.returncode not in (0, 77):
        tally.fault(f"fuzz {target}", f"it ended with {done.returncode}: {done.stderr[-600:]}")

"""Disks: full at every stage, on another device, read-only, names at the limit, a clock that goes back."""

import json
import os
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.processes import TREE
from tests.torture import checks
from tests.torture.lab import Lab, Outcome
from tests.torture.operations import BOTH, LINKED, must, synced
from tests.torture.tally import Budget, Tally

HERE = "TORTURE_MOUNTS"
ROOMY = "512m"
ALL = 1_600_000  # bytes: a little more than what is fetched
UNSHARE = ["unshare", "--map-root-user", "--mount"]
LONG = "n" * 200  # a folder's name; with its path it nears what the system takes


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """What needs no right to mount here; the others in a process that has it."""
    if os.environ.get(HERE):
        for machine in (_full_stores, _full_projects, _apart, _read_only):
            machine(lab, budget, tally)
        return
    for machine in (_long_names, _clock_back):
        machine(lab, budget, tally)
    mount = [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]
    if shutil.which("unshare") is None or subprocess.run(mount, capture_output=True).returncode:
        tally.skipped.append("disks: there is no right to mount a file system of one's own")
        return
    with TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        words = [*UNSHARE, sys.executable, "-m", "tests.torture", "disks", "--json", str(figures)]
        words += ["--minutes", str(budget.seconds / 60), "--cases", str(budget.cases or 60)]
        done = subprocess.run(words, cwd=TREE, env={**os.environ, HERE: "1"}, capture_output=True, text=True)
        if figures.exists():
            tally.add(json.loads(figures.read_text()))
        else:
            tally.fault("disks", f"the machine broke: {done.stderr[-500:]}")


def _full_stores(lab: Lab, budget: Budget, tally: Tally) -> None:
    """A store on a disk that is full after so many bytes, from nearly none to nearly enough."""
    _lock_alone(lab)
    steps = max(2, (budget.cases or 60) // 2)
    for step in range(1, steps + 1):
        size = (ALL * step // steps // 4096 + 4) * 4096
        if budget.over:
            return
        lab.fresh("lock alone")
        lab.store.mkdir()
        _on_small_disk(lab, tally, lab.store, size, "the store")


def _lock_alone(lab: Lab) -> None:
    """Keeps a project that is locked, without a store."""
    lab.empty(LINKED + BOTH)
    must(lab, "lock")
    shutil.rmtree(lab.store, ignore_errors=True)
    lab.keep("lock alone")


def _full_projects(lab: Lab, budget: Budget, tally: Tally) -> None:
    """The same of the folder that copies go to."""
    synced(lab, BOTH)
    shutil.rmtree(lab.project / "models")
    lab.keep("store alone")
    steps = max(2, (budget.cases or 60) // 2)
    for number, step in enumerate(random.Random(budget.seed).sample(range(1, steps + 1), steps)):
        if budget.over and number > 1:
            return
        lab.fresh("store alone")
        (lab.project / "models").mkdir()
        size = (ALL * step // steps // 4096 + 4) * 4096
        _on_small_disk(lab, tally, lab.project / "models", size, "the project's folder")


def _on_small_disk(lab: Lab, tally: Tally, folder: Path, size: int, what: str) -> None:
    fault = partial(tally.fault, f"{what} on a disk of {size} bytes")
    _mount(folder, f"size={size}")
    try:
        done = lab.command("sync", counted=False)
        _refused(done, fault, "space")
        checks.nothing_wrong(lab, fault)
        _mount(folder, f"remount,size={ROOMY}")
        _completes(lab, fault)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    tally.count("disks: full")


def _apart(lab: Lab, budget: Budget, tally: Tally) -> None:
    """A store on another device than the project: every link mode comes to files, or says why it cannot."""
    _lock_alone(lab)
    for mode in ("auto", "hardlink", "copy", "symlink"):
        fault = partial(tally.fault, f"store on another device, {mode}")
        lab.fresh("lock alone")
        lab.store.mkdir()
        _mount(lab.store, f"size={ROOMY}")
        try:
            done = lab.command("sync", "--link-mode", mode, counted=False)
            if mode == "hardlink":
                _refused(done, fault, "")
            elif done.status != 0:
                fault(f"sync fails with {done.status}: {done.err[-300:]}")
            checks.nothing_wrong(lab, fault)
            _completes(lab, fault)
        finally:
            subprocess.run(["umount", str(lab.store)], check=True)
        tally.count("disks: other device")


def _read_only(lab: Lab, budget: Budget, tally: Tally) -> None:
    """Store, project or both read-only: what is here is given, what has to be written is refused in words."""
    synced(lab, BOTH)
    lab.keep("synced")
    for place in ("store", "project", "."):
        fault = partial(tally.fault, f"read-only {place}")
        lab.fresh("synced")
        folder = (lab.scope / place).resolve()
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        try:
            for name, answer in checks.nothing_wrong(lab, fault).items():
                if answer != "right":
                    fault(f"{name} is {answer}")
            for words in (
                "list",
                "verify",
                "sync",
                "sync --frozen",
                "add more hf:user/still:Q8_0",
                "cache prune --now",
            ):
                done = lab.command(*words.split(), counted=False)
                if wrong := checks.told_well(done.status, done.err):
                    fault(f"`{words}`: {wrong}")
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        tally.count("disks: read-only")


def _long_names(lab: Lab, budget: Budget, tally: Tally) -> None:
    """A project at a path near the limit, a model with the longest name: it works, or is refused in words."""
    for depth in (1, 8, 14, 17, 19):
        lab.empty()
        place = "/".join(["project", *[LONG] * depth])
        name = "m" * 64
        fault = partial(tally.fault, f"a path of {depth} long names")
        folder = lab.scope / place
        folder.mkdir(parents=True)
        deep = Lab(lab.root, lab.hub, lab.where, place)
        (folder / "models.toml").write_text(LINKED + f'[models]\n{name} = "hf:user/parts:Q4_K_M"\n')
        done = deep.command("sync", counted=False)
        if wrong := checks.told_well(done.status, done.err):
            fault(wrong)
        for model, answer in checks.nothing_wrong(deep, fault).items():
            if done.status == 0 and answer != "right":
                fault(f"{model[:9]}… is {answer}")
        tally.count("disks: long names")


def _clock_back(lab: Lab, budget: Budget, tally: Tally) -> None:
    """The clock goes back ten years, or forward, between two commands."""
    synced(lab, BOTH)
    lab.keep("synced")
    for years in (-10, 10, -60):
        lab.fresh("synced")
        fault = partial(tally.fault, f"the clock is {years} years off")
        for words in ("list", "sync", "verify", "cache prune", "cache prune --now", "cache list", "sync"):
            done = lab.command(
                *words.split(), before=partial(checks.shift_clock, years * 31_557_600), counted=False
            )
            if done.status != 0:
                fault(f"`{words}` fails with {done.status}: {done.err[-300:]}")
        for name, answer in checks.nothing_wrong(lab, fault).items():
            if answer != "right":
                fault(f"{name} is {answer}")
        tally.count("disks: clock")


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)


def _refused(done: Outcome, fault: checks.Fault, word: str) -> None:
    """It ended well, or said what is the matter."""
    if wrong := checks.told_well(done.status, done.err):
        fault(wrong)
    elif done.status != 0 and (done.status != 2 or word not in done.err):
        fault(f"exit status {done.status}, and not a word about {word}: {done.err[-300:]}")


def _completes(lab: Lab, fault: checks.Fault) -> None:
    done = lab.command("sync", counted=False)
    if done.status != 0:
        fault(f"afterwards, sync fails with {done.status}: {done.err[-300:]}")
    for name, answer in checks.nothing_wrong(lab, fault).items():
        if answer != "right":
            fault(f"afterwards, {name} is {answer}")

"""The commands that are made to fail, and what each begins with."""

import functools
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from tests.support.content import damage
from tests.torture.hub_process import MOVING, PARTS, STILL
from tests.torture.lab import Lab
from tests.torture.tally import Tally

LINKED = '[modelsync]\ndir = "models"\n'
BOTH = f'[models]\nstill = {{ uri = "hf:{STILL}:Q4_K_M", mmproj = true }}\nparts = "hf:{PARTS}:Q4_K_M"\n'
MOVES = f'[models]\nmoving = "hf:{MOVING}:Q4_K_M"\n'
SMALL = f'[models]\nsmall = "hf:{STILL}:Q8_0"\n'


class Operation(NamedTuple):
    """A command line, what makes the case that it begins with, and the command that completes it, if another."""

    name: str
    words: tuple[str, ...]
    prepare: Callable[[Lab], None]
    completed_by: tuple[str, ...] = ()


class Reference(NamedTuple):
    """What an operation comes to when nothing goes wrong.

    Attributes:
        before: Bytes of manifest and lock.
        after: The same, afterwards; None: no such file.
        received: Bytes that came from sockets.
    """

    before: tuple[bytes | None, bytes | None]
    after: tuple[bytes | None, bytes | None]
    received: int


def prepared(lab: Lab, tally: Tally, names: Collection[str] = ()) -> dict[str, tuple[Operation, Reference]]:
    """Makes a template of each operation, named as it is, and runs each once; `names`: of these alone."""
    operations = [operation for operation in OPERATIONS if not names or operation.name in names]
    for operation in operations:
        operation.prepare(lab)
        lab.keep(operation.name)
    lab.ask_hub("update")  # what moves has moved for all that follows
    found = {}
    for operation in operations:
        lab.fresh(operation.name)
        before = papers(lab.project)
        done = lab.command(*operation.words)
        if "reflink" in operation.name and "cannot make a reflink" in done.err:
            tally.skipped.append("sync --link-mode reflink: this file system has none")
            continue
        assert done.status == 0, (operation.name, done)
        found[operation.name] = operation, Reference(before, papers(lab.project), done.received)
    return found


def papers(project: Path) -> tuple[bytes | None, bytes | None]:
    """Manifest and lock, as they are now."""
    manifest, lock = (project / name for name in ("models.toml", "models.lock"))
    return (
        manifest.read_bytes() if manifest.exists() else None,
        lock.read_bytes() if lock.exists() else None,
    )


def must(lab: Lab, line: str) -> None:
    """Runs a command line that has to end well."""
    done = lab.command(*line.split())
    assert done.status == 0, done


def _locked(lab: Lab) -> None:
    """Locked, with what is wanted no more still in the folder."""
    lab.empty(LINKED + SMALL)
    must(lab, "sync")
    (lab.project / "models.toml").write_text(LINKED + BOTH)
    must(lab, "lock")


def synced(lab: Lab, manifest: str) -> None:
    """A project whose models are here, and in its own folder."""
    lab.empty(LINKED + manifest)
    must(lab, "sync")


def _damaged(lab: Lab) -> None:
    """Two of six blocks of a blob are damaged, by a disk."""
    synced(lab, BOTH)
    (blob,) = (path for path in (lab.store / "blobs-v1").glob("*/*") if path.stat().st_size == 1_300_000)
    damage(blob, 300_000, 900_000, drift=True)


def _unneeded(lab: Lab) -> None:
    """Blobs and a view that the lock names no more, a partial, and things that are old."""
    synced(lab, BOTH)
    (lab.project / "models.toml").write_text(LINKED + SMALL)
    must(lab, "sync")
    partial = lab.store / "partials-v1" / ("ab" * 32)
    partial.mkdir(parents=True)
    (partial / "data").write_bytes(bytes(5000))
    for path in (partial / "data", partial):
        os.utime(path, (0, 0))


OPERATIONS: tuple[Operation, ...] = (
    Operation("lock", ("lock",), lambda lab: lab.empty(BOTH + MOVES.removeprefix("[models]\n"))),
    Operation(
        "add", ("add", "still", f"hf:{STILL}:Q4_K_M"), functools.partial(synced, manifest=SMALL), ("sync",)
    ),
    *(
        Operation(f"sync-{mode}", ("sync", "--link-mode", mode), _locked)
        for mode in ("auto", "reflink", "hardlink", "symlink", "copy")
    ),
    Operation("update", ("sync", "-U"), functools.partial(synced, manifest=MOVES)),
    Operation("repair", ("verify", "--repair"), _damaged),
    Operation(
        "pull",
        ("pull", f"hf:{PARTS}:Q4_K_M", f"hf:{STILL}:Q8_0", "--dir", "plain"),
        lambda lab: lab.empty(None),
    ),
    Operation("prune", ("cache", "prune", "--now"), _unneeded),
)

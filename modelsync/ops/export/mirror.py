"""A web mirror: a folder that has files by their digests, for any static server, CDN or bucket.

    <sha256>                   a file
    .modelsync-mirror.json     which lock needs which of them, so that what none needs is removed

Files come from the store as links where the disk can do that. Each appears whole, under its name, at once.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import NotSyncedError
from modelsync.ops.export import models
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.spec.digest import sha256_hex
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.names import printable
from modelsync.store import atomic, clone, small_files, views

RECORD = ".modelsync-mirror.json"
_HINT = "give a folder that you can write, on a disk with space, with --output"
_LEFTOVER = 86_400.0  # seconds after which what a killed process left is removed


class Mirrored(NamedTuple):
    """What an export to a mirror did.

    Attributes:
        put: Digests that were put there.
        there: Digests that were there already.
        removed: Digests that no lock needs any more, and that are gone.
        notes: What a person should be told.
    """

    put: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write(context: Context, project: Project, selection: Selection, folder: Path) -> Mirrored:
    """Makes a folder have the selected models' files by digest, with the other variants that are here.

    An export of the whole project removes what this lock needed before and no lock needs now; one of some names or
    groups removes nothing. Only what an export put there is removed or replaced.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which models.
        folder: The mirror; it is made.

    Raises:
        NotSyncedError: a selected model is not here.
        StoreError: the folder cannot be written.
    """
    project = project.loaded()
    chosen = [model.known.model for model in models.models(context, project, selection)]
    sources = dict(_sources(context, chosen, project.lock.models if project.lock is not None else ()))
    with atomic.told("cannot write the mirror", hint=_HINT):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        needs = _read(folder)
        ours = set().union(*needs.values()) if needs else set()
        key = str(project.lock_path.absolute())
        mine = set(sources) | (set(needs.get(key, ())) if selection.partial else set())
        # What is to come is recorded first: a process that is killed leaves nothing that is never removed.
        _save(folder, {**needs, key: sorted({*mine, *needs.get(key, ())})})
        put, there, notes = _fill(folder, sources, ours)
        _save(folder, needs := {**needs, key: sorted(mine - set(notes))})
        kept = set().union(*needs.values())
        removed = tuple(sorted(name for name in ours - kept if atomic.unlink(folder / name)))
        if put or removed:
            atomic.sync_folder(folder)
    return Mirrored(put, there, removed, tuple(notes.values()))


def _sources(
    context: Context, chosen: Iterable[LockedModel], locked: Iterable[LockedModel]
) -> Iterable[tuple[str, tuple[LockedFile, Path]]]:
    """Each digest with its file and its blob: of the chosen models, and of their variants that are here."""
    chosen = list(chosen)
    names, keys = {model.name for model in chosen}, {model.key for model in chosen}
    others = [model for model in locked if model.name in names and model.key not in keys]
    for model in (*chosen, *others):
        found = list(zip(model.files, views.bytes_of(context.store, model.files), strict=True))
        lacking = next((file for file, blob in found if blob is None), None)
        if lacking is not None and model.key in keys:
            raise NotSyncedError(
                f"{model.title}: {printable(lacking.path)} is not in the store", hint="run `modelsync sync`"
            )
        if lacking is None:
            yield from ((file.sha256, (file, blob)) for file, blob in found if blob is not None)


def _fill(
    folder: Path, sources: Mapping[str, tuple[LockedFile, Path]], ours: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """Puts what is missing; returns what was put, what was there, and a note for each that is in the way."""
    there, notes, missing = [], {}, []
    for sha256, (file, blob) in sorted(sources.items()):
        try:
            seen = (folder / sha256).lstat()
        except FileNotFoundError:
            missing.append((sha256, blob))
            continue
        if stat.S_ISREG(seen.st_mode) and seen.st_size == file.size:
            there.append(sha256)
        elif sha256 in ours and stat.S_ISREG(seen.st_mode):
            missing.append((sha256, blob))
        else:
            notes[sha256] = f"{folder / sha256} stays: it is another file, and modelsync did not put it there"
    pairs = [(sha256, blob, folder / f".{atomic.unique()}.new") for sha256, blob in missing]
    try:
        clone.appear(folder, [(blob, beside) for _, blob, beside in pairs], "auto")
        for sha256, _, beside in pairs:
            atomic.rename(beside, folder / sha256)
            beside.unlink(missing_ok=True)  # of two names of one file, a rename removes neither
    except BaseException:
        for _, _, beside in pairs:
            with suppress(OSError):
                atomic.unlink(beside)
        raise
    return tuple(sha256 for sha256, _ in missing), tuple(there), notes


def _read(folder: Path) -> dict[str, list[str]]:
    """Which lock needs which digests, as the record says."""

    def parse(value: object) -> dict[str, list[str]]:
        assert isinstance(value, dict)
        return {str(lock): [sha256_hex(each) for each in needed] for lock, needed in value["locks"].items()}

    try:
        return small_files.parsed(folder / RECORD, parse) or {}
    except AssertionError:
        return {}


def _save(folder: Path, needs: Mapping[str, list[str]]) -> None:
    import json

    text = json.dumps({"version": 1, "locks": {lock: needs[lock] for lock in sorted(needs)}}, indent=1)
    atomic.write_by(folder / f".{atomic.unique()}.new", folder / RECORD, f"{text}\n".encode())


def _sweep(folder: Path) -> None:
    """Removes what killed processes left, once it is a day old."""
    import time

    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") and name.endswith(".new") and len(name) == len(f".{atomic.unique()}.new"):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_ctime > _LEFTOVER:
                        atomic.unlink(Path(entry.path))

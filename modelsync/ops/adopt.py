"""Adopt: what other tools' caches have of locked models is taken into the store, on purpose. No network."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import CodeRefusedError, ModelsyncError
from modelsync.fetch import adopt
from modelsync.fetch.blobs import fetch
from modelsync.fetch.places import NeighbourPlace
from modelsync.fetch.wanted import WantedFile, wanted_files
from modelsync.project import lookup
from modelsync.project.project import LoadedProject, Project
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.manifest.model import AllowedCode
from modelsync.store import blobs, roots
from modelsync.store.brought import Brought


class Adoptable(NamedTuple):
    """A locked file that the store lacks, and where another tool may have it.

    Attributes:
        model: The model's name.
        path: The file's path in its repo, or its name.
        sha256: Its digest, in hex.
        bytes: Its size.
        place: The place in words; None: no other tool seems to have it.
        found: The file there.
    """

    model: str
    path: str
    sha256: str
    bytes: int
    place: str | None = None
    found: Path | None = None


class AdoptReport(NamedTuple):
    """What could be taken, what was, and notes for a person."""

    rows: tuple[Adoptable, ...]
    taken: tuple[Brought, ...] = ()
    notes: tuple[str, ...] = ()


def adopt_locked(context: Context, projects: Sequence[Project], *, dry_run: bool = False) -> AdoptReport:
    """Takes what other tools have of the locked models of some projects, all variants, and what the store lacks.

    A file of theirs that has other bytes than the lock says is left out. So is one that can run code, unless the
    manifest's entry permits it.

    Args:
        context: What to work with.
        projects: The projects; one may have a lock alone.
        dry_run: Take nothing; say what could be.

    Raises:
        StaleLockError: a lock is not there.
        LockfileError: one cannot be read, or contradicts itself.
        ManifestError: the manifest beside one cannot be read.
        DiskFullError: there is no room for what has to be copied.
    """
    locks = [(one, lookup.require_lock(one, one.lock)) for one in (each.loaded() for each in projects)]
    rows: dict[str, Adoptable] = {}
    needs: list[WantedFile] = []
    for project, lock in locks:
        allowed = _allowed(project)
        for model in lock.models:
            missing = [file for file in _missing(context, model) if file.sha256 not in rows]
            for file in missing:
                row = Adoptable(model.name, file.path, file.sha256, file.size)
                for candidate in adopt.find(context, file)[:1]:
                    row = row._replace(place=candidate.place, found=candidate.path)
                rows[file.sha256] = row
            offered = [file for file in missing if rows[file.sha256].found is not None]
            needs += wanted_files(context, model, offered, project.root, allowed.get(model.key, ()))
    report = AdoptReport(tuple(rows.values()))
    if dry_run or not needs:
        return report
    for project, lock in locks:
        roots.write(context.store, project.lock_path, lock.digests, named=lock.digests)

    refused: list[str] = []

    def passed_over(need: WantedFile, error: ModelsyncError) -> None:
        if isinstance(error, CodeRefusedError):
            refused.append(f"left out: {error.message}")
        else:
            context.detail(f"{need.label}: {error.message}")

    done = fetch(context, needs, on_error=passed_over, tried=(NeighbourPlace(context),))
    return report._replace(taken=done.brought, notes=(*done.notes, *refused))


def _allowed(project: LoadedProject) -> AllowedCode:
    """What the entries of a project's manifest permit; nothing where there is no manifest."""
    return project.manifest.allowed_code if os.path.lexists(project.manifest_path) else {}


def _missing(context: Context, model: LockedModel) -> list[LockedFile]:
    return [file for file in model.files if blobs.state(context.store, file.sha256, file.size) == "missing"]

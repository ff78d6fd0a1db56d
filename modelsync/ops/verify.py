"""Verify: what is on this machine is hashed again, against the seals or against the lock's own digests."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.context import Context
from modelsync.fetch.wanted import label
from modelsync.fit import variants
from modelsync.install import plan
from modelsync.install.check import check_copy
from modelsync.project import lookup
from modelsync.project.project import LoadedProject, Project
from modelsync.project.selection import Groups, Selection
from modelsync.spec.blocks import Span
from modelsync.spec.lock.model import LockedModel
from modelsync.store import links
from modelsync.store import verify as store_verify
from modelsync.store.verify import BlobCheck

ALL = Selection()

Status = Literal["ok", "missing", "damaged", "repaired"]


class VerifiedFile(NamedTuple):
    """One file that was looked at.

    Attributes:
        name: Whose it is.
        variant: Of which variant.
        file: What it is called.
        status: How it is.
        size: Bytes that it should have.
        path: Where it is.
        damaged: Where it is damaged, as offsets of whole blocks; empty where that is not known, too.
        sha256: What it should hash to.
    """

    name: str
    variant: str | None
    file: str
    status: Status
    size: int
    path: Path | None
    damaged: tuple[Span, ...] = ()
    sha256: str = ""


class Checked(NamedTuple):
    """What a verification found.

    Attributes:
        rows: Each file.
        findings: What each blob was found to be, by digest.
        ill: The models of which a file is not as it should be.
    """

    rows: tuple[VerifiedFile, ...]
    findings: Mapping[str, BlobCheck]
    ill: tuple[LockedModel, ...]


def verify(
    context: Context,
    project: Project,
    selection: Selection = ALL,
    *,
    full: bool = False,
) -> tuple[VerifiedFile, ...]:
    """Hashes the files of models that are here, in the store and in the project's folder.

    A damaged file is not trusted from then on: the next sync fetches what of a blob is damaged, and puts a link there
    anew.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which models; without names: all groups.
        full: Hash with SHA-256 against the lock, not with BLAKE3 against the seal.

    Raises:
        StaleLockError: there is no lock, or a model that is meant is not in it.
        StoreError: a file cannot be read.
    """
    project = project.loaded()
    models = locked(context, project, selection)
    return check(context, models, project.folder(project.manifest), full=full).rows


def locked(context: Context, project: LoadedProject, selection: Selection) -> tuple[LockedModel, ...]:
    """What the lock says of the models that are meant. Arguments and errors as with `verify`."""
    lock = lookup.require_lock(project, project.lock)
    if not selection.names:
        selection = selection._replace(groups=Groups(everything=True))
    entries = variants.selected(context, project, selection)
    return lookup.locked_models(project, lock, entries)


def check(
    context: Context, models: Iterable[LockedModel], folder: Path | None, *, full: bool = False
) -> Checked:
    """Hashes the files of locked models, in the store and in `folder`, the project's; each blob once.

    Raises:
        StoreError: a file cannot be read.
    """
    rows: list[VerifiedFile] = []
    findings: dict[str, BlobCheck] = {}
    ill: list[LockedModel] = []
    for model in models:
        seen = len(rows)
        for file, target in plan.link_targets(model):
            told = context.teller(label(model.name, file.path), file.size, "checking")
            if file.sha256 not in findings:
                findings[file.sha256] = store_verify.verify(
                    context.store, file.sha256, full=full, on_bytes=told
                )
            found = findings[file.sha256]
            blob = found.path
            status: Status = "ok" if found.state == "good" else found.state
            row = VerifiedFile(
                model.name, model.variant, file.path, status, file.size, blob, found.damaged, file.sha256
            )
            rows.append(row)
            if folder is not None and (linked := folder / target).is_file() and not _same(linked, blob):
                good, where = check_copy(context, linked, file, full=full, on_bytes=told)
                if not good:
                    links.distrust(folder, target)
                status = "ok" if good else "damaged"
                rows.append(row._replace(file=target, status=status, path=linked, damaged=where))
        if any(row.status != "ok" for row in rows[seen:]):
            ill.append(model)
    return Checked(tuple(rows), findings, tuple(ill))


def _same(path: Path, blob: Path | None) -> bool:
    return blob is not None and path.samefile(blob)

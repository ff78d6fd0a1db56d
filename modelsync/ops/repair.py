"""Repair: what is damaged or missing is put right, and of a damaged file only its damaged blocks are fetched.

The good blocks are copied from the damaged file, the others come by ranges, and the sha256 of the whole decides, as for
any file that is fetched. Views and links that led to the damaged file are made again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from modelsync.context import OFFLINE_HINT, Context
from modelsync.errors import CancelledError, ModelsyncError, OfflineError, StoreError
from modelsync.fetch.blobs import FetchTotals
from modelsync.install import plan, present
from modelsync.install import target as install_target
from modelsync.install.execute import carry_out
from modelsync.install.snapshot import look
from modelsync.install.target import Target
from modelsync.ops import verify
from modelsync.ops.verify import ALL, Checked, VerifiedFile
from modelsync.project import lookup
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.spec.lock.model import LockedModel
from modelsync.store import blobs, links, roots
from modelsync.store.verify import BlobCheck


class Repaired(NamedTuple):
    """The result of a repair.

    Attributes:
        rows: Each file that was looked at; where it was damaged, too.
        fetched: Bytes that came over the network.
        reused: Bytes that were copied from what was good.
        notes: What a person should be told.
        error: Why something could not be repaired, or None.
    """

    rows: tuple[VerifiedFile, ...]
    fetched: int = 0
    reused: int = 0
    notes: tuple[str, ...] = ()
    error: ModelsyncError | None = None


def repair(
    context: Context,
    project: Project,
    selection: Selection = ALL,
    *,
    full: bool = False,
) -> Repaired:
    """Like `verify.verify`; then repairs what is damaged or missing.

    Others are repaired when one cannot be.

    Raises:
        StaleLockError: there is no lock, or a model that is meant is not in it.
        StoreError: a file cannot be read.
    """
    project = project.loaded()
    lock = lookup.require_lock(project, project.lock)
    models = verify.locked(context, project, selection)
    folder = project.folder(project.manifest)
    checked = verify.check(context, models, folder, full=full)
    if not checked.ill:
        return Repaired(checked.rows)
    target = install_target.target_of(project, project.manifest, None, "auto")
    if target is not None:
        _claim(target, checked)
    roots.write(context.store, project.lock_path, lock.digests, named=lock.digests)
    done, error = FetchTotals(), None
    try:
        done = _mend(context, project, checked.ill, target, checked.findings)
    except CancelledError:
        raise
    except ModelsyncError as failure:
        error = failure
        if isinstance(failure, OfflineError):
            error = OfflineError(
                "what is damaged has to be fetched, and the network is ruled out", hint=OFFLINE_HINT
            )
        for model in checked.ill:  # those that came all the same
            if present.state(context, model, None) == "here":
                with suppress(StoreError):
                    _mend(context, project, [model], target, {})
    rows = tuple(_after(context, row, target) for row in checked.rows)
    return Repaired(rows, done.fetched, done.reused, done.notes, error)


def _mend(
    context: Context,
    project: Project,
    models: Sequence[LockedModel],
    target: Target | None,
    findings: Mapping[str, BlobCheck],
) -> FetchTotals:
    """Does for the models what a sync would, but hashes nothing again of which there is a finding.

    Nothing is asked of `fit.preflight`: one model that does not fit must not keep the others damaged.
    """
    here = look(context, models, target)
    steps = plan.make(models, here, linked=target is not None, exact=False)
    return carry_out(context, steps, project.root, target, findings)


def _claim(target: Target, checked: Checked) -> None:
    """Marks links to damaged blobs for replacement."""
    for model in checked.ill:
        for file, path in plan.link_targets(model):
            finding = checked.findings[file.sha256]
            damaged = finding.path if finding.state == "damaged" else None
            if damaged is not None and (target.folder / path).is_file():
                links.distrust(target.folder, path, blob=damaged)


def _after(context: Context, row: VerifiedFile, target: Target | None) -> VerifiedFile:
    """A row as it is after the repair."""
    if row.status == "ok":
        return row
    if target is not None and row.path == target.folder / row.file:
        record = links.owned(target.folder).get(row.file)
        right = record is not None and record.sha256 == row.sha256
        return row._replace(status="repaired") if right else row
    blob = blobs.find(context.store, row.sha256, row.size)
    return row._replace(status="repaired", path=blob) if blob is not None else row

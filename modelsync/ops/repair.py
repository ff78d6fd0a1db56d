"""Repair: what is damaged or missing is put right, and of a damaged file only its damaged blocks are fetched.

The good blocks are copied from the damaged file, the others come by ranges, and the sha256 of the whole decides, as for
any file that is fetched. Views and links that led to the damaged file are made again.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
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
from modelsync.ops.failures import Failures
from modelsync.ops.verify import ALL, Checked, VerifiedFile
from modelsync.project import license_check, lookup
from modelsync.project.project import LoadedProject, Project
from modelsync.project.selection import Selection
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.names import printable
from modelsync.store import blobs, link_findings, link_folder, links, roots, swap
from modelsync.store.brought import Brought
from modelsync.store.checked import condemned
from modelsync.store.verify import BlobCheck


class Repaired(NamedTuple):
    """The result of a repair.

    Attributes:
        rows: Each file that was looked at; where it was damaged, too.
        fetched: Bytes that came over the network.
        reused: Bytes that were copied from what was good.
        notes: What a person should be told.
        error: Why something could not be repaired, or None.
        brought: What came into the store, and from where.
    """

    rows: tuple[VerifiedFile, ...]
    fetched: int = 0
    reused: int = 0
    notes: tuple[str, ...] = ()
    error: ModelsyncError | None = None
    brought: tuple[Brought, ...] = ()


def repair(
    context: Context,
    project: Project,
    selection: Selection = ALL,
    *,
    full: bool = False,
) -> Repaired:
    """Like `verify.verify`; then repairs what is damaged or missing.

    Others are repaired when one cannot be.

    What the project's `allowed-licenses` refuses is not repaired: that is the error, if there is no other.

    Raises:
        StaleLockError: there is no lock, or a model that is meant is not in it.
        StoreError: a file cannot be read.
    """
    project = project.loaded()
    lock = lookup.require_lock(project, project.lock)
    context.use_mirrors(project.manifest.mirrors)
    checked = verify.check(context, project, selection, full=full)
    target = install_target.target_of(project, project.manifest, None, "auto")
    if target is not None:
        link_folder.sweep(target.folder)  # also where nothing is to be repaired
    refused = _refused(project, checked)
    checked = checked._replace(
        faulty=tuple(model for model in checked.faulty if model.title not in refused),
        others=tuple(model for model in checked.others if model.title not in refused),
    )
    if not checked.faulty and not checked.others:
        return Repaired(checked.rows, error=refused.first())
    before: frozenset[Path] = frozenset()
    if target is not None:
        target = target._replace(repairs=True)
        before = _set_aside(target, checked)
        _claim(target, checked)
    roots.write(context.store, project.lock_path, lock.digests, named=lock.digests)
    done, error = FetchTotals(), None
    works: tuple[Callable[[], FetchTotals], ...] = (
        lambda: _distrust(context, target, checked),
        lambda: _mend(context, project, checked.faulty, target, checked.findings),
        lambda: _mend_others(context, project, checked, target),
    )
    for work in works:
        try:
            done = _added(done, work())
        except CancelledError:
            raise
        except ModelsyncError as failure:
            error = error or failure
    if error is not None:
        if isinstance(error, OfflineError):
            error = OfflineError(
                "what is damaged has to be fetched, and the network is ruled out", hint=OFFLINE_HINT
            )
        for model in checked.faulty:  # those that came all the same
            if present.state(context, model, None) == "here":
                with suppress(StoreError):
                    _mend(context, project, [model], target, {})
    rows = tuple(_after(context, row, target) for row in checked.rows)
    kept = sorted(_set_aside(target, checked) - before) if target is not None else ()
    notes = tuple(f"what was changed is kept as {printable(str(path))}" for path in kept)
    return Repaired(
        rows, done.fetched, done.reused, done.notes + notes, error or refused.first(), done.brought
    )


def _refused(project: LoadedProject, checked: Checked) -> Failures:
    """Those that the project's `allowed-licenses` refuses: a repair fetches no more of them than a sync does."""
    failures = Failures(project)
    entries = {entry.key: entry for entry in project.manifest.entries}
    pairs = [
        (entries[model.key], model) for model in (*checked.faulty, *checked.others) if model.key in entries
    ]
    for entry, error in license_check.refusals(project.manifest, pairs):
        failures.add(entry.title, error, entry)
    return failures


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
    allowed = project.loaded().manifest.allowed_code
    return carry_out(context, steps._replace(allowed=allowed), project.root, target, findings)


def _mend_others(context: Context, project: Project, checked: Checked, target: Target | None) -> FetchTotals:
    """Repairs what is here of variants that were not asked for; brings nothing else of them."""
    here = look(context, checked.others, target)
    steps = plan.make(checked.others, here, linked=target is not None, exact=False).steps
    known = links.owned(target.folder) if target is not None else {}
    damaged = {row.sha256 for row in checked.rows if row.status == "damaged"}
    kept = (
        step
        for step in steps
        if step.file is not None
        and step.file.sha256 in damaged
        and (step.verb != "link" or step.target in known)
    )
    steps_left = plan.Plan(tuple(kept), project.loaded().manifest.allowed_code)
    return carry_out(context, steps_left, project.root, target, checked.findings)


def _distrust(context: Context, target: Target | None, checked: Checked) -> FetchTotals:
    """Marks files that were found damaged in a folder that could not be written then.

    Raises:
        StoreError: it still cannot.
    """
    if target is not None:
        bad = {path: seen for path, seen in _damaged(target, checked) if _is_condemned(context, target, path)}
        if bad:
            link_findings.distrust(target.folder, bad)
    return FetchTotals()


def _damaged(target: Target, checked: Checked) -> Iterator[tuple[str, os.stat_result]]:
    """The damaged files in the folder, and how they look."""
    for row in checked.rows:
        if row.status == "damaged" and row.path == target.folder / row.file:
            with suppress(OSError):
                yield row.file, row.path.stat()


def _is_condemned(context: Context, target: Target, path: str) -> bool:
    try:
        return condemned(context.store, target.folder, path, (target.folder / path).stat())
    except OSError:
        return False


def _added(one: FetchTotals, other: FetchTotals) -> FetchTotals:
    return FetchTotals(
        one.fetched + other.fetched,
        one.reused + other.reused,
        one.notes + other.notes,
        one.brought + other.brought,
    )


def _claim(target: Target, checked: Checked) -> None:
    """Marks links to damaged blobs for replacement; what a person wrote through a symbolic link is kept first."""
    for model in (*checked.faulty, *checked.others):
        for file, path in plan.link_targets(model):
            finding = checked.findings[file.sha256]
            if finding.state == "damaged" and finding.path is not None:
                written = link_findings.written_through(target.folder, [path], finding.path)
                link_findings.keep(target.folder, written, finding.path)
                names = link_findings.names_of(target.folder, [path], finding.path)
                if names:
                    link_findings.distrust(target.folder, names)


def _set_aside(target: Target, checked: Checked) -> frozenset[Path]:
    """What was changed and got another name to make room, so far."""
    places = {target.folder / row.file for row in checked.rows if row.status == "damaged"}
    for model in (*checked.faulty, *checked.others):
        places |= {target.folder / path for _, path in plan.link_targets(model)}
    return frozenset(other for place in places for other in swap.set_aside_as(place))


def _after(context: Context, row: VerifiedFile, target: Target | None) -> VerifiedFile:
    """A row as it is after the repair."""
    if row.status in ("ok", "superseded"):
        return row
    if target is not None and row.path == target.folder / row.file:
        record = links.owned(target.folder).get(row.file)
        right = (
            record is not None
            and record.sha256 == row.sha256
            and links.intact(target.folder, row.file, record)
            and not _is_condemned(context, target, row.file)
        )
        return row._replace(status="repaired") if right else row
    blob = blobs.find(context.store, row.sha256, row.size)
    return row._replace(status="repaired", path=blob) if blob is not None else row

"""Carrying out a plan: blobs, then views, then links, and removals last."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError, NotSyncedError, StoreError
from modelsync.fetch import disk_space
from modelsync.fetch import wanted as fetch_wanted
from modelsync.fetch.blobs import FetchTotals, fetch
from modelsync.fetch.file_check import check_blobs
from modelsync.install import plan
from modelsync.install.check import check_blob
from modelsync.install.link import LostBlobError, link
from modelsync.install.plan import Plan, Step
from modelsync.install.target import Standing, Target
from modelsync.spec.blocks import describe_damage
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.manifest.model import AllowedCode
from modelsync.store import blobs, links, views
from modelsync.store.brought import Brought
from modelsync.store.verify import BlobCheck

if TYPE_CHECKING:
    from modelsync.transfer.jobs import Guess


T = TypeVar("T")

NOTHING = Standing()
_TRIES = 2  # against other processes that empty the store

Damage: TypeAlias = tuple[Step, BlobCheck]  # the check of a blob, and what came of it


def carry_out(
    context: Context,
    steps: Plan,
    folder: Path,
    target: Target | None,
    known: Mapping[str, BlobCheck] = {},
    copies: Sequence[tuple[Path, int]] = (),
    linked: Path | None = None,
    on_error: "Callable[[LockedModel, ModelsyncError], None] | None" = None,
    standing: Standing = NOTHING,
) -> FetchTotals:
    """Takes the steps of a plan, in their order.

    Args:
        context: What to work with.
        steps: The plan.
        folder: The manifest's, for relative `file:` paths.
        target: Where links go.
        known: What suspect blobs were found to be, by digest; others are hashed.
        copies: What else will be written afterwards; see `disk_space.require`.
        linked: The project's folder, where that is not the target's; see `check_blob`.
        on_error: Called for each model that cannot be had, in place of raising; the others go on. What is linked of
            a model that could not be fetched stays.
        standing: What stands where files are to appear afterwards; with a target, what stands there counts.
    """
    allowed = steps.allowed
    lost: dict[int, str] = {}  # the name of each model that cannot be had

    def fail(model: LockedModel, error: ModelsyncError) -> None:
        if on_error is None or isinstance(error, CancelledError):
            raise error
        lost[id(model)] = model.name
        on_error(model, error)

    def on_lost(need: fetch_wanted.WantedFile, error: ModelsyncError) -> None:
        for model in {id(step.model): step.model for step in steps.steps if step.model is not None}.values():
            if any(file.sha256 == need.file.sha256 for file in model.files):
                fail(model, error)

    fetched, reused = 0, 0
    notes: tuple[str, ...] = ()
    came: tuple[Brought, ...] = ()
    damaged: list[Damage] = []
    brought_now: set[str] = set()
    linked = linked or (target.folder if target is not None else None)
    for step in steps.of("check"):
        finding = known.get(step.target) or check_blob(context, step, linked)
        if finding.state == "good":
            reused += step.bytes
        else:
            damaged.append((step, finding))
    if missing := (*(step for step, _ in damaged), *steps.of("adopt", "fetch")):
        from modelsync.fetch.misplaced import notes_on

        damaged = _with_room(context, damaged, sum(step.bytes for step in missing))
        if target is not None:
            standing = _standing(missing, target)
        needs = [
            need._replace(copies=(standing.files[sha256],), folder=standing.folder)
            if (sha256 := need.file.sha256 or "") in standing.files
            else need
            for need in _needs(context, missing, folder, damaged, allowed)
        ]
        brought_now |= {need.file.sha256 or "" for need in needs}
        copies = (*copies, *_copies(context, steps.of("link"), target))
        brought = fetch(context, needs, copies=copies, on_error=on_lost if on_error is not None else None)
        fetched, reused = fetched + brought.fetched, reused + brought.reused
        came = brought.brought
        notes = brought.notes + notes_on(context, ((need, need.file.sha256) for need in needs))

    def bring(models: Sequence[LockedModel]) -> None:
        nonlocal fetched, reused, came
        brought = _bring_again(context, models, folder, allowed)
        fetched, reused, came = (
            fetched + brought.fetched,
            reused + brought.reused,
            came + brought.brought,
        )

    shown = (step.model for step in steps.of("view", "link") if step.model is not None)
    for model in {id(model): model for model in shown}.values():
        if id(model) not in lost:
            try:
                check_blobs(context, model, allowed.get(model.key, ()), brought_now)
            except ModelsyncError as error:
                fail(model, error)
    for model in (step.model for step in steps.of("view") if step.model is not None):
        if id(model) not in lost:
            try:
                _unless_lost(context, partial(views.make, context.store, model.files), [model], bring)
            except ModelsyncError as error:
                fail(model, error)
    missed = set(lost.values())
    failed: StoreError | None = None
    if target is not None:
        ready = [step for step in steps.of("link") if id(step.model) not in lost]
        try:
            notes += _link_each(context, ready, target, fail if on_error is not None else None, bring)
        except StoreError as error:  # what is wanted no more goes all the same
            failed = error
    paths = [step.target for step in steps.of("unlink") if step.target.partition("/")[0] not in missed]
    if target is not None and paths:
        left = set(paths) - set(links.remove(target.folder, paths, inside=target.inside))
        left = {path for path in left if _is_file(target.folder / path)}  # else its place was needed
        notes += tuple(
            f"{path} stays: modelsync did not put it there, or it was changed since" for path in sorted(left)
        )
    if failed is not None:
        raise failed
    return FetchTotals(fetched, reused, notes + tuple(_told(*each) for each in damaged), came)


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _unless_lost(
    context: Context,
    work: Callable[[], T],
    models: Sequence[LockedModel],
    bring: "Callable[[Sequence[LockedModel]], None]",
) -> T:
    """What `work` gives; once more where another process emptied the store meanwhile.

    Args:
        context: What to work with.
        work: Needs the blobs of the models.
        models: The models.
        bring: Brings what is missing of them.
    """
    for _ in range(_TRIES):
        try:
            return work()
        except (NotSyncedError, LostBlobError):
            if not context.may_fetch:
                raise
            bring(models)
    return work()


def _bring_again(
    context: Context, models: Sequence[LockedModel], folder: Path, allowed: AllowedCode
) -> FetchTotals:
    """Fetches the blobs of the models that are not in the store any more."""
    missing = {
        file.sha256: Step("fetch", model, file.sha256, file, file.size)
        for model in models
        for file in model.files
        if blobs.find(context.store, file.sha256, file.size) is None
    }
    if not missing:
        return FetchTotals()
    brought = fetch(context, list(_needs(context, list(missing.values()), folder, (), allowed)))
    for model in models:  # its view went too
        with suppress(NotSyncedError):
            views.make(context.store, model.files)
    return brought


def _with_room(context: Context, damaged: Sequence[Damage], size: int) -> list[Damage]:
    """What is damaged, without that for which the disk has no room beside what takes its place."""
    from modelsync.system.disks import has_space

    if not damaged or has_space(context.store.root, size):
        return list(damaged)
    for step, _ in damaged:
        blobs.discard(context.store, step.target)
    return [(step, BlobCheck("damaged", found=finding.found)) for step, finding in damaged]


def _told(step: Step, finding: BlobCheck) -> str:
    """What became of a damaged blob."""
    name = step.file.path if step.file is not None else step.target
    if not finding.good:
        return f"{name}: damaged in the store, fetched again"
    if not finding.damaged:
        return f"{name}: longer than it should be, mended"
    return (
        f"{name}: {describe_damage(finding.size or 0, finding.damaged)} damaged in the store, fetched again"
    )


def _needs(
    context: Context,
    steps: Sequence[Step],
    folder: Path,
    damaged: Sequence[Damage],
    allowed: AllowedCode,
) -> list[fetch_wanted.WantedFile]:
    by_model: dict[int, tuple[LockedModel, list[LockedFile]]] = {}
    for step in steps:
        assert step.model is not None
        assert step.file is not None
        by_model.setdefault(id(step.model), (step.model, []))[1].append(step.file)
    good = {step.target: _guesses(finding) for step, finding in damaged}
    needs = []
    for model, files in by_model.values():
        for need in fetch_wanted.wanted_files(context, model, files, folder, allowed.get(model.key, ())):
            sha256 = need.file.sha256 or ""
            needs.append(need._replace(guesses=good.get(sha256, ())))
    return needs


def _standing(steps: Sequence[Step], target: Target) -> Standing:
    """The files in the target's folder that are adopted."""
    files = {
        step.target: target.folder / path
        for step in steps
        if step.verb == "adopt" and step.model is not None
        for file, path in plan.link_targets(step.model)
        if file.sha256 == step.target and disk_space.has_size(target.folder / path, file.size)
    }
    return Standing(f"{target.folder.name}/", files)


def _guesses(finding: BlobCheck) -> "tuple[Guess, ...]":
    """The good blocks of a damaged blob: nothing has to be asked to believe them, and the digest decides."""
    from modelsync.transfer.jobs import Guess

    if finding.path is None:
        return ()
    return tuple(Guess(start, end - start, finding.path, start, probe=False) for start, end in finding.good)


def _copies(context: Context, steps: Sequence[Step], target: Target | None) -> list[tuple[Path, int]]:
    if target is None:
        return []
    files = [(step.target, step.file.size) for step in steps if step.file is not None]
    return disk_space.of_copies(context.store, target.folder, target.mode, files)


def _link_each(
    context: Context,
    steps: Sequence[Step],
    target: Target,
    fail: "Callable[[LockedModel, ModelsyncError], None] | None",
    bring: "Callable[[Sequence[LockedModel]], None]",
) -> tuple[str, ...]:
    """Links the files of the steps together; where that fails, model by model, so that the others go on."""
    models = list({id(step.model): step.model for step in steps if step.model is not None}.values())
    try:
        return _unless_lost(context, partial(_link, context, steps, target), models, bring)
    except ModelsyncError as error:
        if fail is None or isinstance(error, CancelledError):
            raise
    notes: dict[str, None] = {}
    for model in models:
        try:
            mine = [step for step in steps if step.model is model]
            linked = _unless_lost(context, partial(_link, context, mine, target), [model], bring)
            notes |= dict.fromkeys(linked)
        except ModelsyncError as error:
            fail(model, error)
    return tuple(notes)


def _link(context: Context, steps: Sequence[Step], target: Target) -> tuple[str, ...]:
    """Links the files of the steps; returns notes."""
    files = [(step.file, step.target) for step in steps if step.file is not None]
    used = link(context, target, files) if files else ()
    if target.mode == "auto" and "copy" in used and not target.repairs:
        return (f"{target.folder.name}/ is on another file system than the store: the files are copies",)
    return ()

"""What a memo answers, and when one is kept. Light: nothing of manifest or lock is imported to ask."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from modelsync.context import Context
from modelsync.fit import variants
from modelsync.fit.variants import AUTO
from modelsync.project.model_files import ModelFiles, arranged
from modelsync.project.project import LoadedProject, Project
from modelsync.store import sync_memo


def files(context: Context, project: Project, name: str, variant: str | None) -> ModelFiles | None:
    """The files of a model, if the last sync's memo still knows them; None where the lock has to be asked."""
    memo = sync_memo.recall(context.store, _subject(context, project))
    known = memo.models.get(name) if memo is not None else None
    if memo is None or known is None:
        return None
    of, files = known
    default = context.settings.variant
    if (variant or default) == AUTO:
        right = memo.variant == _asked(AUTO)
    else:
        # Without a variant, the default where the model has it: what has it not was synced as itself.
        as_default = variant is None and (of == default or (of is None and memo.variant == default))
        right = as_default or (variant is not None and of == variant)
    stamps = {path: memo.outputs.get(path) for _, *both in files for path in both}
    if not right or not sync_memo.still_there(stamps):
        return None
    if not all(stamps[path] and sync_memo.is_ours(context.store, memo, path) for _, path, _ in files):
        return None
    with suppress(LookupError):  # roles that a memo made up
        return arranged([role for role, _, _ in files], [Path(path) for _, path, _ in files])
    return None


def nothing_to_do(context: Context, project: Project, variant: str | None) -> bool:
    """Whether a bare sync would find everything as the last one left it."""
    memo = sync_memo.recall(
        context.store, _subject(context, project), lambda memo: sweep(project, memo.inputs)
    )
    return memo is not None and memo.variant == _asked(variant) and sync_memo.still_there(memo.outputs)


def sweep(project: Project, inputs: Iterable[str] = ()) -> None:
    """Removes what killed processes left in a project's folders, once it is a day old.

    Args:
        project: The project.
        inputs: What its memo depends on: the record of the folder that it links into is among them.
    """
    from modelsync.project import write
    from modelsync.store import link_folder, link_record

    if project.package is None:
        for path in (project.manifest_path, project.lock_path):
            write.sweep(path)
    for record in (Path(path) for path in inputs):
        if record.name == link_record.RECORD:
            link_folder.sweep(record.parent)


def keep(context: Context, project: LoadedProject, variant: str | None) -> None:
    """Keeps a memo, if a bare sync has nothing to do now. That none can be kept is no error."""
    from modelsync.errors import ModelsyncError

    with suppress(OSError, ModelsyncError):
        memo = _made(context, project, variant)
        if memo is not None:
            sync_memo.write(context.store, memo)


def _made(context: Context, project: LoadedProject, variant: str | None) -> sync_memo.Memo | None:
    """The memo of a bare sync, if it has nothing to do. Stamps are taken before what they stamp is read."""
    from modelsync.install import plan, present, snapshot, stale_links
    from modelsync.install import target as install_target
    from modelsync.project import freshness, lookup
    from modelsync.project.selection import Selection
    from modelsync.store import link_record, roots

    manifest, lock = project.manifest, project.lock
    inputs = dict(project.stamps)
    target = install_target.target_of(project, manifest, None, "auto")
    if target is not None:
        inputs |= sync_memo.stamps((target.folder / link_record.RECORD,))
    if stale_links.left_behind(context, project, target):
        return None
    if lock is None or not freshness.compare(manifest, lock).fresh:
        return None
    chosen = variants.selected(context, project, Selection(variant=variant), fetch=True)
    if not all(sure for _, sure in context.decided.values()):
        return None
    models = lookup.locked_models(project, lock, chosen)
    known = {}
    outputs: list[str | Path] = []
    root = roots.place(context.store, project.lock_path, lock.digests)
    kept = sync_memo.stamp(root)
    for model in models:
        shown = present.in_store(context, model.files) or ()
        linked = shown
        if target is not None:
            linked = tuple((target.folder / path).absolute() for _, path in plan.link_targets(model))
        receipts = [context.store.receipt_path(file.sha256) for file in model.files]
        outputs += [*shown, *linked, *receipts]
        known[model.name] = (
            model.variant,
            tuple(
                (file.role, str(path), str(receipt))
                for file, path, receipt in zip(model.files, linked, receipts, strict=False)
            ),
        )
    stamps = sync_memo.stamps(outputs)
    steps = plan.make(models, snapshot.look(context, models, target), linked=target is not None, exact=True)
    if steps.steps or kept is None:
        return None
    return sync_memo.Memo(
        _subject(context, project), _asked(variant), inputs, stamps, (str(root), kept[0], kept[2]), known
    )


def _asked(variant: str | None) -> str | None:
    """What a memo calls the variant that was asked for: `auto` means something else on another machine."""
    if variant != AUTO:
        return variant
    from modelsync.system import devices
    from modelsync.version import __version__

    return f"{AUTO} {__version__} {devices.fingerprint()}"


def _subject(context: Context, project: Project) -> tuple[str, ...]:
    """What a sync of the project is about, apart from its files: its package, and the other stores."""
    return (str(project.manifest_path), project.package or "", *map(str, context.store.readonly))

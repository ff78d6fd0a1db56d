"""What a memo answers, and when one is kept. Light: nothing of manifest or lock is imported to ask."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.fit import variants
from modelsync.project.model_files import ModelFiles, arranged, of_model
from modelsync.project.project import LoadedProject, Project
from modelsync.store import sync_memo

if TYPE_CHECKING:
    from modelsync.project.selection import Variant


def files(context: Context, project: Project, name: str, variant: "Variant") -> ModelFiles | None:
    """The files of a model, if the last sync's memo still knows them; None where the lock has to be asked."""
    memo = sync_memo.recall(context.store, _subject(context, project))
    known = memo.models.get(name) if memo is not None else None
    if memo is None or known is None or (context.hf_cache_asked and not _is_given(context, memo)):
        return None
    of, folder, files = known
    right = (variant is None and context.settings.variant is None) or _is_asked(
        context, name, variant, of, memo.variant
    )
    stamps = {path: memo.outputs.get(path) for _, *both in files for path in both}
    if not right or not sync_memo.still_there(stamps):
        return None
    if not all(stamps[path] and sync_memo.is_ours(context.store, memo, path) for _, path, _ in files):
        return None
    if folder is not None and not all(path.startswith(folder + os.sep) for _, path, _ in files):
        return None
    if any(_condemned(context, Path(record), [path for _, path, _ in files]) for record in memo.inputs):
        return None
    with suppress(LookupError):  # roles that a memo made up
        paths = [Path(path) for _, path, _ in files]
        return arranged([role for role, _, _ in files], paths, Path(folder) if folder is not None else None)
    return None


def _condemned(context: Context, record: Path, paths: Iterable[str]) -> bool:
    """Whether one of the files was found damaged, in a folder whose record, if that is one, cannot be told."""
    folder = record.parent
    if os.access(folder, os.W_OK):
        return False
    from modelsync.store import checked, link_record

    seen = {Path(path): sync_memo.stat_of(path) for path in paths if record.name == link_record.RECORD}
    return any(
        look is not None
        and path.is_relative_to(folder)
        and checked.condemned(context.store, folder, path.relative_to(folder).as_posix(), look)
        for path, look in seen.items()
    )


def nothing_to_do(context: Context, project: Project, variant: "Variant", *, as_synced: bool = False) -> bool:
    """Whether a sync of the whole project would find everything as the last one left it.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        variant: What is asked for.
        as_synced: See `SyncOptions`: then any variant that was synced is right where none is asked.
    """
    memo = sync_memo.recall(
        context.store, _subject(context, project), lambda memo: sweep(project, memo.inputs)
    )
    if memo is None:
        return False
    any_variant = as_synced and variant is None and context.settings.variant is None
    right = any_variant or (memo.variant == _asked(context, variant) and _have(memo, variant))
    return right and sync_memo.still_there(memo.outputs) and _is_given(context, memo)


def _is_given(context: Context, memo: sync_memo.Memo) -> bool:
    """Whether other tools' caches have what they are to have."""
    asked = context.hf_cache_asked
    if not (memo.links_into if asked is None else asked):
        return True
    return memo.given is not None and sync_memo.still_there(memo.given)


def _have(memo: sync_memo.Memo, variant: "Variant") -> bool:
    """Whether models of a memo have what a flag asks for: a word that none has is an error of the flag alone."""
    if variant is None:
        return True
    from modelsync.project.selection import AUTO, choice_of

    return set(choice_of(variant).plain) <= {AUTO, *(of for of, _, _ in memo.models.values())}


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


def keep(
    context: Context,
    project: LoadedProject,
    variant: "Variant",
    *,
    as_synced: bool = False,
    given: Sequence[Path] | None = None,
) -> None:
    """Keeps a memo, if such a sync has nothing to do now. That none can be kept is no error.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        variant: What was asked for.
        as_synced: See `SyncOptions`.
        given: Where files of it are, or would be, in other tools' caches; None: they were to be in none, or it is not
            settled.
    """
    from modelsync.errors import ModelsyncError

    with suppress(OSError, ModelsyncError):
        memo = _made(context, project, variant, as_synced=as_synced)
        if memo is not None:
            stamps = sync_memo.stamps(given) if given is not None else None
            links_into = context.links_into_hf_cache
            sync_memo.write(context.store, memo._replace(given=stamps, links_into=links_into))


def _made(
    context: Context, project: LoadedProject, variant: "Variant", *, as_synced: bool
) -> sync_memo.Memo | None:
    """The memo of a whole sync, if it has nothing to do. Stamps are taken before what they stamp is read."""
    from modelsync.install import plan, present, snapshot, stale_links
    from modelsync.install import target as install_target
    from modelsync.net import config
    from modelsync.project import freshness, lookup
    from modelsync.project.selection import Selection
    from modelsync.store import link_record, roots

    manifest, lock = project.manifest, project.lock
    inputs = dict(project.stamps)
    config_file = context.settings.config_file or config.default_place()
    inputs |= sync_memo.stamps([config_file] if config_file is not None else ())
    target = install_target.target_of(project, manifest, None, "auto")
    if target is not None:
        inputs |= sync_memo.stamps((target.folder / link_record.RECORD,))
    if stale_links.left_behind(context, project, target):
        return None
    if lock is None or not freshness.compare(manifest, lock).fresh:
        return None
    otherwise: variants.Otherwise = "synced" if as_synced else "entry"
    chosen = variants.selected(context, project, Selection(variant=variant), fetch=True, otherwise=otherwise)
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
        folder = of_model(model.files, linked).folder if linked else None
        known[model.name] = (
            model.variant,
            str(folder) if folder is not None else None,
            tuple(
                (file.role, str(path), str(receipt))
                for file, path, receipt in zip(model.files, linked, receipts, strict=False)
            ),
        )
    stamps = sync_memo.stamps(outputs)
    steps = plan.make(models, snapshot.look(context, models, target), linked=target is not None, exact=True)
    if steps.steps or kept is None:
        return None
    if as_synced and variants.asked(context, variant).text is None:
        of = {model.name: model.variant for model in models if model.variant is not None}
        variant = of or None
    asked = _asked(context, variant)
    return sync_memo.Memo(
        _subject(context, project), asked, inputs, stamps, (str(root), kept[0], kept[2]), known
    )


def _is_asked(context: Context, name: str, variant: "Variant", of: str | None, whole: str | None) -> bool:
    """Whether what a memo has of a model is what is asked of it.

    Args:
        context: What to work with.
        name: The model.
        variant: What is asked for; None: by the settings.
        of: The variant that the memo has.
        whole: What was asked of the sync that left the memo, as it calls that.
    """
    from modelsync.project.selection import AUTO

    words = variants.asked(context, variant).of(name)
    if AUTO in words or (
        variant is None and of is None
    ):  # what has not the settings' variant is as it was synced
        return words[:1] == words and whole == _asked(context, variant)
    return of is not None and words[:1] == (of,)


def _asked(context: Context, variant: "Variant") -> str | None:
    """What a memo calls the variants that are asked for: `auto` means something else on another machine."""
    if variant is None and context.settings.variant is None:
        return None
    from modelsync.project.selection import AUTO

    choice = variants.asked(context, variant)
    if AUTO not in (*choice.plain, *dict(choice.named).values()):
        return choice.text
    from modelsync.system import devices
    from modelsync.version import __version__

    return f"{choice.text} {__version__} {devices.fingerprint()}"


def _subject(context: Context, project: Project) -> tuple[str, ...]:
    """What a sync of the project is about, apart from its files: its package, the config, and the other stores."""
    config_file = context.settings.config_file or ""
    return (
        str(project.manifest_path),
        project.package or "",
        str(config_file),
        *map(str, context.store.readonly),
    )

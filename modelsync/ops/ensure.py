"""Makes a locked model be in the store."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import HashMismatchError, NotSyncedError
from modelsync.install import plan, present
from modelsync.install.target import Standing, Target
from modelsync.project.lookup import LockedEntry
from modelsync.project.model_files import ModelFiles, of_model
from modelsync.project.project import Project
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.store import views
from modelsync.store.link_record import Record


class Destination(NamedTuple):
    """Where files are to appear: the folder, and each file with its path in it."""

    target: Target
    files: Sequence[tuple[LockedFile, str]]


def obtain(
    context: Context,
    model: LockedModel,
    folder: Path,
    *,
    keep: Callable[[], None],
    download: bool,
    load: Mapping[str, Any] = {},
    linked: Path | None = None,
    place: "Destination | None" = None,
    allow_code: tuple[str, ...] = (),
) -> Sequence[Path]:
    """Makes a locked model be in the store, and shows it there; returns its files' paths.

    Args:
        context: What to work with.
        model: What is wanted.
        folder: What relative `file:` paths are relative to.
        keep: Writes the root, before the first byte.
        download: Whether the network may be used.
        load: The manifest's load settings: with them it is to fit this machine.
        linked: The project's folder: what there is one more name of a damaged blob may be replaced from then on.
        place: The folder where the files are to appear afterwards: what stands there may be them.
        allow_code: Globs of files that may run code when they are loaded.

    Raises:
        MisfitError: it does not fit, and the context requires that.
        NotSyncedError: a file is not here, and was not to be fetched.
        HashMismatchError: what is here is damaged, and nothing was to be fetched.
    """
    from modelsync.fit import preflight
    from modelsync.install import snapshot
    from modelsync.install.check import check_blob
    from modelsync.install.execute import carry_out

    standing = Standing()

    def plan_now() -> plan.Plan:
        nonlocal standing
        here = snapshot.look(context, [model], None)
        if place is not None:
            standing = snapshot.standing(place.target.folder, place.files, here)
            here = here._replace(copies=frozenset(standing.files))
        return plan.make([model], here, linked=False, exact=False)

    steps = plan_now()
    if not download or not context.may_fetch:
        if steps.of("fetch") or (not download and steps.of("adopt")):
            why = "it was not to be fetched"
            if context.offline:
                why = "the network is ruled out"
            elif context.mirror_only and download:
                why = "no mirror is named"
            variant = f" --variant {model.name}={model.variant}" if model.variant else ""
            raise NotSyncedError(
                f"{model.title} is not on this machine, and {why}", hint=f"run `modelsync sync{variant}`"
            )
        for step in steps.of("check"):
            finding = check_blob(context, step, linked)
            if finding.state != "good":
                got = f": expected sha256 {step.target}, got {finding.found}" if finding.found else ""
                raise HashMismatchError(
                    f"{finding.path} is damaged{got}",
                    hint="`modelsync sync` fetches what is damaged",
                )
        steps = plan_now()
    preflight.check_plan(context, steps, [(model.title, model, load)], folder)
    keep()
    carry_out(
        context,
        steps._replace(allowed={model.key: allow_code}),
        folder,
        None,
        linked=linked,
        standing=standing,
    )
    return present.in_store(context, model.files) or views.view_paths(context.store, model.files)


def in_folder(
    context: Context,
    model: LockedModel,
    target: Target,
    wanted: Sequence[tuple[LockedFile, str]],
    *,
    download: bool,
    folder: Path | None = None,
    keep: Callable[[], None] = lambda: None,
    load: Mapping[str, Any] = {},
    allow_code: tuple[str, ...] = (),
) -> Sequence[Path]:
    """The paths of a model's files in any folder; what is not there and right is put there.

    Args:
        context: What to work with.
        model: What is wanted.
        target: The folder.
        wanted: The files, each with its path in the folder.
        download: See `obtain`.
        folder: See `obtain`; None: the working directory.
        keep: See `obtain`.
        load: See `obtain`.
        allow_code: See `obtain`.

    Raises:
        StoreError: a file that is not ours is in the way, the folder cannot be written.
        ModelsyncError: as with `obtain`.
    """
    from modelsync.install import link

    ready = present.right_in_folder(context, target.folder, model.name, wanted)
    if ready is not None:
        return ready
    obtain(
        context,
        model,
        folder or Path.cwd(),
        keep=keep,
        download=download,
        load=load,
        place=Destination(target, wanted),
        allow_code=allow_code,
    )
    link.link(context, target, wanted)
    return [target.folder / path for _, path in wanted]


def offer(context: Context, model: LockedModel, *, came: bool) -> None:
    """Puts a model whose path was asked for into the Hugging Face cache too, if that is wanted.

    Where the call or the environment asks: each time. The user's config counts where it has just come, so the path of a
    file that is here costs no more for it.

    Args:
        context: What to work with.
        model: The model, which is here.
        came: Whether it has just come.

    Raises:
        ConfigError: the user's config cannot be read.
    """
    if (came or context.hf_cache_asked) and context.hf_cache:
        from modelsync.ops import hf_cache

        tell = context.warn if came or context.options.hf_cache else context.detail
        for note in hf_cache.offer(context, [model]).notes:
            tell(note)


def files(
    context: Context,
    project: Project,
    known: LockedEntry,
    *,
    download: bool = True,
    records: Mapping[str, Record] | None = None,
    directory: Path | None = None,
    offered: bool = True,
) -> ModelFiles:
    """The files of a model of the manifest; neither manifest nor lock is written.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        known: The model, as `variants.find` found it.
        download: Whether what is not here is fetched, as the lock says.
        records: What modelsync put into the project's folder, if that was read.
        directory: A folder to answer from in place of the project's; what is not there is put there.
        offered: Whether it is put into the Hugging Face cache too, if that is wanted.

    Raises:
        LicenseRefusedError: it is not here, and the project does not allow its license.
        NotSyncedError: it is not here, and was not to be fetched.
        HashMismatchError: what is here is damaged, and nothing was to be fetched.
    """
    from modelsync.store import roots

    came = False

    def keep() -> None:
        nonlocal came
        came = True
        roots.write(context.store, project.lock_path, known.lock.digests, named=known.lock.digests)

    def permit() -> None:
        from modelsync.project import license_check

        license_check.require(known)

    def answer(paths: Sequence[Path]) -> ModelFiles:
        if offered:
            offer(context, known.model, came=came)
        return of_model(known.model.files, paths)

    if directory is not None:
        target = Target(directory.absolute(), "auto", None, project.called_in(directory.absolute()))
        if download:
            permit()
        found = in_folder(
            context,
            known.model,
            target,
            list(plan.link_targets(known.model)),
            download=download,
            folder=project.root,
            keep=keep,
            load=known.entry.load,
            allow_code=known.entry.allow_code,
        )
        return answer(found)
    folder = project.folder(known.manifest)
    ready = present.right_paths(context, folder, known.model, records)
    if ready is not None:
        roots.use(context.store, project.lock_path, known.lock.digests)
    else:
        if download:
            permit()
        ready = obtain(
            context,
            known.model,
            project.root,
            keep=keep,
            download=download,
            load=known.entry.load,
            linked=folder,
            allow_code=known.entry.allow_code,
        )
        ready = present.right_paths(context, folder, known.model) or ready
    return answer(ready)

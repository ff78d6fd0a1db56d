"""Makes a locked model be in the store."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from modelsync.context import Context
from modelsync.errors import HashMismatchError, NotSyncedError
from modelsync.install import plan, present
from modelsync.project.lookup import LockedEntry
from modelsync.project.model_files import ModelFiles, of_model
from modelsync.project.project import Project
from modelsync.spec.lock.model import LockedModel
from modelsync.store import views
from modelsync.store.link_record import Record


def obtain(
    context: Context,
    model: LockedModel,
    folder: Path,
    *,
    keep: Callable[[], None],
    download: bool,
    load: Mapping[str, Any] = {},
    linked: Path | None = None,
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

    Raises:
        MisfitError: it does not fit, and the context requires that.
        NotSyncedError: a file is not here, and was not to be fetched.
        HashMismatchError: what is here is damaged, and nothing was to be fetched.
    """
    from modelsync.fit import preflight
    from modelsync.install import snapshot
    from modelsync.install.check import check_blob
    from modelsync.install.execute import carry_out

    def plan_now() -> plan.Plan:
        return plan.make([model], snapshot.look(context, [model], None), linked=False, exact=False)

    steps = plan_now()
    if context.offline or not download:
        if steps.of("fetch"):
            why = "the network is ruled out" if context.offline else "it was not to be fetched"
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
    carry_out(context, steps, folder, None, linked=linked)
    return present.in_store(context, model.files) or views.view_paths(context.store, model.files)


def files(
    context: Context,
    project: Project,
    known: LockedEntry,
    *,
    download: bool = True,
    records: Mapping[str, Record] | None = None,
) -> ModelFiles:
    """The files of a model of the manifest; neither manifest nor lock is written.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        known: The model, as `variants.find` found it.
        download: Whether what is not here is fetched, as the lock says.
        records: What modelsync put into the project's folder, if that was read.

    Raises:
        NotSyncedError: it is not here, and was not to be fetched.
        HashMismatchError: what is here is damaged, and nothing was to be fetched.
    """
    from modelsync.store import roots

    folder = project.folder(known.manifest)
    ready = present.right_paths(context, folder, known.model, records)
    if ready is not None:
        roots.use(context.store, project.lock_path, known.lock.digests)
    else:
        ready = obtain(
            context,
            known.model,
            project.root,
            keep=lambda: roots.write(
                context.store, project.lock_path, known.lock.digests, named=known.lock.digests
            ),
            download=download,
            load=known.entry.load,
            linked=folder,
        )
        ready = present.right_paths(context, folder, known.model) or ready
    return of_model(known.model.files, ready)

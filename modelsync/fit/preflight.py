"""What a command asks before it fetches models: can they run on this machine? Light where nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from modelsync.context import Context
    from modelsync.errors import MisfitError
    from modelsync.fetch.wanted import WantedFile
    from modelsync.install.plan import Plan
    from modelsync.spec.lock.model import LockedModel


def check_plan(
    context: Context,
    steps: Plan,
    models: Iterable[tuple[str, LockedModel, Mapping[str, Any]]],
    folder: Path,
    on_misfit: Callable[[LockedModel, MisfitError], None] | None = None,
) -> tuple[str, ...]:
    """Warns of the models that a plan fetches and this machine cannot run.

    Args:
        context: What to work with.
        steps: The plan.
        models: Its models, each with its title and its load settings; what is not fetched is left out.
        folder: The manifest's, for relative `file:` paths.
        on_misfit: Called for each model that does not fit where the context requires a fit, in place of raising.

    Returns:
        The warnings, which were told already.

    Raises:
        MisfitError: the context requires a fit, and one does not fit.
    """
    fetched = {id(step.model) for step in steps.of("fetch")}
    if not fetched:
        return ()
    from modelsync.fetch.wanted import wanted_files
    from modelsync.fit.misfits import warn_of_misfits
    from modelsync.fit.model import PendingModel

    # what loads a folder model is not known, so neither is what it needs
    coming = [one for one in models if id(one[1]) in fetched and not one[1].is_folder]
    if not coming:
        return ()
    pending = [
        PendingModel(title, tuple(wanted_files(context, model, model.files, folder)), load)
        for title, model, load in coming
    ]
    of = {id(one): model for one, (_, model, _) in zip(pending, coming, strict=True)}
    if on_misfit is None:
        return warn_of_misfits(context, pending)
    return warn_of_misfits(context, pending, lambda one, error: on_misfit(of[id(one)], error))


def check_files(
    context: Context,
    models: Sequence[tuple[str, Sequence[WantedFile]]],
    on_misfit: Callable[[int, MisfitError], None],
) -> tuple[str, ...]:
    """Like `check_plan`, for files that are about to be read, in models, each with its name.

    Where only a projector or an adapter of a model is read, the size of the whole is not known: nothing is said.

    Args:
        context: What to work with.
        models: The models.
        on_misfit: Called with the index of each model that does not fit where the context requires a fit.
    """
    known = [any(wanted.file.role == "model" for wanted in files) for _, files in models]
    if not any(known):
        return ()
    from modelsync.fit.misfits import warn_of_misfits
    from modelsync.fit.model import PendingModel

    pending = [PendingModel(name, files) for name, files in models]
    index = {id(one): at for at, one in enumerate(pending)}
    weighed = [one for one, whole in zip(pending, known, strict=True) if whole]
    return warn_of_misfits(context, weighed, lambda one, error: on_misfit(index[id(one)], error))


def check_layers(
    context: Context,
    name: str,
    size: int,
    list_files: Callable[[], Sequence[WantedFile]],
    on_misfit: Callable[[MisfitError], None],
) -> tuple[str, ...]:
    """Like `check_files`, for a model in tar layers: its files are asked for only if the size leaves a doubt.

    Args:
        context: What to work with.
        name: The model's.
        size: Bytes of the layers.
        list_files: Finds the files in them; of what raises, nothing is said.
        on_misfit: Called if it does not fit where the context requires a fit.
    """
    from modelsync.errors import CancelledError, ModelsyncError
    from modelsync.fit import machine
    from modelsync.fit.misfits import SMALL

    ram = machine.steady_memory()
    if ram is None or SMALL * size < ram.free:
        return ()
    try:
        files = list_files()
    except CancelledError:
        raise
    except ModelsyncError:
        return ()
    return check_files(context, [(name, files)], lambda _, error: on_misfit(error))

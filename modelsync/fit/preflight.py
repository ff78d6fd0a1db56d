"""What a command asks before it fetches models: can they run on this machine? Light where nothing is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from modelsync.context import Context
    from modelsync.fetch.wanted import WantedFile
    from modelsync.install.plan import Plan
    from modelsync.spec.lock.model import LockedModel


def check_plan(
    context: Context,
    steps: Plan,
    models: Iterable[tuple[str, LockedModel, Mapping[str, Any]]],
    folder: Path,
) -> tuple[str, ...]:
    """Warns of the models that a plan fetches and this machine cannot run.

    Args:
        context: What to work with.
        steps: The plan.
        models: Its models, each with its title and its load settings; what is not fetched is left out.
        folder: The manifest's, for relative `file:` paths.

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

    return warn_of_misfits(
        context,
        (
            PendingModel(title, tuple(wanted_files(context, model, model.files, folder)), load)
            for title, model, load in models
            if id(model) in fetched
        ),
    )


def check_files(context: Context, files: Sequence[tuple[str, WantedFile]]) -> tuple[str, ...]:
    """Like `check_plan`, for files that are about to be read, each with the name of its model.

    Where only a projector or an adapter of a model is read, the size of the whole is not known: nothing is said.
    """
    names = dict.fromkeys(name for name, wanted in files if wanted.file.role == "model")
    if not names:
        return ()
    from modelsync.fit.misfits import warn_of_misfits
    from modelsync.fit.model import PendingModel

    return warn_of_misfits(
        context, (PendingModel(name, [each for of, each in files if of == name]) for name in names)
    )

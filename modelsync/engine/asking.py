"""Asking for a model's files by its name or URI: the cheapest answer first. Light while what is asked for is here."""

from collections.abc import Callable

from modelsync.engine import modelfiles, remembering
from modelsync.engine.context import Context
from modelsync.engine.modelfiles import ModelFiles
from modelsync.engine.project import Project


def files(
    context: Context,
    text: str,
    find: Callable[[], Project],
    *,
    variant: str | None = None,
    download: bool = True,
) -> ModelFiles:
    """The files of a model.

    Args:
        context: What to work with.
        text: A name of the manifest, or a URI.
        find: Finds the project; called if a name is not answered by the environment.
        variant: The variant of the name.
        download: Whether what is not here is fetched.

    Raises:
        NotSyncedError: it is not here, and was not to be fetched.
        StaleLockError: the lock does not answer the manifest.
    """
    if not modelfiles.is_name(text):
        from modelsync.engine import pulling

        return pulling.files(context, text, download=download)
    named = modelfiles.from_environment(text)
    if named is not None:
        return named
    project = find()
    remembered = remembering.files(context, project, text, variant)
    if remembered is not None:
        return remembered
    from modelsync.engine import paths

    known = paths.find(context, project, text, variant, fetch=download)
    return paths.files(context, project, known, download=download)

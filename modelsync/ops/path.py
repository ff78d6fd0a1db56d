"""Asking for a model's files by its name or URI: the cheapest answer first. Light while what is asked for is here."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.context import Context
from modelsync.ops import up_to_date
from modelsync.project import model_files
from modelsync.project.model_files import ModelFiles
from modelsync.project.project import Project

if TYPE_CHECKING:
    from modelsync.project.selection import Variant


def files(
    context: Context,
    text: str,
    find: Callable[[], Project],
    *,
    variant: "Variant" = None,
    download: bool = True,
    directory: Path | None = None,
) -> ModelFiles:
    """The files of a model.

    Args:
        context: What to work with.
        text: A name of the manifest, or a URI.
        find: Finds the project; called if a name is not answered by the environment.
        variant: The variant of the name.
        download: Whether what is not here is fetched.
        directory: A folder to answer from, and to fill; None: the project's, else the store.

    Raises:
        NotSyncedError: it is not here, and was not to be fetched.
        StaleLockError: the lock does not answer the manifest.
    """
    if not model_files.is_name(text):
        from modelsync.ops import pulled_files

        return pulled_files.files(context, text, download=download, directory=directory)
    named = model_files.from_environment(text)
    if named is not None:
        return named
    project = find()
    remembered = up_to_date.files(context, project, text, variant) if directory is None else None
    if remembered is not None:
        return remembered
    from modelsync.fit import variants
    from modelsync.ops import ensure

    known = variants.find(context, project, text, variant, fetch=download)
    return ensure.files(context, project, known, download=download, directory=directory)

"""The environment of a program that is run with its models."""

from collections.abc import Sequence

from modelsync.engine import paths, selecting
from modelsync.engine.context import Context
from modelsync.engine.project import Project
from modelsync.engine.selecting import Groups


def environment(
    context: Context,
    project: Project,
    names: Sequence[str] = (),
    *,
    groups: Groups | None = None,
    variant: str | None = None,
) -> dict[str, str]:
    """`MODELSYNC_PATH_<NAME>` for each selected model that is here: where llama.cpp finds it.

    Raises:
        StaleLockError: the lock does not answer a selected model.
        NotSyncedError: one is not here.
    """
    variant = variant or context.settings.variant
    entries = selecting.select(project.read_manifest(), names, groups, variant)
    variables = {}
    for entry in entries:
        known = paths.find(context, project, entry.name, entry.variant)
        variables[paths.variable(entry.name)] = str(
            paths.files(context, project, known, download=False).model
        )
    return variables

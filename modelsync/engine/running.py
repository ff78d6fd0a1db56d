"""The environment of a program that is run with its models."""

from collections.abc import Sequence

from modelsync.engine import modelfiles, paths, selecting
from modelsync.engine.context import Context
from modelsync.engine.project import Project
from modelsync.engine.selecting import Groups
from modelsync.spec.lockfile import Lock


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
    manifest, lock = project.read_manifest(), project.read_lock() or Lock()
    entries = selecting.select(manifest, names, groups, variant or context.settings.variant)
    known = [paths.answered(project, manifest, lock, entry) for entry in entries]
    return {
        modelfiles.variable(one.entry.name): str(paths.files(context, project, one, download=False).model)
        for one in known
    }

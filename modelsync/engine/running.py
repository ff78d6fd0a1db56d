"""The environment of a program that is run with its models."""

import os
from collections.abc import Sequence

from modelsync.engine import modelfiles, paths, variants
from modelsync.engine.context import Context
from modelsync.engine.project import Project
from modelsync.engine.selecting import Groups
from modelsync.errors import UsageError
from modelsync.spec.lockfile import Lock
from modelsync.store import record


def environment(
    context: Context,
    project: Project,
    names: Sequence[str] = (),
    *,
    groups: Groups | None = None,
    variant: str | None = None,
) -> dict[str, str]:
    """`MODELSYNC_PATH_<NAME>` for each selected model that is here: where llama.cpp finds it.

    A variable that is set already stays as it is: it names the model before everything else.

    Raises:
        StaleLockError: the lock does not answer a selected model.
        NotSyncedError: one is not here.
        UsageError: two have the same variable.
    """
    manifest, lock = project.read_manifest(), project.read_lock() or Lock()
    entries = variants.selected(context, project, manifest, names, groups, variant, lock=lock)
    names_of: dict[str, list[str]] = {}
    for entry in entries:
        names_of.setdefault(modelfiles.variable(entry.name), []).append(entry.name)
    for variable, same in names_of.items():
        if len(same) > 1:
            raise UsageError(
                f"{' and '.join(same)} would both be {variable}", hint="call one of them something else"
            )
    folder = project.folder(manifest)
    records = record.owned(folder) if folder is not None else {}
    known = [
        paths.answered(project, manifest, lock, entry)
        for entry in entries
        if not os.environ.get(modelfiles.variable(entry.name))
    ]
    return {
        modelfiles.variable(one.entry.name): str(
            paths.files(context, project, one, download=False, records=records).model
        )
        for one in known
    }

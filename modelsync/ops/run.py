"""The environment of a program that is run with its models."""

import os

from modelsync.context import Context
from modelsync.errors import UsageError
from modelsync.fit import variants
from modelsync.ops import ensure
from modelsync.project import lookup, model_files
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.store import link_record


def environment(
    context: Context,
    project: Project,
    selection: Selection,
) -> dict[str, str]:
    """`MODELSYNC_PATH_<NAME>` for each selected model that is here: where llama.cpp finds it.

    A variable that is set already stays as it is: it names the model before everything else.

    Raises:
        StaleLockError: the lock does not answer a selected model.
        NotSyncedError: one is not here.
        UsageError: two have the same variable.
    """
    project = project.loaded()
    manifest, lock = project.manifest, project.lock
    entries = variants.selected(context, project, selection)
    names_of: dict[str, list[str]] = {}
    for entry in entries:
        names_of.setdefault(model_files.variable(entry.name), []).append(entry.name)
    for variable, same in names_of.items():
        if len(same) > 1:
            raise UsageError(
                f"{' and '.join(same)} would both be {variable}", hint="call one of them something else"
            )
    folder = project.folder(manifest)
    records = link_record.owned(folder) if folder is not None else {}
    known = [
        lookup.answered(project, manifest, lock, entry)
        for entry in entries
        if not os.environ.get(model_files.variable(entry.name))
    ]
    return {
        model_files.variable(one.entry.name): str(
            ensure.files(context, project, one, download=False, records=records).model
        )
        for one in known
    }

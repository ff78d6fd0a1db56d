"""The environment of a program that is run with its models."""

import os

from modelsync.context import Context
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
    """The variables that name the files of each selected model: where llama.cpp finds them.

    `MODELSYNC_PATH_<NAME>`, and for what goes with the model `MODELSYNC_MMPROJ_<NAME>`, `MODELSYNC_LORA_<NAME>_<n>` and
    `MODELSYNC_DRAFT_<NAME>`. Where the first is set already, all of that model stay as they are: they name it before
    everything else.

    Raises:
        StaleLockError: the lock does not answer a selected model.
        NotSyncedError: one is not here.
        UsageError: one has the same variable as another model of the manifest.
    """
    project = project.loaded()
    manifest, lock = project.manifest, project.lock
    entries = variants.selected(context, project, selection, otherwise="here")
    model_files.check_variables([entry.name for entry in entries], manifest.names)
    folder = project.folder(manifest)
    records = link_record.owned(folder) if folder is not None else {}
    known = [
        lookup.answered(project, manifest, lock, entry)
        for entry in entries
        if not os.environ.get(model_files.variable(entry.name))
    ]
    found: dict[str, str] = {}
    for one in known:
        files = ensure.files(context, project, one, download=False, records=records, offered=False)
        found |= model_files.variables(one.entry.name, files)
    return found

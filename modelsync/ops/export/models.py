"""The selected models, and where their files are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.errors import NotAModelError, NotSyncedError
from modelsync.fit import variants
from modelsync.ops import ensure
from modelsync.ops.gguf_only import require_gguf
from modelsync.project import lookup
from modelsync.project.lookup import LockedEntry
from modelsync.project.model_files import ModelFiles, with_roles
from modelsync.project.project import Project
from modelsync.project.selection import Selection

BARE = Selection()


class ExportedModel(NamedTuple):
    """A model of the project, and its files where they are here."""

    known: LockedEntry
    files: ModelFiles | None

    @property
    def name(self) -> str:
        """Its name in the manifest."""
        return self.known.entry.name

    @property
    def load(self) -> Mapping[str, Any]:
        """Its load settings; with what its header says where the manifest says nothing of that."""
        from modelsync.llama.traits import traits

        load = dict(self.known.entry.load)
        task = traits(self.files.model).task if self.files is not None else "generate"
        if task == "embed":
            load.setdefault("embedding", True)
        elif task == "rank":
            load.setdefault("pooling_type", 4)
        return load


class Exported(NamedTuple):
    """One text, what it is for, and what could not be said in it.

    `name` is that of the model for a text of one model's own, else empty. `value` is what programs read in place of
    the text, where that is JSON itself.
    """

    name: str
    text: str
    notes: tuple[str, ...] = ()
    value: Mapping[str, Any] | None = None


def models(
    context: Context,
    project: Project,
    selection: Selection = BARE,
    *,
    missing: bool = False,
) -> tuple[ExportedModel, ...]:
    """The selected models, sorted by name; nothing is fetched.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which models.
        missing: Whether a model that is not here is taken too, without files.

    Raises:
        StaleLockError: the lock does not answer a selected model.
        NotSyncedError: one is not here.
    """
    project = project.loaded()
    manifest, lock = project.manifest, project.lock
    found = []
    for entry in variants.selected(context, project, selection, otherwise="here"):
        known = lookup.answered(project, manifest, lock, entry)
        try:
            files = ensure.files(context, project, known, download=False)
        except NotSyncedError:
            if not missing:
                raise
            files = None
        found.append(ExportedModel(known, files))
    return tuple(sorted(found, key=lambda model: model.name))


def for_llama(chosen: Sequence[ExportedModel], program: str) -> tuple[list[ExportedModel], tuple[str, ...]]:
    """The GGUF models among those chosen, which are here, and a note about each of the others.

    Args:
        chosen: The models.
        program: What they are for, which loads nothing else.

    Raises:
        NotAModelError: none of them is a GGUF model.
    """
    kept, notes = [], []
    error: NotAModelError | None = None
    for model in chosen:
        try:
            require_gguf(model.known.entry.title, files_of(model))
            kept.append(model)
        except NotAModelError as refused:
            error = error or refused
            notes.append(f"left out, {program} does not load it: {refused.message}")
    if error is not None and not kept:
        raise error
    return kept, tuple(notes)


def files_of(model: ExportedModel) -> ModelFiles:
    """The files of a model that is here."""
    assert model.files is not None
    return model.files


def paths_of(model: ExportedModel) -> tuple[Path, ...]:
    """The paths of a model's files, in the order of its lock."""
    files = files_of(model)
    return tuple(path for _, path in with_roles(files))


def left_out(model: ExportedModel, program: str, keys: Sequence[str]) -> tuple[str, ...]:
    """A note about load settings that a program has no word for; empty without any."""
    if not keys:
        return ()
    return (f"{model.known.entry.title}: {program} has nothing for {', '.join(keys)}",)

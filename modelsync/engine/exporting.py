"""Export: the synced models as files that other programs read."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.engine import modelfiles, paths, variants
from modelsync.engine.context import Context
from modelsync.engine.modelfiles import ModelFiles
from modelsync.engine.paths import Known
from modelsync.engine.project import Project
from modelsync.engine.selecting import Groups
from modelsync.errors import NotSyncedError
from modelsync.spec.lockfile import Lock

LLAMA_SERVER_HEAD = "; Written by modelsync: llama-server --models-preset THIS-FILE\nversion = 1\n"


class Model(NamedTuple):
    """A model of the project, and its files where they are here."""

    known: Known
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
        if self.files is not None and "embedding" not in load and traits(self.files.model).embeds:
            load["embedding"] = True
        return load


class Exported(NamedTuple):
    """One text, what it is for, and what could not be said in it.

    `name` is that of the model for a text of one model's own, else empty.
    """

    name: str
    text: str
    notes: tuple[str, ...] = ()


def models(
    context: Context,
    project: Project,
    names: Sequence[str] = (),
    *,
    groups: Groups | None = None,
    variant: str | None = None,
    missing: bool = False,
) -> tuple[Model, ...]:
    """The selected models, sorted by name; nothing is fetched.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models; empty: those that a bare sync takes.
        groups: The group flags.
        variant: The variant of the models that have it.
        missing: Whether a model that is not here is taken too, without files.

    Raises:
        StaleLockError: the lock does not answer a selected model.
        NotSyncedError: one is not here.
    """
    manifest, lock = project.read_manifest(), project.read_lock() or Lock()
    found = []
    for entry in variants.selected(context, project, manifest, names, groups, variant, lock=lock):
        known = paths.answered(project, manifest, lock, entry)
        try:
            files = paths.files(context, project, known, download=False)
        except NotSyncedError:
            if not missing:
                raise
            files = None
        found.append(Model(known, files))
    return tuple(sorted(found, key=lambda model: model.name))


def sha256sums(chosen: Sequence[Model], root: Path) -> list[Exported]:
    """What `sha256sum -c` reads: a digest and a path a line, relative to the project's folder where it is in there."""
    lines = {}
    for model in chosen:
        for path, file in zip(_paths(model), model.known.model.files, strict=True):
            lines[_checkable(path, root)] = file.sha256
    return [Exported("", "".join(_sum_line(path, digest) for path, digest in lines.items()))]


def environment(chosen: Sequence[Model], root: Path) -> list[Exported]:  # noqa: ARG001
    """`export MODELSYNC_PATH_<NAME>=…` lines, for a shell to evaluate."""
    from shlex import quote

    lines = [f"export {modelfiles.variable(model.name)}={quote(str(_paths(model)[0]))}\n" for model in chosen]
    return [Exported("", "".join(lines))]


def llama_server(chosen: Sequence[Model], root: Path) -> list[Exported]:  # noqa: ARG001
    """The presets file of llama-server's router mode: a section a model, the load settings under their flags' names."""
    from modelsync.llama import server_preset

    sections = [LLAMA_SERVER_HEAD]
    notes: list[str] = []
    for model in chosen:
        files = _here(model)
        text, left = server_preset.section(model.name, files.model, files.mmproj, files.loras, model.load)
        sections.append(text)
        notes += _left_out(model, "llama-server", left)
    return [Exported("", "\n".join(sections), tuple(notes))]


def ollama(chosen: Sequence[Model], root: Path) -> list[Exported]:  # noqa: ARG001
    """A Modelfile each."""
    from modelsync.llama import modelfile

    made = []
    for model in chosen:
        files = _here(model)
        text, left = modelfile.modelfile(model.name, files.parts, files.mmproj, files.loras, model.load)
        made.append(Exported(model.name, text, _left_out(model, "Ollama", left)))
    return made


def as_json(chosen: Sequence[Model], root: Path) -> list[Exported]:  # noqa: ARG001
    """Everything that is known of the models, as one object."""
    text = json.dumps({"schema": 1, "models": [_value(model) for model in chosen]}, indent=2)
    return [Exported("", text + "\n")]


WRITERS: Mapping[str, Callable[[Sequence[Model], Path], list[Exported]]] = {
    "llama-server": llama_server,
    "ollama": ollama,
    "env": environment,
    "sha256sums": sha256sums,
    "json": as_json,
}


def _here(model: Model) -> ModelFiles:
    assert model.files is not None
    return model.files


def _paths(model: Model) -> tuple[Path, ...]:
    """The paths of a model's files, in the order of its lock."""
    files = _here(model)
    return (*files.parts, *([files.mmproj] if files.mmproj else []), *files.loras)


def _left_out(model: Model, program: str, keys: Sequence[str]) -> tuple[str, ...]:
    if not keys:
        return ()
    return (f"{model.known.entry.title}: {program} has nothing for {', '.join(keys)}",)


def _checkable(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _sum_line(path: str, digest: str) -> str:
    """A line as the tool writes it: one that begins with a backslash has escapes in its path."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}\n"


def _value(model: Model) -> dict[str, Any]:
    entry, locked = model.known.entry, model.known.model
    places = _paths(model) if model.files is not None else (None,) * len(locked.files)
    return {
        "name": entry.name,
        "variant": entry.variant,
        "groups": list(entry.groups),
        "license": locked.license,
        "revision": locked.revision,
        "load": {
            key: list(value) if isinstance(value, tuple) else value for key, value in entry.load.items()
        },
        "files": [
            {
                "role": file.role,
                "path": None if place is None else str(place),
                "file": file.path,
                "url": file.url,
                "size": file.size,
                "sha256": file.sha256,
            }
            for place, file in zip(places, locked.files, strict=True)
        ],
    }

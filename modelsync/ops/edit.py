"""Editing the manifest: `init`, `add`, `remove`. What cannot be locked is undone."""

from collections.abc import Callable, Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import ManifestError, StoreError
from modelsync.ops.lock import LockReport, lock
from modelsync.project.project import MANIFEST, LoadedProject, Project
from modelsync.project.write import replace_text
from modelsync.spec.manifest import edit as manifest_edit
from modelsync.spec.manifest import read as manifest_reader
from modelsync.spec.manifest.edit import NewModel
from modelsync.spec.uri import Reference

ATTRIBUTES = ".gitattributes"
ATTRIBUTE = "models.lock linguist-generated=true text eol=lf"


def init(folder: Path) -> tuple[Path, ...]:
    """Makes a commented `models.toml`, and `.gitattributes` for the lock; returns what was made or added to.

    Raises:
        ManifestError: there is a manifest already.
        StoreError: the folder cannot be written.
    """
    path = folder / MANIFEST
    if path.exists():
        raise ManifestError(f"{path} is there already", hint="`modelsync add NAME URI` adds a model to it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {folder}: {error.strerror}") from error
    replace_text(path, manifest_edit.template())
    attributes = folder / ATTRIBUTES
    try:
        text = attributes.read_text("utf-8") if attributes.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"cannot read {attributes}: {error}", hint=f"add the line `{ATTRIBUTE}` to it"
        ) from error
    if any(line.split()[:1] == ["models.lock"] for line in text.splitlines()):
        return (path,)
    replace_text(attributes, (text + ("" if not text or text.endswith("\n") else "\n") + ATTRIBUTE + "\n"))
    return (path, attributes)


def add(
    context: Context,
    project: Project,
    model: NewModel,
    *,
    frozen: bool = False,
    choose: Callable[[Reference], Reference] | None = None,
) -> LockReport | None:
    """Adds a model, or a variant of one, to the manifest, and locks.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        model: The model to add.
        frozen: Edit the manifest alone.
        choose: Makes another reference of the model's, revision included, once it is known that the model can be
            added.

    Returns:
        The result of locking, or None when `frozen`.

    Raises:
        UsageError: the name, or the variant, is taken; nothing was changed.
        ModelsyncError: it cannot be locked; manifest and lock are as they were.
    """
    project = project.loaded()
    before = project.manifest_text
    after = manifest_edit.add(before, model)
    if choose is not None:
        revision = model.revision or model.reference.revision
        chosen = choose(model.reference._replace(revision=revision))
        model = model._replace(reference=chosen._replace(revision=None), revision=revision)
        after = manifest_edit.add(before, model)
    return _change(context, project, before, after, frozen=frozen)


def remove(
    context: Context, project: Project, names: Sequence[str], *, frozen: bool = False
) -> LockReport | None:
    """Removes models from the manifest, with their variants, and from the lock.

    Returns:
        The result of locking, or None when `frozen`.

    Raises:
        NotFoundError: the manifest has no such name; nothing was changed.
    """
    project = project.loaded()
    before = project.manifest_text
    current = manifest_reader.parse(before, where=project.manifest_path.name)
    for name in names:
        current.entry(name)
    return _change(context, project, before, manifest_edit.remove(before, names), frozen=frozen)


def _change(
    context: Context, project: LoadedProject, before: str, after: str, *, frozen: bool
) -> LockReport | None:
    """Writes the manifest and locks; restores the manifest if that fails and no other process has written it since."""
    manifest_reader.parse(after, where=project.manifest_path.name)
    if after != before:
        project.write_manifest(after)
    if frozen:
        return None
    try:
        return lock(context, project)
    except BaseException:
        if after != before and project.read_manifest_text() == after:
            project.write_manifest(before)
        raise

"""Editing the manifest: `init`, `add`, `remove`. What cannot be locked is undone."""

from collections.abc import Callable, Sequence
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import ManifestError, StoreError, UsageError
from modelsync.ops.lock import LockReport, lock
from modelsync.project.project import MANIFEST, Project
from modelsync.project.write import replace_text
from modelsync.spec import uri as uris
from modelsync.spec.manifest import edit as manifest_edit
from modelsync.spec.manifest import read as manifest_reader
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
    name: str,
    text: str,
    *,
    revision: str | None = None,
    mmproj: str | bool | None = None,
    loras: Sequence[str] = (),
    groups: Sequence[str] = (),
    endpoint: str | None = None,
    sha256: str | None = None,
    variant: str | None = None,
    frozen: bool = False,
    choose: Callable[[Reference], Reference] | None = None,
) -> LockReport | None:
    """Adds a model, or a variant of one, to the manifest, and locks.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        name: The model's name.
        text: Its URI, in any form.
        revision: A branch, tag or commit.
        mmproj: True for the projector beside the model, or the projector's URI.
        loras: URIs of adapters.
        groups: The model's groups.
        endpoint: A hub for this model.
        sha256: What the file must be.
        variant: Add this variant of the model instead.
        frozen: Edit the manifest alone.
        choose: Makes another URI of it, with its revision, once it is known that the model can be added.

    Returns:
        What the lock came to, or None when `frozen`.

    Raises:
        UsageError: the name, or the variant, is taken; nothing was changed.
        ModelsyncError: it cannot be locked; manifest and lock are as they were.
    """
    reference = uris.parse(text)
    if revision is not None and reference.revision not in (None, revision):
        raise UsageError(f"{text} names the revision {reference.revision!r}, and --revision {revision!r}")
    before = project.manifest_text()
    revision = revision or reference.revision

    def edited(reference: Reference) -> str:
        return manifest_edit.add(
            before,
            name,
            reference._replace(revision=None),
            revision=revision,
            mmproj=uris.parse(mmproj) if isinstance(mmproj, str) else mmproj or None,
            loras=tuple(uris.parse(lora) for lora in loras),
            groups=tuple(groups),
            endpoint=endpoint,
            sha256=sha256,
            variant=variant,
        )

    after = edited(reference)
    if choose is not None:
        after = edited(choose(reference._replace(revision=revision)))
    return _change(context, project, before, after, frozen=frozen)


def remove(
    context: Context, project: Project, names: Sequence[str], *, frozen: bool = False
) -> LockReport | None:
    """Removes models from the manifest, with their variants, and from the lock.

    Returns:
        What the lock came to, or None when `frozen`.

    Raises:
        NotFoundError: the manifest has no such name; nothing was changed.
    """
    before = project.manifest_text()
    current = manifest_reader.parse(before, where=project.manifest_path.name)
    for name in names:
        current.entry(name)
    return _change(context, project, before, manifest_edit.remove(before, names), frozen=frozen)


def _change(
    context: Context, project: Project, before: str, after: str, *, frozen: bool
) -> LockReport | None:
    """Writes the manifest and locks; puts the manifest back if that fails and nobody else has written it since."""
    manifest_reader.parse(after, where=project.manifest_path.name)
    if after != before:
        replace_text(project.manifest_path, after)
    if frozen:
        return None
    try:
        return lock(context, project)
    except BaseException:
        if after != before and project.manifest_text() == after:
            replace_text(project.manifest_path, before)
        raise

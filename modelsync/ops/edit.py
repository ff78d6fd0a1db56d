"""Editing the manifest: `init`, `add`, `remove`. What cannot be locked is undone."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import ManifestError, ModelsyncError, StoreError
from modelsync.ops.failures import Failures
from modelsync.ops.lock import anew, edited, update
from modelsync.ops.proposal import LockReport, propose
from modelsync.project import attributes
from modelsync.project.project import MANIFEST, LoadedProject, Project
from modelsync.project.write import ChangedMeanwhileError, replace_text
from modelsync.spec.labels import quant_of
from modelsync.spec.manifest import edit as manifest_edit
from modelsync.spec.manifest import read as manifest_reader
from modelsync.spec.manifest import schema
from modelsync.spec.manifest.edit import NewModel
from modelsync.spec.request import Request
from modelsync.spec.uri import HfUri, Reference

LOCK = "models.lock"
ATTRIBUTE = f"{LOCK} text eol=lf"


class InitReport(NamedTuple):
    """What `init` made or added to, and notes for a person."""

    made: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def init(folder: Path, text: Callable[[], str] = manifest_edit.template) -> InitReport:
    """Makes a commented `models.toml` with its schema for editors, and `.gitattributes` for the lock.

    Args:
        folder: The project's.
        text: Gives the manifest's text; not called if there is a manifest.

    Raises:
        ManifestError: there is a manifest already.
        RefusedError: `.gitattributes` is a link that leads out of the folder, or no regular file.
        StoreError: the folder cannot be written.
    """
    path = folder / MANIFEST
    if os.path.lexists(path):
        raise ManifestError(f"{path} is there already", hint="`modelsync add NAME URI` adds a model to it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {folder}: {error.strerror}") from error
    manifest, kept = f"{schema.DIRECTIVE}\n{text()}", attributes.read(folder)
    replace_text(path, manifest, inside=folder, expected="")
    made = [path]
    if not attributes.names(kept, LOCK):
        made.append(folder / attributes.NAME)
        line = ("" if not kept or kept.endswith("\n") else "\n") + ATTRIBUTE + "\n"
        replace_text(made[-1], kept + line, inside=folder)
    if not os.path.lexists(folder / schema.FILE):
        made.append(folder / schema.FILE)
        with suppress(ChangedMeanwhileError):  # another program has made one
            replace_text(made[-1], schema.text(), inside=folder, expected="")
    note = attributes.hidden_note(kept, LOCK)
    return InitReport(tuple(made), (note,) if note is not None else ())


def add(
    context: Context,
    project: Project,
    model: NewModel,
    *,
    frozen: bool = False,
    force: bool = False,
    dry_run: bool = False,
    choose: Callable[[Reference], Reference] | None = None,
) -> LockReport | None:
    """Adds a model, or a variant of one, to the manifest, and locks.

    Of a repo on a hub with several quants, the one that is taken is written into the manifest.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        model: The model to add.
        frozen: Edit the manifest alone.
        force: Replace the entry of that name, or that variant of it, with all its keys.
        dry_run: Write nothing.
        choose: Makes another reference of the model's, revision included, once it is known that the model can be
            added.

    Returns:
        The result of locking, or None when `frozen`.

    Raises:
        UsageError: the name, or the variant, is taken; nothing was changed.
        ModelsyncError: it cannot be locked; manifest and lock are as they were.
    """
    project = project.loaded()
    notes: tuple[str, ...] = ()
    whole = not frozen and _is_whole_repo(model)
    if dry_run or whole or choose is not None:
        manifest_edit.add(project.manifest_text, model, force=force)  # raises if it cannot be added
    if choose is not None:
        revision = model.revision or model.reference.revision
        chosen = choose(model.reference._replace(revision=revision))
        model = model._replace(reference=chosen._replace(revision=None), revision=revision)
    elif whole:
        model, notes = _with_quant(context, project, model)
    if dry_run:
        after = manifest_edit.add(project.manifest_text, model, force=force)
        done = None if frozen else _supposed(context, project, after)
    else:
        done = _change(
            context, project, lambda text: manifest_edit.add(text, model, force=force), frozen=frozen
        )
    return done and done._replace(notes=notes + done.notes)


def _supposed(context: Context, project: LoadedProject, manifest: str) -> LockReport:
    """What a lock would come to with that manifest; nothing is written."""
    project.suppose_manifest(manifest)
    failures = Failures()
    proposal = propose(context, project, failures, dry_run=True)
    failures.raise_first()
    return proposal.report(written=False)


def _is_whole_repo(model: NewModel) -> bool:
    """Whether it names a repo on a hub, and neither a quant nor files of it."""
    uri = model.reference.uri
    return isinstance(uri, HfUri) and uri.path is None and uri.quant is None and not model.include


def _with_quant(context: Context, project: Project, model: NewModel) -> tuple[NewModel, tuple[str, ...]]:
    """A model of a whole repo with the quant that is taken of it, and notes that tell of the others.

    What cannot be resolved stays as it is: to lock it says why.
    """
    from modelsync.resolve.resolver import Query, resolve_each

    uri, revision = model.reference.uri, model.revision or model.reference.revision
    assert isinstance(uri, HfUri)
    request = Request(uri, revision, endpoint=model.endpoint)
    (taken,) = resolve_each(context, [Query(request)], project.root)
    if (
        isinstance(taken, ModelsyncError)
        or not taken.notes
        or (label := quant_of(taken.files[0].path)) is None
    ):
        return model, ()
    named = uri._replace(quant=label)
    (again,) = resolve_each(context, [Query(request._replace(uri=named))], project.root)
    if isinstance(again, ModelsyncError) or [f.path for f in again.files] != [f.path for f in taken.files]:
        return model, ()
    return model._replace(reference=model.reference._replace(uri=named)), tuple(
        f"{model.name}: {note}" for note in taken.notes
    )


def remove(
    context: Context,
    project: Project,
    names: Sequence[str],
    *,
    variant: str | None = None,
    frozen: bool = False,
) -> LockReport | None:
    """Removes models from the manifest, with their variants, and from the lock.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models.
        variant: Remove this variant of each alone.
        frozen: Edit the manifest alone.

    Returns:
        The result of locking, or None when `frozen`.

    Raises:
        NotFoundError: the manifest has no such name; nothing was changed.
    """
    project = project.loaded()

    def without(text: str) -> str:
        current = manifest_reader.parse(text, where=project.manifest_path.name)
        for name in names:
            current.entry(name, variant)
        return manifest_edit.remove(text, names, variant=variant)

    return _change(context, project, without, frozen=frozen)


def _change(
    context: Context, project: LoadedProject, edit: Callable[[str], str], *, frozen: bool
) -> LockReport | None:
    """Edits the manifest and locks; restores the manifest if that fails and no other process has written it since."""

    def attempt() -> tuple[str, str]:
        before = project.manifest_text
        after = edit(before)
        manifest_reader.parse(after, where=project.manifest_path.name)
        if after != before:
            project.write_manifest(after)
        return before, after

    with edited(context, project):
        before, after = anew(project, attempt)
        if frozen:
            return None
        try:
            return update(context, project, strict=True)
        except BaseException:
            with suppress(ChangedMeanwhileError):
                if after != before and project.manifest_text == after:
                    project.write_manifest(before)
            raise

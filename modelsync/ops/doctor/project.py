"""The project: where its manifest and lock are, and whether this machine has what they say."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import ModelsyncError, NoManifestError
from modelsync.fit import variants
from modelsync.ops import listing
from modelsync.ops.doctor.findings import Finding, fault
from modelsync.project import attributes, freshness
from modelsync.project.project import MANIFEST, LoadedProject, Project
from modelsync.project.selection import unknown_variants
from modelsync.spec.lock.model import Lock
from modelsync.spec.manifest.model import Manifest
from modelsync.spec.names import printable
from modelsync.store import blobs, link_record, receipts


def found(find_project: Callable[[], Project]) -> tuple[LoadedProject | None, Manifest | None, Finding]:
    """The project and its manifest, as far as there are any, and what there is to say of that.

    Args:
        find_project: Finds the project of the call.
    """
    try:
        project = find_project().loaded()
    except NoManifestError:  # modelsync works without one too
        return None, None, Finding("manifest", f"no {MANIFEST} here or above", "note")
    except ModelsyncError as error:
        return None, None, fault("manifest", error)
    shown = _where(project)
    try:
        manifest = project.manifest
    except ModelsyncError as error:
        return project, None, fault("manifest", error)
    names = len(manifest.names)
    return project, manifest, Finding("manifest", f"{shown}: {names} model{'' if names == 1 else 's'}")


def project(context: Context, project: LoadedProject, manifest: Manifest) -> Iterator[Finding]:
    """The lock, and what of it is on this machine.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        manifest: What is wanted.
    """
    unknown: tuple[ModelsyncError, ...]
    try:
        unknown = unknown_variants(manifest, variants.asked(context, None))
    except ModelsyncError as error:
        unknown = (error,)
    for wrong in unknown:
        yield Finding("variant", f"MODELSYNC_VARIANT: {wrong.message}", "warning", wrong.hint)
    try:
        lock = project.lock
    except ModelsyncError as error:
        yield fault("lock", error)
        return
    name = printable(project.lock_path.name)
    if lock is None:
        if manifest.entries:
            yield Finding("lock", f"there is no {name}", "wrong", "`modelsync sync`, then commit it")
        return
    yield from _attributes(project)
    fresh = freshness.compare(manifest, lock)
    if not fresh.fresh:
        more = f", and {len(fresh.reasons) - 1} more" if len(fresh.reasons) > 1 else ""
        words = printable(fresh.reasons[0], 300)
        yield Finding("lock", f"{name} is stale: {words}{more}", "wrong", "`modelsync sync`, then commit it")
    else:
        yield Finding("lock", f"{name} is up to date")
    rows = listing.rows(context, project)
    names = {row.name for row in rows}
    here = {row.name for row in rows if row.state == "here"}
    yield from _damage(context, project, manifest, lock)
    if missing := sorted(names - here):
        shown = printable(", ".join(missing[:5])) + (", …" if len(missing) > 5 else "")
        yield Finding(
            "models here",
            f"{len(here)} of {len(names)}; not as the lock says: {shown}",
            "warning",
            "`modelsync sync`",
        )
    elif names:
        yield Finding("models here", "all" if len(names) > 1 else "yes")


def _damage(context: Context, project: Project, manifest: Manifest, lock: Lock) -> Iterator[Finding]:
    """What does not look as it did when it was put here, by size and time; nothing is hashed."""
    folder = project.folder(manifest)
    owner = project.called_in(folder) if folder is not None else ""
    records = link_record.owned(folder) if folder is not None else {}
    for path, put in records.items():
        if folder is None or put.owner != owner or not os.path.lexists(folder / path):
            continue
        if put.rotten or not link_record.intact(folder, path, put):
            yield _changed(f"{folder.name}/{path}", path.partition("/")[0], known=put.rotten)
    seen = set()
    for model in lock.models:
        for file in model.files:
            sighting = blobs.look(context.store, file.sha256, file.size)
            if sighting.path is not None and sighting.state == "suspect" and file.sha256 not in seen:
                seen.add(file.sha256)
                known = receipts.opinion(context.store, file.sha256, sighting.path.stat()) == "damaged"
                yield _changed(f"{file.path} in the store", model.name, known=known)


def _changed(file: str, name: str, *, known: bool) -> Finding:
    how = "is damaged" if known else "was changed since it was put there"
    return Finding(
        "files",
        f"{printable(file, 300)} {how}",
        "wrong" if known else "warning",
        f"`modelsync verify --repair {printable(name)}`",
    )


def _attributes(project: Project) -> Iterator[Finding]:
    """Whether code reviews show the lock's diff."""
    if project.package is not None:
        return
    try:
        note = attributes.hidden_note(attributes.read(project.root), project.lock_path.name)
    except ModelsyncError as error:
        yield fault(attributes.NAME, error)
        return
    if note is not None:
        yield Finding(attributes.NAME, note, "note")


def _where(project: Project) -> str:
    path = project.manifest_path
    if project.package:
        return f"of the package {printable(project.package)}"
    above = path.parent != Path(os.path.abspath(""))  # noqa: PTH100 - resolve() would follow links
    return printable(str(path) if above else path.name, 1000)

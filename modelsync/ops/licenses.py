"""The license of each model: what is published, what is stated, and whether the project allows it."""

from typing import NamedTuple

from modelsync.context import Context
from modelsync.project import selection as selections
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.resolve.gates import gates
from modelsync.spec import licenses
from modelsync.spec.lock.licensed import LicensedPart, parts
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.manifest.model import Entry
from modelsync.spec.roles import Role

BARE = Selection()


class ModelLicense(NamedTuple):
    """The license of one model, or of a companion of it that comes from elsewhere.

    Attributes:
        name: The model's name.
        variant: Its variant, or None.
        role: Of a companion; None: the model itself.
        path: Of a companion: its file; else None.
        license: As the lock has it from its source; None: it names none, or nothing is locked.
        stated: What the manifest states, where the source names no terms; else None.
        allowed: Whether the project allows it; None: it allows all.
        gated: Whether its repo is gated; None: not known, or it is in none.
        page: Where a person reads about it.
        locked: Whether the lock has the model.
    """

    name: str
    variant: str | None
    role: Role | None
    path: str | None
    license: str | None
    stated: str | None
    allowed: bool | None
    gated: bool | None
    page: str
    locked: bool


class LicensesReport(NamedTuple):
    """The licenses, in the order of the manifest, and notes for a person."""

    rows: tuple[ModelLicense, ...]
    notes: tuple[str, ...] = ()


def rows(context: Context, project: Project, selection: Selection = BARE) -> LicensesReport:
    """A row for each selected entry of the manifest, variants and companions behind what they go with.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which names or groups; neither: all.

    Raises:
        NotFoundError: a name or a group that nothing in the manifest has.
    """
    project = project.loaded()
    manifest, lock = project.manifest, project.lock
    locked = lock.by_key if lock is not None else {}
    wanted = None
    if selection.partial:
        wanted = {entry.name for entry in selections.select(manifest, selection)}
    found: list[tuple[Entry, LicensedPart[LockedFile], bool]] = []
    for entry in manifest.entries:
        if wanted is None or entry.name in wanted:
            model = locked.get(entry.key)
            if model is None:
                its: tuple[LicensedPart[LockedFile], ...] = parts(entry.request.to_dict(), (), None)
            else:
                its = parts(model.request, model.files, model.license, model.revision)
            found += ((entry, part, model is not None) for part in its)

    def repo_of(entry: Entry, part: LicensedPart[LockedFile]) -> tuple[str, str, str | None]:
        return context.endpoint(entry.request.endpoint), part.repo or "", part.revision

    gated, notes = gates(context, [repo_of(entry, part) for entry, part, _ in found if part.repo])

    def row(entry: Entry, part: LicensedPart[LockedFile], is_locked: bool) -> ModelLicense:
        allowed = None
        if manifest.allowed_licenses is not None and (is_locked or entry.license is not None):
            allowed = licenses.refused(part.license, entry.license, manifest.allowed_licenses) is None
        return ModelLicense(
            entry.name,
            entry.variant,
            part.role,
            part.path,
            part.license,
            None if licenses.is_published(part.license) else entry.license,
            allowed,
            gated.get(repo_of(entry, part)) if part.repo else None,
            part.page,
            is_locked,
        )

    return LicensesReport(tuple(row(*one) for one in found), notes)

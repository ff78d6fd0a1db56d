"""The license of each model: what is published, what is stated, and whether the project allows it."""

from typing import Any, NamedTuple

from modelsync.context import Context
from modelsync.project import selection as selections
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.resolve.gates import gates
from modelsync.spec import licenses
from modelsync.spec.lock.licensed import LicensedPart, parts
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.manifest.model import Entry
from modelsync.spec.names import printable
from modelsync.spec.roles import Role

BARE = Selection()
TITLES = ("name", "variant", "file", "license", "gated", "", "source")


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

    @property
    def cells(self) -> tuple[str, ...]:
        """Its line in a table under `TITLES`."""
        return (
            self.name,
            self.variant or "",
            printable(self.path or ""),
            self._terms,
            {True: "yes", False: "no", None: ""}[self.gated],
            self._mark,
            printable(self.page),
        )

    @property
    def _terms(self) -> str:
        """What is published, and what is stated in its place."""
        published = printable(self.license or "")
        if self.stated is not None:
            return f"{self.stated} (stated; {published})" if published else f"{self.stated} (stated)"
        return published or ("unknown" if self.locked else "")

    @property
    def _mark(self) -> str:
        if not self.locked:
            return "unlocked"
        return "not allowed" if self.allowed is False else ""


class LicensesReport(NamedTuple):
    """The license of each model, in the order of the manifest.

    Attributes:
        rows: Each model, with its variants, and its companions of other repos.
        notes: What a person should know: which hubs did not say whether a repo is gated.
    """

    rows: tuple[ModelLicense, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As `modelsync licenses` prints it, without colours."""
        from modelsync.display.columns import table

        cells = [row.cells for row in self.rows]
        used = [index for index in range(len(TITLES)) if any(row[index] for row in cells)]
        lines = [tuple(line[index] for index in used) for line in (tuple(map(str.upper, TITLES)), *cells)]
        return "\n".join((*self.notes, *(table(lines) if cells else ["no models"])))

    def _repr_html_(self) -> str:
        """For a notebook."""
        from modelsync.display.changes import as_html

        return as_html(str(self))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it, as `modelsync licenses --format json` prints it."""
        return {"rows": [row._asdict() for row in self.rows], "notes": list(self.notes)}


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

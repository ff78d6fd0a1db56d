"""Verify: what is on this machine is hashed again, against the seals or against the lock's own digests."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.fetch.wanted import label
from modelsync.fit import variants
from modelsync.install import plan
from modelsync.install.check import check_copy
from modelsync.project import lookup
from modelsync.project.project import LoadedProject, Project
from modelsync.project.selection import Groups, Selection
from modelsync.spec.blocks import Span
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.names import printable
from modelsync.store import atomic, checked, link_findings, links, receipts, views
from modelsync.store import verify as store_verify
from modelsync.store.layout import VIEWS, blob_in
from modelsync.store.verify import BlobCheck

ALL = Selection()

Status = Literal["ok", "missing", "damaged", "superseded", "repaired"]


class VerifiedFile(NamedTuple):
    """One file that was looked at.

    Attributes:
        name: Whose it is.
        variant: Of which variant.
        file: What it is called.
        status: How it is; `superseded` is what was put there, and not what the lock says now.
        size: Bytes that it should have.
        path: Where it is.
        damaged: Where it is damaged, as offsets of whole blocks; empty where that is not known, too.
        sha256: What it should hash to.
        in_folder: Whether it is one of a folder model's files.
    """

    name: str
    variant: str | None
    file: str
    status: Status
    size: int
    path: Path | None
    damaged: tuple[Span, ...] = ()
    sha256: str = ""
    in_folder: bool = False


class Checked(NamedTuple):
    """What a verification found.

    Attributes:
        rows: Each file.
        findings: What each blob was found to be, by digest.
        faulty: The models of which a file is missing or damaged.
        others: Of variants that were not asked for, those of which a file that is here is damaged.
    """

    rows: tuple[VerifiedFile, ...]
    findings: Mapping[str, BlobCheck]
    faulty: tuple[LockedModel, ...]
    others: tuple[LockedModel, ...] = ()


def verify(
    context: Context,
    project: Project,
    selection: Selection = ALL,
    *,
    full: bool = False,
) -> tuple[VerifiedFile, ...]:
    """Hashes the files of models that are here, in the store and in the project's folder.

    Each is compared with what was put there. Without a variant, those of all variants that are here are hashed. A
    damaged file is not trusted from then on: the next sync fetches what of a blob is damaged, and replaces a link.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        selection: Which models; without names: all groups.
        full: Hash with SHA-256 against the lock, not with BLAKE3 against the seal.

    Raises:
        StaleLockError: there is no lock, or a model that is meant is not in it.
        StoreError: a file cannot be read.
    """
    return check(context, project.loaded(), selection, full=full).rows


def check(context: Context, project: LoadedProject, selection: Selection, *, full: bool = False) -> Checked:
    """Like `verify`, and tells what there is to repair."""
    lock = lookup.require_lock(project, project.lock)
    if not selection.names:
        selection = selection._replace(groups=Groups(everything=True))
    models = lookup.locked_models(
        project, lock, variants.selected(context, project, selection, otherwise="synced")
    )
    names = {model.name for model in models}
    chosen = {(model.name, model.variant) for model in models}
    others = [
        model
        for model in lock.models
        if selection.variant is None and model.name in names and (model.name, model.variant) not in chosen
    ]
    look = _Look(context, project, [*models, *others], full=full)
    rows: list[VerifiedFile] = []
    faulty, faulty_others = [], []
    for model in others:
        found = [row for row in look.rows(model) if row.status != "missing"]
        names.discard(model.name if found else "")
        if any(row.status == "damaged" for row in found):
            faulty_others.append(model)
        rows += found
    for model in models:
        found = look.rows(model)
        if model.name not in names and all(row.status == "missing" for row in found):
            continue  # another variant of it was synced
        if any(row.status != "ok" for row in found):
            faulty.append(model)
        rows += found
    for target, row in look.superseded(None if not selection.names else {model.name for model in models}):
        rows.append(row)
        if row.status == "damaged":
            faulty += [model for model in models if target in look.targets(model) and model not in faulty]
    order = {model.name: number for number, model in enumerate(models)}
    rows.sort(key=lambda row: (order.get(row.name, len(order)), row.variant or ""))
    return Checked(tuple(rows), look.findings, tuple(faulty), tuple(faulty_others))


class _Look:
    """Hashes what is on this machine of some models: each blob once."""

    def __init__(
        self, context: Context, project: LoadedProject, models: Sequence[LockedModel], *, full: bool
    ) -> None:
        self.context = context
        self.full = full
        self.findings: dict[str, BlobCheck] = {}
        self.folder = project.folder(project.manifest)
        self.owner = project.called_in(self.folder) if self.folder is not None else ""
        self.records = links.owned(self.folder) if self.folder is not None else {}
        self.wanted = {(target, file.sha256) for model in models for file, target in plan.link_targets(model)}

    def targets(self, model: LockedModel) -> set[str]:
        """The paths of a model's files in the project's folder."""
        return {target for _, target in plan.link_targets(model)}

    def rows(self, model: LockedModel) -> list[VerifiedFile]:
        """A row for each file in the store, and one for each in the project's folder that is no name of the blob."""
        views.restore(self.context.store, model.files)
        rows = []
        for (file, target), shown in zip(
            plan.link_targets(model), views.view_paths(self.context.store, model.files), strict=True
        ):
            told = self.context.teller(label(model.name, file), file.size, "checking")
            if file.sha256 not in self.findings:
                self.findings[file.sha256] = store_verify.verify(
                    self.context.store, file.sha256, full=self.full, on_bytes=told
                )
            found = self.findings[file.sha256]
            if found.state == "missing":
                found = self.findings[file.sha256] = self._shown(model, file, told)
            status: Status = "ok" if found.state == "good" else found.state
            row = VerifiedFile(
                model.name,
                model.variant,
                file.path,
                status,
                file.size,
                found.path,
                found.damaged,
                file.sha256,
                file.role == "file",
            )
            copy = self._copy(row, target, found.path, told)
            if copy is None or status != "missing":
                rows.append(row)
            if copy is not None:
                rows.append(copy)
            if status == "ok" and (bad := self._view(row, shown, file, told)) is not None:
                rows.append(bad)
        return rows

    def superseded(self, names: Collection[str] | None) -> Iterator[tuple[str, VerifiedFile]]:
        """What was put into the project's folder for this project, and is not what the lock says now.

        Args:
            names: The models; None: all.
        """
        for target, put in self.records.items():
            name, _, own = target.partition("/")
            other = put.sha256 and put.owner == self.owner and (target, put.sha256) not in self.wanted
            if self.folder is None or not other or (names is not None and name not in names):
                continue
            place = self.folder / target
            if place.is_file():
                told = self.context.teller(printable(f"{name}: {own}"), put.size, "checking")
                row = VerifiedFile(name, None, target, "superseded", put.size, place, (), put.sha256)
                yield target, self._hashed(row, target, told)

    def _copy(
        self, row: VerifiedFile, target: str, blob: Path | None, told: Callable[[int], None]
    ) -> VerifiedFile | None:
        """The row of the file in the project's folder; None where none belongs, or there is a name of the blob."""
        if self.folder is None:
            return None
        place, put = self.folder / target, self.records.get(target)
        if put is not None and put.sha256 not in ("", row.sha256):
            return None  # what was put there is another version
        if not place.is_file():
            gone = put is not None and put.owner == self.owner and row.status != "missing"
            return row._replace(file=target, path=place, status="missing", damaged=()) if gone else None
        if blob is not None and _is_same(place, blob):
            return None
        return self._hashed(row._replace(file=target, path=place, status="ok"), target, told)

    def _hashed(self, row: VerifiedFile, target: str, told: Callable[[int], None]) -> VerifiedFile:
        """The row with what hashing the file in the project's folder finds; that is remembered."""
        assert self.folder is not None
        place = self.folder / target
        with atomic.told(f"cannot read {place}"):
            file = LockedFile("model", row.file, row.size, row.sha256)
            try:
                seen = place.stat()
                good, where = check_copy(self.context, place, file, full=self.full, on_bytes=told)
            except FileNotFoundError:  # another process has just removed it, or what it leads to
                return row._replace(status="missing")
        if not good and any(
            _is_same(place, Path(blob_in(at, row.sha256))) for at in self.context.store.places
        ):
            receipts.condemn(
                self.context.store, row.sha256, seen
            )  # links of other projects may lead there too
        put = self.records.get(target)
        described = put is not None and put.mode != "symlink" and links.intact(self.folder, target, put)
        if not good and described:
            try:
                link_findings.distrust(self.folder, {target: seen})
            except StoreError:  # a folder that is only read
                checked.remember(self.context.store, self.folder, target, seen, "")
        elif not described and row.status == "ok":
            checked.remember(self.context.store, self.folder, target, seen, row.sha256 if good else "")
        return row if good else row._replace(status="damaged", damaged=where)

    def _shown(self, model: LockedModel, file: LockedFile, told: Callable[[int], None]) -> BlobCheck:
        """What a view shows of a blob that is gone, as may be in a read-only store: that is what `path` gives."""
        store = self.context.store
        paths = views.ready(store, model.files)
        if paths is None:
            return BlobCheck("missing")
        place = paths[model.files.index(file)]
        with atomic.told(f"cannot read {place}"):
            try:
                seen = place.stat()
                good, where = check_copy(self.context, place, file, full=self.full, on_bytes=told)
            except FileNotFoundError:  # another process has just removed it
                return BlobCheck("missing")
        if good:
            return BlobCheck("good", place)
        receipts.condemn(store, file.sha256, seen)
        return BlobCheck("damaged", place, file.size if where else None, where)

    def _view(
        self, row: VerifiedFile, shown: Path, file: LockedFile, told: Callable[[int], None]
    ) -> VerifiedFile | None:
        """The row of a damaged copy in the store's view, which is removed: it is made anew when it is needed."""
        blob = row.path
        if blob is None or not shown.is_file() or _is_same(shown, blob):
            return None
        atomic.check_folders(self.context.store)
        view = self.context.store.root / VIEWS
        if any(parent.is_symlink() for parent in shown.parents if view in parent.parents):
            return None  # what it leads to is not the store's
        with atomic.told(f"cannot read {shown}"):
            try:
                if receipts.opinion(self.context.store, file.sha256, shown.stat()) != "good":
                    return None  # nobody is given it
                good, where = check_copy(self.context, shown, file, full=self.full, on_bytes=told)
            except FileNotFoundError:  # another process has just removed it
                return None
            if good:
                return None
            if shown.is_symlink():
                receipts.condemn(self.context.store, row.sha256, shown.stat())
            atomic.unlink(shown)
        return row._replace(status="damaged", path=shown, damaged=where)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file; not, where another process has just removed one."""
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False

"""What an upgrade of the lock would move, and what it would cost. Writes nothing, and reads no file."""

from collections.abc import Sequence
from typing import NamedTuple

from modelsync.context import Context
from modelsync.fetch.wanted import blob_of
from modelsync.ops.failures import Failures
from modelsync.ops.options import Upgrade
from modelsync.ops.proposal import propose
from modelsync.project.lock_diff import Change, compare_locks
from modelsync.project.project import Project
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.uri_forms import is_model_file


class OutdatedModel(NamedTuple):
    """One model that upstream has otherwise than the lock.

    Attributes:
        change: What an upgrade would do with it; `bytes` are those that this machine lacks. `unchanged`: upstream has
            another commit with the same files, and its pin would stay.
        reused: Bytes of whole files that this machine has.
        reusable: How many of the lacking bytes may be found in older versions of the files that are here, at most.
    """

    change: Change
    reused: int = 0
    reusable: int = 0

    @property
    def same_bytes(self) -> bool:
        """Whether only the commit is another one."""
        return self.change.action == "unchanged"

    @property
    def files_changed(self) -> tuple[str, ...]:
        """The paths of files that come, go or get other bytes, sorted."""
        before, after = (_digests(model) for model in (self.change.before, self.change.after))
        return tuple(sorted({path for _, path, _ in before ^ after}))

    @property
    def license_changed(self) -> bool:
        """Whether the model, or a companion of another repo, is under another license."""
        before, after = self.change.before, self.change.after
        if before is None or after is None:
            return False
        known = {(file.role, file.path): file.license for file in before.files if file.license is not None}
        return before.license != after.license or any(
            known.get((file.role, file.path), file.license) != file.license for file in after.files
        )


class OutdatedReport(NamedTuple):
    """What an upgrade would come to, sorted by name; notes for a person, and how many models were looked at."""

    models: tuple[OutdatedModel, ...]
    notes: tuple[str, ...] = ()
    asked: int = 0


def outdated(context: Context, project: Project, names: Sequence[str] = ()) -> OutdatedReport:
    """What `lock --upgrade` would move, without writing anything.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        names: The models to ask about; none: all.

    Raises:
        NotFoundError: a name that the manifest does not have.
        ModelsyncError: the first by name of the models that could not be resolved, with all errors and the report.
    """
    project = project.loaded()
    failures = Failures(project)
    only = names or None
    proposal = propose(
        context, project, failures, Upgrade(every_model=True), dry_run=True, only=only, allowed=False
    )
    # A model that cannot be had leaves the lock unwritten; what the others came to is told all the same.
    moved = [change for change in compare_locks(proposal.old, proposal.new) if change.action != "unchanged"]
    changes = [change for change in (*moved, *proposal.unmoved) if not names or change.name in names]
    models = tuple(
        _weighed(context, change) for change in sorted(changes, key=lambda one: (one.name, one.variant or ""))
    )
    asked = len({entry.key for entry in project.manifest.entries if not names or entry.name in names})
    report = OutdatedReport(models, proposal.notes, asked)
    failures.raise_first(report)
    return report


def _weighed(context: Context, change: Change) -> OutdatedModel:
    """What a change would cost on this machine; nothing is asked for it, and nothing hashed."""
    if change.after is None or change.action == "unchanged":
        return OutdatedModel(change)
    before = change.before.files if change.before is not None else ()
    lacking = reused = reusable = 0
    for file in change.after.files:
        if blob_of(context, file) is not None:
            reused += file.size
            continue
        lacking += file.size
        older = [old for old in before if old.role == file.role and blob_of(context, old) is not None]
        reusable += min(file.size, max((old.size for old in older if _alike(old, file)), default=0))
    return OutdatedModel(change._replace(bytes=lacking), reused, reusable)


def _digests(model: LockedModel | None) -> frozenset[tuple[str, str, str]]:
    return frozenset((file.role, file.path, file.sha256) for file in model.files) if model else frozenset()


def _alike(old: LockedFile, new: LockedFile) -> bool:
    """Whether one may be an older version of the other, with tensors to copy: another quant has none of them."""
    return old.path == new.path and old.sha256 != new.sha256 and is_model_file(new.path)

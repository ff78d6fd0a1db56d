"""A lock that may be written: the requests that the old one no longer answers, resolved. Writes it too."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.context import Context
from modelsync.errors import ModelsyncError, NotFoundError, UsageError
from modelsync.fetch.layer_rows import with_manifest
from modelsync.ops.failures import Failures
from modelsync.ops.options import Upgrade
from modelsync.project import freshness, license_check
from modelsync.project.lock_diff import Change, compare_locks
from modelsync.project.project import LoadedProject
from modelsync.resolve.pin import PinnedFiles, settle
from modelsync.resolve.pinned_commits import at_pinned_commits, confirms, unmoved, with_licenses
from modelsync.resolve.published import learn
from modelsync.resolve.resolved import ResolvedRequest
from modelsync.resolve.resolver import Query, resolve_each
from modelsync.spec.lock import text as lock_text
from modelsync.spec.lock.keys import needed_version
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.lock.read import MAX_TEXT
from modelsync.spec.manifest.model import Entry

if TYPE_CHECKING:
    from modelsync.install.target import Target
    from modelsync.sources.base import Found, Resolution

NO_UPGRADE = Upgrade()


class LockReport(NamedTuple):
    """What a lock came to: the lock, what changed in it, whether it was written, and notes for a person.

    `unmoved` are the models whose pins stay though upstream has another commit: it has the same files. `merged` says
    that the file had two sides, which git could not merge; changes are then those to our side.
    """

    lock: Lock
    changes: tuple[Change, ...]
    written: bool
    notes: tuple[str, ...] = ()
    bytes_fetched: int = 0
    unmoved: tuple[Change, ...] = ()
    merged: bool = False

    def __str__(self) -> str:
        """As `modelsync lock` prints it, without colours and time."""
        from modelsync.display import changes

        moved = changes.changed(self.changes)
        if moved or self.written:
            fetched = changes.totals(self.bytes_fetched, 0)
            end = f"the lock is written: {fetched}" if self.written else "the lock is not written"
            lines = [*changes.change_lines(moved), end]
        else:
            lines = [f"the lock is up to date: {changes.counted(self.lock)}"]
        return "\n".join((*self.notes, *lines))

    def _repr_html_(self) -> str:
        """For a notebook."""
        from modelsync.display.changes import as_html

        return as_html(str(self))


class Proposal(NamedTuple):
    """A lock that may be written.

    Attributes:
        old: The lock as it is.
        new: What it would be.
        notes: For a person.
        fetched: Bytes that were read to learn digests.
        whole: Whether every model that the old lock lacks could be resolved. If not, nothing is written.
        unmoved: The models whose pins stay, before and as upstream has them now.
        merged: Whether the file has two sides of a merge: it is written even if nothing else changes.
    """

    old: Lock | None
    new: Lock
    notes: tuple[str, ...] = ()
    fetched: int = 0
    whole: bool = True
    unmoved: tuple[Change, ...] = ()
    merged: bool = False

    @property
    def lock(self) -> Lock:
        """What the lock says once this is written."""
        return self.new if self.whole else self.old or Lock()

    def report(self, *, written: bool) -> LockReport:
        """What it came to."""
        changes = compare_locks(self.old, self.lock)
        return LockReport(self.lock, changes, written, self.notes, self.fetched, self.unmoved, self.merged)


def propose(
    context: Context,
    project: LoadedProject,
    failures: Failures,
    upgrade: Upgrade = NO_UPGRADE,
    *,
    dry_run: bool = False,
    target: "Target | None" = None,
    only: Collection[str] | None = None,
    allowed: bool = True,
) -> Proposal:
    """Makes the lock that answers the manifest, and writes nothing.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        failures: Gets the error of each entry that cannot be resolved. It keeps its old place in the lock.
        upgrade: See `lock`.
        dry_run: See `lock`.
        target: Where the models will be linked: its disk must have room for what is read, if it is copied.
        only: The names that are asked about; None: all. Others stay as they are.
        allowed: Whether what the project does not allow, by its license, becomes a failure.

    Raises:
        UsageError: the lock belongs to a package.
        NotFoundError: a name to upgrade that the manifest does not have.
    """
    manifest, old = project.manifest, project.lock
    if project.package and not dry_run:
        raise UsageError(
            f"the lock of the package {project.package} is part of that package and is not written here",
            hint="lock in the package's own source tree, with --manifest",
        )
    known = {entry.name for entry in manifest.entries}
    for name in (*upgrade.models, *(only or ())):
        if name not in known:
            manifest.entry(name)  # raises, with the nearest name
    fresh = freshness.compare(manifest, old)
    kept = {(entry.name, entry.variant): model for entry, model in fresh.answered}
    moving = [
        entry
        for entry in manifest.entries
        if (entry.name, entry.variant) not in kept or upgrade.concerns(entry.name)
        if only is None or entry.name in only
    ]
    if not moving and not fresh.extra and old is not None:
        return Proposal(old, old)

    resolved: list[tuple[Entry, Resolution]] = []
    before = old.by_key if old is not None else {}
    unless_moved = {} if upgrade.repin else kept
    queries = [_query(entry, before)._replace(kept=unless_moved.get(entry.key)) for entry in moving]
    answers = resolve_each(context, queries, project.root)
    if not dry_run:
        learn(context, zip((entry.request for entry in moving), answers, strict=True))
    for entry, answer in zip(moving, answers, strict=True):
        if isinstance(answer, ModelsyncError):
            failures.add(entry.title, answer, entry)
            continue
        refused = license_check.of_answer(manifest, entry, answer.files, answer.license) if allowed else None
        if refused is not None and entry.key not in kept:  # of a kept one the pin may stay
            failures.add(entry.title, refused, entry)
        else:
            resolved.append((entry, answer))
    notes = tuple(f"{entry.title}: {note}" for entry, answer in resolved for note in answer.notes)
    settled, reading = _settle(context, project, resolved, before, failures, dry_run=dry_run, target=target)
    upstream = dict(settled)
    if not upgrade.repin:
        _leave_pins(context, project, [entry for entry, _ in resolved], kept, settled, failures)
    for entry, _ in resolved if allowed else ():
        model = settled.get(entry.key)
        refused = license_check.of_model(manifest, entry, model) if model is not None else None
        if refused is not None:
            failures.add(entry.title, refused, entry)
            del settled[entry.key]
    stayed = tuple(
        Change(key[0], key[1], "unchanged", kept[key], model)
        for key, model in upstream.items()
        if key in kept and model != kept[key] and settled.get(key) == kept[key]
    )
    models = {**before, **settled}
    keys = [(entry.name, entry.variant) for entry in manifest.entries]
    new = (old or Lock())._replace(models=tuple(models[key] for key in keys if key in models))
    return Proposal(
        old,
        new,
        notes + reading.notes,
        reading.fetched,
        whole=all(key in models for key in keys),
        unmoved=stayed,
    )


def write(project: LoadedProject, proposal: Proposal) -> bool:
    """Writes the proposed lock; says whether there was anything to write.

    Raises:
        ChangedMeanwhileError: the lock is not what it was when it was read.
        StoreError: the folder cannot be written.
        UsageError: the lock would be larger than what is read.
    """
    old, new = proposal.old, proposal.new
    merged = proposal.merged or _says_less(project, new)
    if not proposal.whole or (old is not None and new == old and not merged):
        return False
    text = lock_text.dumps(new)
    if len(text) > MAX_TEXT:
        raise UsageError(
            f"the lock would be larger than {MAX_TEXT >> 20} MiB, and would not be read again",
            hint="take fewer files into folder models, or divide the models between projects",
        )
    if old is not None and not merged and text == lock_text.dumps(old):
        return False
    project.write_lock(new, text)
    return True


def _says_less(project: LoadedProject, lock: Lock) -> bool:
    """Whether the file claims a lower version than it needs: git merges the line that says it without a word."""
    needed = needed_version(lock)
    return needed > 1 and f"\nversion = {needed}\n" not in f"\n{project.lock_text or ''}".replace(
        "\r\n", "\n"
    )


def _leave_pins(
    context: Context,
    project: LoadedProject,
    entries: Sequence[Entry],
    kept: Mapping[tuple[str, str | None], LockedModel],
    settled: dict[tuple[str, str | None], LockedModel],
    failures: Failures,
) -> None:
    """Puts the pins of before into `settled` where the selected files are unchanged and the commit is still there.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        entries: What was resolved.
        kept: What the lock says of entries that it answers.
        settled: What upstream says now; an entry that cannot be asked about becomes a failure and is taken out.
        failures: Gets those.
    """
    sources = context.sources()
    wished = []
    for entry in entries:
        old, new = kept.get(entry.key), settled.get(entry.key)
        if old is not None and new is not None:
            model = unmoved(old, new, sources)
            if model != new:
                wished.append((entry, model))
    queries = [Query(at_pinned_commits(entry.request, model), model.files) for entry, model in wished]
    for (entry, model), answer in zip(wished, resolve_each(context, queries, project.root), strict=True):
        if isinstance(answer, NotFoundError):
            continue  # the commit is gone: its pin moves
        if isinstance(answer, ModelsyncError):
            failures.add(entry.title, answer, entry)
            del settled[entry.key]
        elif confirms(answer, model):
            settled[entry.key] = with_licenses(model, answer)


def _query(entry: Entry, known: dict[tuple[str, str | None], LockedModel]) -> Query:
    before = known.get((entry.name, entry.variant))
    return Query(entry.request, before.files if before else ())


def _settle(
    context: Context,
    project: LoadedProject,
    resolved: "Sequence[tuple[Entry, Resolution]]",
    previous: dict[tuple[str, str | None], LockedModel],
    failures: Failures,
    *,
    dry_run: bool,
    target: "Target | None",
) -> tuple[dict[tuple[str, str | None], LockedModel], PinnedFiles]:
    """Makes locked models of answers; those that cannot be had become failures."""
    from modelsync.fetch import disk_space
    from modelsync.sources.request import check_pins
    from modelsync.spec.names import file_name
    from modelsync.store.growing_root import GrowingRoot

    def copies(name: str, files: "Sequence[Found]") -> list[tuple[Path, int]]:
        if target is None:
            return []
        sizes = [
            (f"{name}/{file.path if file.role == 'file' else file_name(file.path)}", file.size or 0)
            for file in files
        ]
        return disk_space.of_copies(context.store, target.folder, target.mode, sizes)

    def fail(index: int, error: ModelsyncError) -> None:
        entry = resolved[index][0]
        failures.add(entry.title, error, entry)

    asked = []
    for entry, answer in resolved:
        before = previous.get((entry.name, entry.variant))
        asked.append(
            ResolvedRequest(
                entry.name,
                entry.request.to_dict(),
                answer,
                with_manifest(before),
                entry.allow_code,
            )
        )
    named = project.lock.digests if project.lock is not None else ()
    needed = GrowingRoot(context.store, project.lock_path, named)
    reading = settle(
        context,
        asked,
        project.root,
        read=not dry_run,
        keep=needed.add,
        copies=copies,
        on_error=fail,
    )
    settled: dict[tuple[str, str | None], LockedModel] = {}
    for (entry, _), ask, files in zip(resolved, asked, reading.files, strict=True):
        if entry.title in failures:
            continue
        try:
            check_pins(entry.request, [file for file in files if file.sha256])
        except ModelsyncError as error:
            failures.add(entry.title, error, entry)
            continue
        found = LockedModel(
            name=entry.name,
            request=ask.request,
            files=files,
            variant=entry.variant,
            revision=ask.answer.revision,
            license=ask.answer.license,
        )
        old = previous.get(entry.key)  # the same answer keeps what a later version added to it
        settled[entry.key] = old if old is not None and old.known == found else found
    return settled, reading

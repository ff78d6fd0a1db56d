"""What became of an edit of the manifest: the lock's changes and the sync's, as one."""

from typing import TYPE_CHECKING, Any

from modelsync.cli import report
from modelsync.cli.invocation import Invocation
from modelsync.errors import ModelsyncError

if TYPE_CHECKING:
    from modelsync.install.report import SyncReport
    from modelsync.ops.proposal import LockReport
    from modelsync.project.lock_diff import Change


def tell_supposed(
    invocation: Invocation, locked: "LockReport | None", edited: str, more: dict[str, Any]
) -> None:
    """Says what would be done; nothing was."""
    changes = report.changed(locked.changes if locked is not None else ())
    notes = list(locked.notes) if locked is not None else []
    output = invocation.output
    output.words(edited)
    output.notes(notes)
    output.words(*report.change_lines(changes), "nothing was written")
    output.result(
        changes=report.change_values(changes),
        bytes_fetched=0,
        bytes_reused=0,
        lock_written=False,
        notes=notes,
        warnings=[],
        brought=[],
        sources=[],
        **more,
    )


def tell(
    invocation: Invocation,
    locked: "LockReport | None",
    synced: "SyncReport | None",
    *,
    edited: str,
    failed: ModelsyncError | None = None,
    **more: Any,
) -> None:
    """Says what was done.

    Args:
        invocation: The run.
        locked: The result of locking, if that was done.
        synced: The result of syncing, as far as it came.
        edited: What became of the manifest, in words.
        failed: The error of the sync, which follows: the models that it is about did not come.
        more: Further fields, for programs.
    """
    output = invocation.output
    changes: dict[tuple[str, str | None], Change] = {}
    for change in (*(locked.changes if locked else ()), *(synced.changes if synced else ())):
        first = changes.setdefault((change.name, change.variant), change)
        changes[change.name, change.variant] = (change if first.action == "unchanged" else first)._replace(
            bytes=change.bytes
        )
    lost = {one.model for one in failed.errors} if failed is not None else set()
    real = report.changed([change for change in changes.values() if change.title not in lost])
    fetched = sum(done.bytes_fetched for done in (locked, synced) if done)
    read = locked.bytes_fetched if locked else 0  # what was read to be locked is here by the time of the sync
    reused = max(0, synced.bytes_reused - read) if synced else 0
    notes = [note for done in (locked, synced) if done for note in done.notes]
    output.words(edited)
    output.notes(notes)
    output.words(*report.change_lines(real))
    if locked:
        output.words(report.totals(fetched, reused, invocation.seconds))
    fields = {
        "changes": report.change_values(real),
        "bytes_fetched": fetched,
        "bytes_reused": reused,
        "lock_written": locked is not None and locked.written,
        "notes": notes,
        "warnings": list(synced.warnings) if synced else [],
        "brought": report.brought_values(synced.brought if synced else ()),
        "sources": report.source_values(synced.brought if synced else ()),
        **more,
    }
    if failed is not None:
        invocation.partial = fields
    else:
        output.result(**fields)

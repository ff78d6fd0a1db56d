"""The result of a sync."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from modelsync.install.plan import Plan, Step
    from modelsync.project.lock_diff import Change
    from modelsync.store.brought import Brought

NOTHING_TO_DO = "nothing to do: everything is here"


class SyncReport(NamedTuple):
    """The result of a sync.

    Attributes:
        changes: What became of each model that was not here and as it should be, sorted by name.
        steps: The steps that were taken, or would be; see `plan`.
        bytes_fetched: Bytes that came over the network.
        bytes_reused: Bytes of the changed models that did not have to.
        notes: What a person should be told.
        lock_written: Whether the lock was brought up to date.
        brought: What came into the store, and from where.
        given: How many files were put into the Hugging Face cache; None: none were to be.
        given_places: Where files are, or would be, in that cache; None: none were to be, or it is not settled.
        warnings: What a person was told before anything was fetched: of models that cannot fit this machine.
    """

    changes: "tuple[Change, ...]"
    steps: "tuple[Step, ...]" = ()
    bytes_fetched: int = 0
    bytes_reused: int = 0
    notes: tuple[str, ...] = ()
    lock_written: bool = False
    warnings: tuple[str, ...] = ()
    brought: "tuple[Brought, ...]" = ()
    given: int | None = None
    given_places: "tuple[Path, ...] | None" = None

    @property
    def plan(self) -> "Plan":
        """The steps as a plan. Made on demand: a sync with nothing to do imports no plan."""
        from modelsync.install.plan import Plan

        return Plan(self.steps)

    def __str__(self) -> str:
        """As `modelsync sync` prints it, without colours and time."""
        from modelsync.display import changes

        if not self.changes and not self.steps and not self.given:
            lines = [NOTHING_TO_DO]
        else:
            moved = changes.changed(self.changes)
            lines = [
                *changes.change_lines(moved),
                changes.totals(self.bytes_fetched, self.bytes_reused),
                *changes.given_lines(self.given),
            ]
        return "\n".join((*self.notes, *lines))

    def _repr_html_(self) -> str:
        """For a notebook."""
        from modelsync.display.changes import as_html

        return as_html(str(self))

"""The result of a lock or a sync, as lines for a person and as values for a program."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from modelsync.display import changes, units
from modelsync.display.changes import changed as changed
from modelsync.display.changes import given_lines as given_lines
from modelsync.display.changes import model_size
from modelsync.display.changes import totals as totals
from modelsync.display.columns import table

if TYPE_CHECKING:
    from modelsync.install.plan import Plan
    from modelsync.project.lock_diff import Change
    from modelsync.spec.lock.model import LockedModel
    from modelsync.store.brought import Brought

COLORS = {"added": "green", "updated": "yellow", "removed": "red", "unchanged": "white"}


def change_lines(of: Sequence["Change"], costs: Sequence[str] = ()) -> list[str]:
    """The lines of `display.changes`, with their marks in colours."""
    return changes.change_lines(
        of, costs, lambda mark, action: click.style(mark, fg=COLORS[action], bold=True)
    )


def brought_lines(models: Sequence[tuple[str, "LockedModel"]]) -> list[str]:
    """` + hf:user/model:Q4_K_M  4.6 GiB`: what is here now, each under its URI as it was given."""
    mark = click.style("+", fg=COLORS["added"], bold=True)
    lines = table([(title, model_size(model)) for title, model in models], right=[1])
    return [f" {mark} {line}" for line in lines]


def change_values(of: Sequence["Change"]) -> list[dict[str, Any]]:
    """The changes as programs read them."""
    return [
        {
            "name": change.name,
            "variant": change.variant,
            "action": change.action,
            "bytes": change.bytes,
            "before": _identity(change.before),
            "after": _identity(change.after),
        }
        for change in of
    ]


def plan_lines(plan: "Plan") -> list[str]:
    """The steps of a plan in words, one a line; steps inside the store are left out."""
    from modelsync.install.plan import summary
    from modelsync.spec.names import printable

    shown = [step for step in plan.steps if step.verb != "view"]
    rows = [(printable(words), "" if count is None else units.size(count)) for words, count in summary(shown)]
    return table(rows, right=[1], indent="   ")


def plan_values(plan: "Plan") -> list[dict[str, Any]]:
    """The steps of a plan as programs read them."""
    return [
        {
            "verb": step.verb,
            "name": step.model.name if step.model else None,
            "variant": step.model.variant if step.model else None,
            "file": step.file.path if step.file else None,
            "target": step.target,
            "bytes": step.bytes,
        }
        for step in plan.steps
    ]


def brought_values(brought: Sequence["Brought"]) -> list[dict[str, Any]]:
    """Where each file came from, as programs read it."""
    return [
        {
            "file": one.path,
            "sha256": one.sha256,
            "bytes": one.bytes,
            "place": one.place or "source",
            "path": str(one.taken_from) if one.taken_from is not None else None,
            "way": one.way,
        }
        for one in brought
    ]


def source_values(brought: Sequence["Brought"]) -> list[dict[str, Any]]:
    """How much came from each place, as programs read it: the files' own sources together first."""
    counts: dict[str, list[int]] = {}
    for one in sorted(brought, key=lambda one: one.place or ""):
        counted = counts.setdefault(one.place or "source", [0, 0])
        counted[0] += 1
        counted[1] += one.bytes
    return [{"place": place, "files": files, "bytes": size} for place, (files, size) in counts.items()]


def _identity(model: "LockedModel | None") -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "revision": model.revision,
        "license": model.license,
        "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in model.files],
    }

"""The result of a lock or a sync, as lines for a person and as values for a program."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from modelsync.cli.output import table
from modelsync.display import units
from modelsync.spec.lock.keys import short

if TYPE_CHECKING:
    from modelsync.install.plan import Plan
    from modelsync.project.lock_diff import Change
    from modelsync.spec.lock.model import LockedModel
    from modelsync.store.brought import Brought

MARKS = {"added": "+", "updated": "~", "removed": "-", "unchanged": "="}
COLORS = {"added": "green", "updated": "yellow", "removed": "red", "unchanged": "white"}


def changed(changes: Sequence["Change"]) -> list["Change"]:
    """The models that changed, sorted by name."""
    return sorted(
        (change for change in changes if change.action != "unchanged"),
        key=lambda change: (change.name, change.variant or ""),
    )


def change_lines(changes: Sequence["Change"], costs: Sequence[str] = ()) -> list[str]:
    """` + llama3  Q4_K_M  4.6 GiB`, ` ~ llama3  a1b2c3d -> e4f5a6b`, ` - old`: names and quants in columns.

    Args:
        changes: What became of each model.
        costs: What that would cost, in words, as a last column; none: no such column.
    """
    new = [change for change in changes if change.action == "added" or _is_put_anew(change)]
    quants = max((len(_kind(change.after)) for change in new), default=0)
    rows = []
    for change in changes:
        name = change.title
        if change in new:
            words = (
                f"{_kind(change.after):{quants}}  {_size(change.after)}" if quants else _size(change.after)
            )
        elif change.action != "removed":
            words = _moved(change.before, change.after)
        else:
            words = ""
        rows.append((MARKS[change.action], name, words))
    lines = table(
        [(name, words, cost) for (_, name, words), cost in zip(rows, costs or [""] * len(rows), strict=True)]
    )
    return [
        f" {click.style(mark, fg=COLORS[change.action], bold=True)} {line}"
        for (mark, _, _), line, change in zip(rows, lines, changes, strict=True)
    ]


def _is_put_anew(change: "Change") -> bool:
    """Whether the lock has the same as before, and files of it came into the project's folder."""
    return change.action == "updated" and change.before is None and change.after is not None


def brought_lines(models: Sequence[tuple[str, "LockedModel"]]) -> list[str]:
    """` + hf:user/model:Q4_K_M  4.6 GiB`: what is here now, each under its URI as it was given."""
    mark = click.style("+", fg=COLORS["added"], bold=True)
    lines = table([(title, _size(model)) for title, model in models], right=[1])
    return [f" {mark} {line}" for line in lines]


def change_values(changes: Sequence["Change"]) -> list[dict[str, Any]]:
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
        for change in changes
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


def totals(fetched: int, reused: int, seconds: float) -> str:
    """`4.6 GiB fetched, 1.2 GiB reused, 12 s`."""
    if not fetched and not reused:
        return f"nothing fetched, {units.duration(seconds)}"
    return f"{units.size(fetched)} fetched, {units.size(reused)} reused, {units.duration(seconds)}"


def given_lines(given: int | None) -> list[str]:
    """What was put into the Hugging Face cache, if anything was."""
    return [f"put {units.count(given, 'file')} into the Hugging Face cache"] if given else []


def _kind(model: "LockedModel | None") -> str:
    """The quant of a model, or how many files a folder model has."""
    from modelsync.spec.labels import quant_of

    if model is None or not model.files:
        return ""
    if model.is_folder:
        return units.count(len(model.files), "file")
    return quant_of(model.files[0].path) or ""


def _size(model: "LockedModel | None") -> str:
    return units.size(sum(file.size for file in model.files)) if model else ""


def _moved(before: "LockedModel | None", after: "LockedModel | None") -> str:
    """From what to what: the first of commit, quant and digest in which the two differ."""
    if before is None or after is None:
        return ""
    for was, now in (
        (short(before.revision), short(after.revision)),
        (_kind(before), _kind(after)),
        (_digest(before), _digest(after)),
    ):
        if was and now and was != now:
            return f"{was} -> {now}"
    return f"{units.count(len(before.files), 'file')} -> {units.count(len(after.files), 'file')}"


def _digest(model: "LockedModel") -> str:
    return f"sha256:{model.files[0].sha256[:7]}" if model.files else ""


def _identity(model: "LockedModel | None") -> dict[str, Any] | None:
    if model is None:
        return None
    return {
        "revision": model.revision,
        "license": model.license,
        "files": [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in model.files],
    }

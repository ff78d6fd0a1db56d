"""What became of models, as lines: what commands print, and reports say of themselves."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from modelsync.display import units
from modelsync.display.columns import table
from modelsync.spec.lock.keys import short

if TYPE_CHECKING:
    from modelsync.project.lock_diff import Action, Change
    from modelsync.spec.lock.model import Lock, LockedModel

MARKS = {"added": "+", "updated": "~", "removed": "-", "unchanged": "="}


def changed(changes: Sequence["Change"]) -> list["Change"]:
    """The models that changed, sorted by name."""
    return sorted(
        (change for change in changes if change.action != "unchanged"),
        key=lambda change: (change.name, change.variant or ""),
    )


def change_lines(
    changes: Sequence["Change"],
    costs: Sequence[str] = (),
    style: Callable[[str, "Action"], str] | None = None,
) -> list[str]:
    """` + llama3  Q4_K_M  4.6 GiB`, ` ~ llama3  a1b2c3d -> e4f5a6b`, ` - old`: names and quants in columns.

    Args:
        changes: What became of each model.
        costs: What that would cost, in words, as a last column; none: no such column.
        style: Colours a mark; None: nothing does.
    """
    new = [change for change in changes if change.action == "added" or _is_put_anew(change)]
    quants = max((len(_kind(change.after)) for change in new), default=0)
    rows = []
    for change in changes:
        name = change.title
        if change in new:
            words = (
                f"{_kind(change.after):{quants}}  {model_size(change.after)}"
                if quants
                else model_size(change.after)
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
        f" {style(mark, change.action) if style is not None else mark} {line}"
        for (mark, _, _), line, change in zip(rows, lines, changes, strict=True)
    ]


def _is_put_anew(change: "Change") -> bool:
    """Whether the lock has the same as before, and files of it came into the project's folder."""
    return change.action == "updated" and change.before is None and change.after is not None


def totals(fetched: int, reused: int, seconds: float | None = None) -> str:
    """`4.6 GiB fetched, 1.2 GiB reused, 12 s`; without the time where it is not known."""
    took = "" if seconds is None else f", {units.duration(seconds)}"
    if not fetched and not reused:
        return f"nothing fetched{took}"
    return f"{units.size(fetched)} fetched, {units.size(reused)} reused{took}"


def given_lines(given: int | None) -> list[str]:
    """What was put into the Hugging Face cache, if anything was."""
    return [f"put {units.count(given, 'file')} into the Hugging Face cache"] if given else []


def counted(lock: "Lock") -> str:
    """`3 models, 1 variant`."""
    variants = sum(model.variant is not None for model in lock.models)
    models = units.count(len(lock.models) - variants, "model")
    return f"{models}, {units.count(variants, 'variant')}" if variants else models


def as_html(text: str) -> str:
    """Lines as a notebook shows them."""
    from html import escape

    return f"<pre>{escape(text)}</pre>"


def _kind(model: "LockedModel | None") -> str:
    """The quant of a model, or how many files a folder model has."""
    from modelsync.spec.labels import quant_of

    if model is None or not model.files:
        return ""
    if model.is_folder:
        return units.count(len(model.files), "file")
    return quant_of(model.files[0].path) or ""


def model_size(model: "LockedModel | None") -> str:
    """The bytes of all files of a model, in words."""
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

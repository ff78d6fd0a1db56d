"""The store's models as lines of a table, and as values for programs."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.display.columns import table
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.ops.cache.models import StoredModel, StoredModels
    from modelsync.store.needs import Need
    from modelsync.store.prune_plan import PrunePlan

DAY = "%Y-%m-%d"


def model_lines(found: "StoredModels", *, every: bool) -> list[str]:
    """The table of `cache list`.

    Args:
        found: What is in the store.
        every: Show the files of each model, and all that needs it, below its line.
    """
    rows = [
        (model.title, _size(model), _arrived(model), day(model.used), _needed_by(model))
        for model in found.models
    ]
    head, *lines = titled(["model", "size", "arrived", "used", "needed by"], rows, right=[1, 2])
    if not every:
        return [head, *lines]
    out = [head]
    for line, model in zip(lines, found.models, strict=True):
        files = sorted(
            (known.path if (known := found.known.get(digest)) else "", digest) for digest in model.digests
        )
        out += [line, *(f"  {digest[:12]}  {printable(path, 1000)}".rstrip() for path, digest in files)]
        out += [f"  needed by {_whole(need, model)}" for need in model.needs]
    return out


def model_values(found: "StoredModels") -> list[dict[str, Any]]:
    """The models as programs read them."""
    return [
        {
            "title": model.title,
            "repo": model.repo,
            "sha256": sorted(model.digests),
            "files": model.files,
            "bytes": model.bytes,
            "total_bytes": model.total,
            "unfinished": model.unfinished,
            "used": round(model.used),
            "needed_by": [
                {
                    "lock": need.lock,
                    "uri": need.uri,
                    "lives": need.lives,
                    "names": list(model.names.get(need.lock, ())) if need.lives and need.lock else [],
                }
                for need in model.needs
            ],
        }
        for model in found.models
    ]


def going_lines(found: "StoredModels", plan: "PrunePlan") -> list[str]:
    """` - user/model:Q4_K_M  4.6 GiB` for each model that goes, whole or in part."""
    going = {thing.key: thing.bytes for thing in plan.things if thing.kind in ("blob", "partial")}
    rows = [
        (model.title, units.size(sum(going.get(digest, 0) for digest in model.digests)))
        for model in found.models
        if not model.digests.isdisjoint(going)
    ]
    return [f" - {line}" for line in table(rows, right=[1])]


def later_words(later: Sequence[tuple[float, int]]) -> str:
    """`57.3 MiB go after 2026-12-29; --now removes them`, of what stays for some days yet."""
    first, last = day(later[0][0]), day(later[-1][0])
    when = f"after {last}" if first == last else f"between {first} and {last}"
    return f"{units.size(sum(count for _, count in later))} go {when}; --now removes them"


def day(seconds: float) -> str:
    """`2026-11-29`, where this machine is."""
    return time.strftime(DAY, time.localtime(seconds))


def _size(model: "StoredModel") -> str:
    return units.size(model.total if model.total is not None else model.bytes)


def _arrived(model: "StoredModel") -> str:
    """`40 %` of a download that broke off."""
    if not model.unfinished:
        return ""
    return "a part" if not model.total else f"{100 * model.bytes // model.total} %"


def _needed_by(model: "StoredModel") -> str:
    """`~/app (llama3)`, with how many more there are; `pulled` where no project needs it."""
    living = [_project(need, model) for need in model.needs if need.lives]
    if not living:
        return "pulled" if any(need.uri for need in model.needs) else ""
    return living[0] + (f", +{len(living) - 1}" if len(living) > 1 else "")


def _project(need: "Need", model: "StoredModel") -> str:
    assert need.lock is not None
    folder = Path(need.lock).parent
    try:
        shown = str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        shown = str(folder)
    names = model.names.get(need.lock, ())
    return printable(f"{shown} ({', '.join(names)})" if names else shown, 1000)


def _whole(need: "Need", model: "StoredModel") -> str:
    names = _listed(model.names.get(need.lock, ())) if need.lock and need.lives else ""
    before = " before it changed or went" if need.lock and not need.lives else ""
    return printable(need.by, 1000) + names + before


def _listed(names: Iterable[str]) -> str:
    return f" ({', '.join(names)})" if names else ""

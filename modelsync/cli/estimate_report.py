"""What a model will need, as lines for people: profiles, bars of devices, quants side by side."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.memory import placement
from modelsync.memory.load_settings import LLAMA_SERVER
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.fit.estimation import Estimation
    from modelsync.fit.profiles import LoadProfile, Outcome
    from modelsync.fit.quants import Quants
    from modelsync.memory.estimate import DeviceUse, Estimate
    from modelsync.memory.placement import Verdict

WIDTH = 40  # cells of a device's bar
PARTS = (
    ("weights", "█", "blue"),
    ("cache", "▓", "cyan"),
    ("compute", "▒", "magenta"),
    ("other", "░", "yellow"),
)
SCORE = "score: 0 to 100, to compare by; `modelsync help estimate` says what it counts"
SOURCES = {"llama.cpp": "llama.cpp's own numbers", "formula": "computed by formulas"}


def of_model(found: "Estimation") -> Iterator[str]:
    """A model as it would be loaded, and at its best."""
    estimate, best = found.estimate, found.best
    yield click.style(printable(found.title), bold=True)
    yield f"  as it would be loaded: {_verdict(found.verdict)}"
    yield f"    {_needs(estimate)}, with a context of {estimate.context:,} tokens"
    if best is not None:
        yield f"  at its best here: {_verdict(best.outcome.verdict)}"
        yield f"    {_needs(best.outcome.estimate)}, with {_settings(best)}"
    yield ""
    yield from _compared(found)
    yield f"  {SCORE}"
    yield ""
    yield f"  {SOURCES[estimate.source]}, for {estimate.settings.profile}"
    for title, uses in _drawn(found):
        yield ""
        if title:
            yield f"  {title}:"
        for use in uses:
            yield from _device(use)
    if not found.verdict.fits:
        yield ""
        for remedy in found.remedies:
            yield f"  it fits with {printable(remedy.text)}: {units.size(remedy.estimate.need)}"
        if found.smaller is not None:
            yield f"  a smaller quant of the repo fits: {printable(found.smaller)}"
        if not found.remedies and found.smaller is None:
            yield "  no setting makes it fit: a smaller model or quant would need less"


def _needs(estimate: "Estimate") -> str:
    return ("at most " if estimate.bound else "") + units.size(estimate.need)


def _verdict(verdict: "Verdict") -> str:
    return click.style(verdict.text, fg="green" if verdict.fits else "red", bold=True)


def _settings(profile: "LoadProfile") -> str:
    """The settings of a profile: llama-server's flags, else as a manifest and `llama_cpp.Llama` take them."""
    found = profile.outcome.estimate
    if found.settings.profile == LLAMA_SERVER.profile:
        from modelsync.ops.export.llama_server import options

        flags, _ = options(profile.load)
        if len(found.uses) == 1:
            del flags["n-gpu-layers"]
        return " ".join(f"--{name} {value}" for name, value in flags.items())
    told = {
        name: str(value).lower()
        for name, value in profile.load.items()
        if name != "n_gpu_layers" or found.gpu_layers
    }
    return ", ".join(f"{name} = {value}" for name, value in told.items())


def _drawn(found: "Estimation") -> "Iterator[tuple[str, Sequence[DeviceUse]]]":
    """What devices are drawn with: as loaded, and at its best where that takes other layers to GPUs."""
    best = found.best
    if best is None or best.outcome.estimate.gpu_layers == found.estimate.gpu_layers:
        yield "", found.estimate.uses
        return
    yield "as it would be loaded", found.estimate.uses
    yield "at its best here", best.outcome.estimate.uses


NAMES = {"as-loaded": "as loaded", "best": "best here"}


def _compared(found: "Estimation") -> Iterator[str]:
    """The profiles as a table."""
    rows, before = [], ""
    for profile in found.profiles:
        outcome = profile.outcome
        estimate = outcome.estimate
        rows.append(
            (
                NAMES[profile.name] if profile.name != before else "",
                "on" if profile.flash_attention else "off",
                f"{estimate.gpu_layers}/{estimate.layers}" if len(estimate.uses) > 1 else "",
                f"{estimate.context:,}",
                f"{outcome.max_context:,}" if outcome.max_context else "none",
                units.size(estimate.need),
                str(outcome.score),
                _fits(outcome),
            )
        )
        before = profile.name
    titles = ["", "flash", "on GPU", "context", "max ctx", "needs", "score", "verdict"]
    return iter(titled(titles, rows, right=[2, 3, 4, 5, 6], indent="  "))


def _fits(outcome: "Outcome") -> str:
    """A verdict short enough for a column beside that of layers."""
    short = placement.shortage(outcome.estimate)
    if short:
        return f"{units.size(short)} over"
    return "tight" if outcome.verdict.word == "tight" else "fits"


def _device(use: "DeviceUse") -> Iterator[str]:
    """A device's bar, drawn to scale, and its numbers."""
    room = max(use.device.free, use.need, 1)
    cells, numbers = "", []
    for name, cell, color in PARTS:
        amount = getattr(use, name)
        if amount:
            cells += click.style(cell * max(1, round(WIDTH * amount / room)), fg=color)
            numbers.append(f"{click.style(cell, fg=color)} {name} {units.size(amount)}")
    drawn = len(click.unstyle(cells))
    short = use.need - use.device.free
    left = f"{units.size(-short)} free" if short <= 0 else f"{units.size(short)} too much"
    yield f"  {printable(use.device.name)}, {units.size(use.device.free)} free of {units.size(use.device.total)}"
    yield f"  {cells}{'·' * max(0, WIDTH - drawn)}  {left}"
    yield f"  {'  '.join(numbers)}"


def of_quants(found: "Quants") -> Iterator[str]:
    """The quants of a repo, side by side."""
    yield click.style(printable(found.title), bold=True)
    rows = [
        (
            printable(row.quant or ""),
            units.size(row.file_size) if row.file_size is not None else "",
            units.size(row.estimate.need),
            f"{row.max_context:,}" if row.max_context else "none",
            str(row.score),
            _short(row),
        )
        for row in found.rows
    ]
    contexts = {row.estimate.context for row in found.rows}
    if len(contexts) == 1:
        yield f"with a context of {contexts.pop():,} tokens:"
    yield from titled(["quant", "size", "needs", "max context", "score", "verdict"], rows, right=[1, 2, 3, 4])
    yield SCORE
    if found.best is not None:
        on_gpus = found.best.estimate.gpu_layers == found.best.estimate.layers
        which = "the largest that is all on the GPU" if on_gpus else "the largest that fits"
        yield f"{which}: {printable(found.best.quant or found.best.title)}"


def _short(row: "Estimation") -> str:
    """A verdict short enough for a column."""
    estimate, short = row.estimate, placement.shortage(row.estimate)
    if short:
        return f"{units.size(short)} too much"
    if estimate.gpu_layers == estimate.layers:
        words = "fits the GPU" if len(estimate.uses) == 2 else "fits the GPUs"
    elif estimate.gpu_layers:
        words = f"fits, {estimate.gpu_layers} of {estimate.layers} on GPU"
    else:
        words = "fits, on the CPU" if len(estimate.uses) > 1 else "fits"
    return f"{words}, tight" if row.verdict.word == "tight" else words

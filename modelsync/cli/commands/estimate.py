"""`modelsync estimate`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.memory import placement
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.context import Context
    from modelsync.fit.estimation import EstimateOptions, Estimation
    from modelsync.fit.quants import Quants
    from modelsync.memory.estimate import DeviceUse
    from modelsync.spec.uri import Reference

import click

from modelsync.cli import completion, options, sizes
from modelsync.cli.command import command

if TYPE_CHECKING:
    from modelsync.memory.load_settings import GpuLayers


def _layers(_: click.Context, __: click.Parameter, text: str | None) -> "GpuLayers | None":
    """A number of layers; `max` is -1, all; `auto` is as many as fit."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if text == "max":
        return -1
    if not (text.isascii() and text.isdigit()):
        raise click.BadParameter(f"{text!r} is neither a number nor max or auto")
    return int(text)


@command("estimate", short_help="Say what memory a model will need, and whether it fits here.")
@click.argument("model", metavar="NAME|URI|PATH", shell_complete=completion.names)
@options.value(
    "asked",
    sizes.asked_of,
    click.option(
        "--ctx",
        "context",
        type=click.IntRange(0),
        metavar="N",
        help="Tokens of context; 0: what it was trained with.",
    ),
    click.option("--gpu-layers", callback=_layers, metavar="N|max|auto", help="Layers on GPUs."),
    click.option(
        "--flash-attn/--no-flash-attn",
        "flash_attention",
        default=None,
        help="With or without flash attention.",
    ),
    click.option("--cache-type-k", metavar="TYPE", help="Type of the cache's keys: f16, q8_0, …"),
    click.option("--cache-type-v", metavar="TYPE", help="Type of the cache's values."),
    click.option("--ubatch", type=click.IntRange(1), metavar="N", help="Tokens that are computed at once."),
    click.option(
        "--swa-full/--no-swa-full",
        "full_window",
        default=None,
        help="A whole cache for sliding windows, or a small one.",
    ),
    click.option(
        "--profile",
        metavar="NAME",
        help="Whose defaults: llama-cpp-python (with what the manifest says), or llama-server.",
    ),
    *sizes.MACHINE,
)
@options.variant
def estimate(
    invocation: Invocation,
    model: str,
    asked: "EstimateOptions",
    variant: str | None,
) -> None:
    """Say what memory a model will need, and whether it fits this machine, or one that is described.

    Of a model that is not here only the header is fetched. A repo without a quant gives a table of all its quants.
    """
    show(invocation, model, asked, variant=variant)


WIDTH = 40  # cells of a device's bar
PARTS = (
    ("weights", "█", "blue"),
    ("cache", "▓", "cyan"),
    ("compute", "▒", "magenta"),
    ("other", "░", "yellow"),
)
SOURCES = {"llama.cpp": "llama.cpp's own numbers", "formula": "computed by formulas"}


def show(invocation: Invocation, model: str, asked: "EstimateOptions", *, variant: str | None) -> None:
    """Prints what a model needs; of a repo without a quant, what each of its quants does."""
    from modelsync.fit import quants
    from modelsync.ops import estimate as ops_estimate

    output = invocation.output
    with invocation.context() as context:
        whole = _repo(context, model)
        if whole is not None:
            table = quants.estimate_quants(context, whole, asked)
            output.notes(table.notes)
            output.lines(_table(table))
            output.result(**table.to_dict())
            return
        found = ops_estimate.estimate(context, model, invocation.project, variant=variant, asked=asked)
    output.notes(found.notes)
    output.lines(_report(found))
    output.result(**found.to_dict())


def _repo(context: "Context", model: str) -> "Reference | None":
    """The repo that a URI names whole, without a quant or a file; None for anything else."""
    from modelsync.project import model_files
    from modelsync.spec.uri import HfUri

    if model_files.is_name(model):
        return None
    reference = context.reference(model)
    uri = reference.uri
    return reference if isinstance(uri, HfUri) and uri.quant is None and uri.path is None else None


def _report(found: "Estimation") -> Iterator[str]:
    import click

    estimate = found.estimate
    yield click.style(printable(found.title), bold=True)
    yield "  " + click.style(found.verdict.text, fg="green" if found.verdict.fits else "red", bold=True)
    yield ""
    about = "at most " if estimate.bound else ""
    layers = f", {estimate.gpu_layers} of {estimate.layers} layers on GPUs" if len(estimate.uses) > 1 else ""
    yield f"  needs {about}{units.size(estimate.need)} with a context of {estimate.context:,} tokens{layers}"
    if found.max_context:
        yield f"  the largest context that fits: {found.max_context:,} tokens"
    yield f"  {SOURCES[estimate.source]}, for {estimate.settings.profile}; node-llama-cpp's score: {found.score}"
    yield ""
    for use in estimate.uses:
        yield from _device(use)
    if not found.verdict.fits:
        yield ""
        for remedy in found.remedies:
            yield f"  it fits with {printable(remedy.text)}: {units.size(remedy.estimate.need)}"
        if found.smaller is not None:
            yield f"  a smaller quant of the repo fits: {printable(found.smaller)}"
        if not found.remedies and found.smaller is None:
            yield "  no setting makes it fit: a smaller model or quant would need less"


def _device(use: "DeviceUse") -> Iterator[str]:
    """A device's bar, drawn to scale, and its numbers."""
    import click

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


def _table(found: "Quants") -> Iterator[str]:
    import click

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
    yield from titled(["quant", "size", "needs", "max context", "score", "verdict"], rows, right=[1, 2, 3, 4])
    if found.best is not None:
        yield f"the largest that fits: {printable(found.best.quant or found.best.title)}"


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

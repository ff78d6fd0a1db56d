"""`modelsync estimate`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.memory import placement
from modelsync.memory.load_settings import LLAMA_SERVER
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.context import CallOptions, Context
    from modelsync.fit.estimation import EstimateOptions, Estimation
    from modelsync.fit.profiles import LoadProfile, Outcome
    from modelsync.fit.quants import Quants
    from modelsync.memory.estimate import DeviceUse, Estimate
    from modelsync.memory.placement import Verdict
    from modelsync.project.selection import Variant
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


@command(
    "estimate",
    short_help="Say what memory a model will need, and whether it fits here.",
    examples=(
        ("modelsync estimate llama3", "a model of the project"),
        ("modelsync estimate hf:user/model", "all quants of a repo, side by side"),
        ("modelsync estimate llama3 --ctx 32768 --gpu 24GB", "on another machine"),
    ),
)
@click.argument(
    "models", metavar="NAME|URI|PATH...", nargs=-1, required=True, shell_complete=completion.names_or_paths
)
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
@options.mirrors
def estimate(
    invocation: Invocation,
    models: tuple[str, ...],
    asked: "EstimateOptions",
    variant: "Variant",
    call: "CallOptions",
) -> None:
    """Say what memory each model will need, and whether it fits this machine, or one that is described.

    Of a model that is not here only the header is fetched. It is shown as it would be loaded (by the manifest's load
    settings, or a program's defaults) and at its best: as many layers on GPUs as fit beside 8192 tokens of context,
    then the most context. What is given as an option holds for both.

    The score is node-llama-cpp's, 0 to 100, for comparing models and settings. With layers on a GPU: 60 for their
    share, 10 more if that is all, 30 for the context, 10 if RAM suffices, of 110. On a CPU a large model scores low
    even where it fits.

    A repo without a quant gives a table of all its quants, with 4096 tokens and as many layers on GPUs as fit, as
    `add --fit` chooses.
    """
    show(invocation, models, asked, variant=variant, call=call)


WIDTH = 40  # cells of a device's bar
PARTS = (
    ("weights", "█", "blue"),
    ("cache", "▓", "cyan"),
    ("compute", "▒", "magenta"),
    ("other", "░", "yellow"),
)
SCORE = "score: 0 to 100, to compare by; `modelsync help estimate` says what it counts"
SOURCES = {"llama.cpp": "llama.cpp's own numbers", "formula": "computed by formulas"}


def show(
    invocation: Invocation,
    models: "Sequence[str]",
    asked: "EstimateOptions",
    *,
    variant: "Variant",
    call: "CallOptions",
) -> None:
    """Prints what each model needs; of a repo without a quant, what each of its quants does."""
    from modelsync.fit import quants
    from modelsync.ops import estimate as ops_estimate

    output = invocation.output
    values: list[dict[str, Any]] = []
    for model in models:
        found: Estimation | Quants
        with invocation.context(call) as context:
            whole = _repo(context, model)
            if whole is not None:
                found = quants.estimate_quants(context, whole, asked)
                lines = _table(found)
            else:
                found = ops_estimate.estimate(
                    context, model, invocation.project, variant=variant, asked=asked
                )
                lines = _report(found)
        output.notes(found.notes)
        output.lines(["", *lines] if values else lines)
        values.append(found.to_dict())
    if len(values) == 1:
        output.result(**values[0])
    else:
        output.result(models=values)


def _repo(context: "Context", model: str) -> "Reference | None":
    """The repo that a URI names whole, without a quant or a file; None for anything else."""
    from modelsync.errors import CancelledError, ModelsyncError
    from modelsync.fit.candidates import quant_tags
    from modelsync.project import model_files
    from modelsync.spec.uri import HfUri, OciUri

    if model_files.is_name(model):
        return None
    reference = context.reference(model)
    uri = reference.uri
    if isinstance(uri, OciUri) and uri.tag == "latest" and not model.endswith(":latest"):
        try:
            return reference if quant_tags(context, uri) else None
        except CancelledError:
            raise
        except ModelsyncError:
            return None  # a registry that lists no tags has a `latest` all the same
    return reference if isinstance(uri, HfUri) and uri.quant is None and uri.path is None else None


def _report(found: "Estimation") -> Iterator[str]:
    import click

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
    import click

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

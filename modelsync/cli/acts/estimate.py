"""What `modelsync estimate` does."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelsync.cli import human
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import titled
from modelsync.gguf import fit
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.engine.estimating import Asked, Estimation
    from modelsync.engine.quants import Quants
    from modelsync.gguf.estimate import Use
    from modelsync.spec.uri import Reference

WIDTH = 40  # cells of a device's bar
PARTS = (
    ("weights", "█", "blue"),
    ("cache", "▓", "cyan"),
    ("compute", "▒", "magenta"),
    ("other", "░", "yellow"),
)
SOURCES = {"llama.cpp": "llama.cpp's own numbers", "formula": "reckoned by formulas"}


def show(invocation: Invocation, model: str, asked: "Asked", *, variant: str | None) -> None:
    """Prints what a model needs; of a repo without a quant, what each of its quants does."""
    from modelsync.engine import estimating, quants

    output = invocation.output
    with invocation.context() as context:
        whole = _repo(model)
        if whole is not None:
            table = quants.estimate_quants(context, whole, asked)
            output.notes(table.notes)
            output.lines(_table(table))
            output.result(**table.to_dict())
            return
        found = estimating.estimate(context, model, invocation.project, variant=variant, asked=asked)
    output.notes(found.notes)
    output.lines(_report(found))
    output.result(**found.to_dict())


def _repo(model: str) -> "Reference | None":
    """The repo that a URI names whole, without a quant or a file; None for anything else."""
    from modelsync.engine import modelfiles
    from modelsync.spec import uri as uris

    if modelfiles.is_name(model):
        return None
    reference = uris.parse(model)
    uri = reference.uri
    return reference if isinstance(uri, uris.HfUri) and uri.quant is None and uri.path is None else None


def _report(found: "Estimation") -> Iterator[str]:
    import click

    estimate = found.estimate
    yield click.style(printable(found.title), bold=True)
    yield "  " + click.style(found.verdict.text, fg="green" if found.verdict.fits else "red", bold=True)
    yield ""
    about = "at most " if estimate.bound else ""
    layers = f", {estimate.gpu_layers} of {estimate.layers} layers on GPUs" if len(estimate.uses) > 1 else ""
    yield f"  needs {about}{human.size(estimate.need)} with a context of {estimate.context:,} tokens{layers}"
    if found.max_context:
        yield f"  the largest context that fits: {found.max_context:,} tokens"
    yield f"  {SOURCES[estimate.source]}, for {estimate.settings.profile}; node-llama-cpp's score: {found.score}"
    yield ""
    for use in estimate.uses:
        yield from _device(use)
    if not found.verdict.fits:
        yield ""
        for remedy in found.remedies:
            yield f"  it fits with {printable(remedy.text)}: {human.size(remedy.estimate.need)}"
        if found.smaller is not None:
            yield f"  a smaller quant of the repo fits: {printable(found.smaller)}"
        if not found.remedies and found.smaller is None:
            yield "  no setting makes it fit: a smaller model or quant would need less"


def _device(use: "Use") -> Iterator[str]:
    """A device's bar, drawn to scale, and its numbers."""
    import click

    room = max(use.device.free, use.need, 1)
    cells, numbers = "", []
    for name, cell, color in PARTS:
        amount = getattr(use, name)
        if amount:
            cells += click.style(cell * max(1, round(WIDTH * amount / room)), fg=color)
            numbers.append(f"{click.style(cell, fg=color)} {name} {human.size(amount)}")
    drawn = len(click.unstyle(cells))
    short = use.need - use.device.free
    left = f"{human.size(-short)} free" if short <= 0 else f"{human.size(short)} too much"
    yield f"  {printable(use.device.name)}, {human.size(use.device.free)} free of {human.size(use.device.total)}"
    yield f"  {cells}{'·' * max(0, WIDTH - drawn)}  {left}"
    yield f"  {'  '.join(numbers)}"


def _table(found: "Quants") -> Iterator[str]:
    import click

    yield click.style(printable(found.title), bold=True)
    rows = [
        (
            printable(row.quant or ""),
            human.size(row.file_size) if row.file_size is not None else "",
            human.size(row.estimate.need),
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
    """A verdict in the room of a column."""
    estimate, short = row.estimate, fit.shortage(row.estimate)
    if short:
        return f"{human.size(short)} too much"
    if estimate.gpu_layers == estimate.layers:
        words = "fits the GPU" if len(estimate.uses) == 2 else "fits the GPUs"
    elif estimate.gpu_layers:
        words = f"fits, {estimate.gpu_layers} of {estimate.layers} on GPU"
    else:
        words = "fits, on the CPU" if len(estimate.uses) > 1 else "fits"
    return f"{words}, tight" if row.verdict.word == "tight" else words

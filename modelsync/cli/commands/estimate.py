"""`modelsync estimate`."""

from typing import TYPE_CHECKING, Any

import click

from modelsync.cli import completion, estimate_report, options, sizes
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.context import CallOptions, Context
    from modelsync.fit.estimation import EstimateOptions, Estimation
    from modelsync.fit.quants import Quants
    from modelsync.memory.load_settings import GpuLayers
    from modelsync.project.selection import Variant
    from modelsync.spec.uri import Reference


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
                lines = estimate_report.of_quants(found)
            else:
                found = ops_estimate.estimate(
                    context, model, invocation.project, variant=variant, asked=asked
                )
                lines = estimate_report.of_model(found)
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

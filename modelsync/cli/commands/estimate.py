"""`modelsync estimate`."""

from typing import TYPE_CHECKING

import click

from modelsync.cli import completing, options, sizes
from modelsync.cli.acts import estimate as act
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation

if TYPE_CHECKING:
    from modelsync.gguf.load_settings import GpuLayers


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
@click.argument("model", metavar="NAME|URI|PATH", shell_complete=completing.names)
@click.option(
    "--ctx", type=click.IntRange(0), metavar="N", help="Tokens of context; 0: what it was trained with."
)
@click.option("--gpu-layers", callback=_layers, metavar="N|max|auto", help="Layers on GPUs.")
@click.option("--flash-attn/--no-flash-attn", default=None, help="With or without flash attention.")
@click.option("--cache-type-k", metavar="TYPE", help="Type of the cache's keys: f16, q8_0, …")
@click.option("--cache-type-v", metavar="TYPE", help="Type of the cache's values.")
@click.option("--ubatch", type=click.IntRange(1), metavar="N", help="Tokens that are computed at once.")
@click.option(
    "--swa-full/--no-swa-full", default=None, help="A whole cache for sliding windows, or a small one."
)
@click.option(
    "--profile",
    metavar="NAME",
    help="Whose defaults: llama-cpp-python (with what the manifest says), or llama-server.",
)
@sizes.machine
@options.variant
def estimate(
    invocation: Invocation,
    model: str,
    ctx: int | None,
    gpu_layers: "GpuLayers | None",
    flash_attn: bool | None,
    cache_type_k: str | None,
    cache_type_v: str | None,
    ubatch: int | None,
    swa_full: bool | None,
    profile: str | None,
    gpus: tuple[int, ...],
    ram: int | None,
    variant: str | None,
) -> None:
    """Say what memory a model will need, and whether it fits this machine, or one that is described.

    Of a model that is not here only the header is fetched. A repo without a quant gives a table of all its quants.
    """
    from modelsync.engine.estimating import Asked

    asked = Asked(
        profile=profile,
        context=ctx,
        gpu_layers=gpu_layers,
        flash_attention=flash_attn,
        cache_type_k=cache_type_k,
        cache_type_v=cache_type_v,
        ubatch=ubatch,
        full_window=swa_full,
        ram=ram,
        gpus=gpus or (() if ram is not None else None),
    )
    act.show(invocation, model, asked, variant=variant)

"""`modelsync estimate`."""

import re
from typing import TYPE_CHECKING

import click

from modelsync.cli import completing, options
from modelsync.cli.acts import estimate as act
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation

if TYPE_CHECKING:
    from modelsync.gguf.load_settings import GpuLayers

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _bytes(text: str) -> int:
    """Bytes, as people write them: `24GiB`, `24G`, `512 MiB`."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if match is None or float(match[1]) > 1 << 40:
        raise click.BadParameter(f"{text!r} is no size; 24GiB is one")
    return int(float(match[1]) * UNITS[match[2]])


def _size(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    return None if text is None else _bytes(text)


def _sizes(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(map(_bytes, texts))


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
@click.option(
    "--gpu", "gpus", callback=_sizes, multiple=True, metavar="SIZE", help="Another machine's GPU: 24GiB."
)
@click.option("--ram", callback=_size, metavar="SIZE", help="Another machine's memory.")
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

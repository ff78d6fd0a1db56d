"""`--gpu` and `--ram`: the memory of another machine."""

from typing import TYPE_CHECKING, Any

import click

from modelsync import sizes

if TYPE_CHECKING:
    from modelsync.fit.estimation import EstimateOptions


class SizeParam(click.ParamType[int]):
    """`24GB` or `24GiB`, as bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parses the size."""
        try:
            return sizes.parse(value) if isinstance(value, str) else int(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


# `--gpu` and `--ram`, as `gpus` and `ram`: bytes of another machine.
MACHINE = (
    click.option(
        "--gpu",
        "gpus",
        type=SizeParam(),
        multiple=True,
        metavar="SIZE",
        help="Another machine's GPU: 24GB (decimal) or 24GiB (binary).",
    ),
    click.option("--ram", type=SizeParam(), metavar="SIZE", help="Another machine's memory: 64GB or 64GiB."),
)


def asked_of(gpus: tuple[int, ...], ram: int | None, **given: Any) -> "EstimateOptions":
    """The options of an estimate; a machine that is described by its memory alone has no GPU."""
    from modelsync.fit.estimation import EstimateOptions

    return EstimateOptions(ram=ram, gpus=gpus or (() if ram is not None else None), **given)

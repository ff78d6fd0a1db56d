"""`--gpu` and `--ram`: the memory of another machine."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from modelsync import sizes

Function = TypeVar("Function", bound=Callable[..., Any])


class SizeParam(click.ParamType[int]):
    """`24GB` or `24GiB`, as bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parses the size."""
        try:
            return sizes.parse(value) if isinstance(value, str) else int(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def machine(function: Function) -> Function:
    """`--gpu` and `--ram`, as `gpus` and `ram`: bytes of another machine."""
    function = click.option(
        "--ram", type=SizeParam(), metavar="SIZE", help="Another machine's memory: 64GB or 64GiB."
    )(function)
    return click.option(
        "--gpu",
        "gpus",
        type=SizeParam(),
        multiple=True,
        metavar="SIZE",
        help="Another machine's GPU: 24GB (decimal) or 24GiB (binary).",
    )(function)

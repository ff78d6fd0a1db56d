"""Sizes on the command line, as people write them."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}

Function = TypeVar("Function", bound=Callable[..., Any])


def machine(function: Function) -> Function:
    """`--gpu` and `--ram`, as `gpus` and `ram`: bytes of another machine."""
    function = click.option("--ram", callback=_size, metavar="SIZE", help="Another machine's memory.")(
        function
    )
    return click.option(
        "--gpu", "gpus", callback=_sizes, multiple=True, metavar="SIZE", help="Another machine's GPU: 24GiB."
    )(function)


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

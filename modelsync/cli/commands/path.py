"""`modelsync path`."""

from typing import TYPE_CHECKING

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.fast import path as act
from modelsync.cli.invocation import Invocation
from modelsync.context import CallOptions

if TYPE_CHECKING:
    from modelsync.project.selection import Variant


@command(
    "path",
    short_help="Print the path of a model.",
    examples=(
        ("modelsync path llama3", "a model of the project"),
        ("modelsync path hf:user/model:Q4_K_M", "any model, without a project"),
        ('llama-server -m "$(modelsync path llama3)"', "in a shell"),
    ),
)
@click.argument("model", metavar="NAME|URI", shell_complete=completion.names)
@options.variant
@click.option("--all", "every", is_flag=True, help="Print the paths of all its files, one a line.")
@options.adopt
@options.mirrors
@options.hf_cache
@options.max_rate
def path(invocation: Invocation, model: str, variant: "Variant", every: bool, call: CallOptions) -> None:
    """Print the path that llama.cpp loads the model from; fetch what is not here, as the lock says.

    A URI needs no manifest: what it meant when it was first asked for is remembered.
    """
    act.show(invocation, model, variant=variant, every=every, call=call)

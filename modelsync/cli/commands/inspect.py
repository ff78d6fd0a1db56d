"""`modelsync inspect`."""

import click

from modelsync.cli import completing, options
from modelsync.cli.acts import inspect as act
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation


@command("inspect", short_help="Show what a model's header says.")
@click.argument("model", metavar="NAME|URI|PATH", shell_complete=completing.names)
@click.option("--key", metavar="KEY", help="Print the value of this key alone; arrays one item a line.")
@click.option("--tensors", is_flag=True, help="List each tensor.")
@click.option("--full", is_flag=True, help="List every key.")
@options.variant
def inspect(
    invocation: Invocation, model: str, key: str | None, tensors: bool, full: bool, variant: str | None
) -> None:
    """Show what the GGUF header says: the model's shape, its quant, its chat template, its tensors.

    Of a model that is not here only the header is fetched. A split model is shown as one.
    """
    act.show(invocation, model, key=key, tensors=tensors, full=full, variant=variant)

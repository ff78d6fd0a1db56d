"""`modelsync path`."""

from typing import TYPE_CHECKING

import click

from modelsync.cli import completing, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation

if TYPE_CHECKING:
    from modelsync.engine.paths import ModelFiles


@command("path", short_help="Print the path of a model.")
@click.argument("model", metavar="NAME|URI", shell_complete=completing.names)
@options.variant
@click.option("--all", "every", is_flag=True, help="Print the paths of all its files, one a line.")
def path(invocation: Invocation, model: str, variant: str | None, every: bool) -> None:
    """Print the path that llama.cpp loads the model from; fetch what is not here, as the lock says.

    A URI needs no manifest: what it meant when it was first asked for is remembered.
    """
    from modelsync.engine import paths, pulling

    if paths.is_name(model):
        files = paths.from_environment(model) or _named(invocation, model, variant)
    else:
        with invocation.context() as context:
            files = pulling.files(context, model)
    output = invocation.output
    parts = (*files.parts, *([files.mmproj] if files.mmproj else []), *files.loras)
    output.paths(parts if every else [files.model])
    output.result(path=str(files.model), files=files_value(files))


def files_value(files: "ModelFiles") -> dict[str, object]:
    """A model's files as programs read them."""
    return {
        "model": str(files.model),
        "parts": [str(part) for part in files.parts],
        "mmproj": str(files.mmproj) if files.mmproj else None,
        "loras": [str(lora) for lora in files.loras],
    }


def _named(invocation: Invocation, name: str, variant: str | None) -> "ModelFiles":
    from modelsync.engine import paths

    project = invocation.project()
    with invocation.context() as context:
        return paths.files(context, project, paths.find(context, project, name, variant))

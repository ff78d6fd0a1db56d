"""`modelsync init`."""

from pathlib import Path

import click

from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation


@command(
    "init",
    short_help="Make a commented models.toml.",
    examples=(
        ("modelsync init", "a models.toml with comments to fill in"),
        ("modelsync init --from hf-cache", "with what the Hugging Face cache has"),
        ("modelsync init --from ~/models", "with what a folder has"),
    ),
)
@click.option(
    "--from",
    "source",
    metavar="DIR|package.json|hf-cache",
    help="Write entries for the models of a folder, of `node-llama-cpp pull` scripts, or of the Hugging Face cache.",
)
def init(invocation: Invocation, source: str | None) -> None:
    """Make a commented models.toml in this folder, its schema for editors, and a .gitattributes for the lock.

    With --from, what cannot be told of a model is a comment to check. A manifest that is there is never overwritten.
    """
    from modelsync.ops import edit

    folder = Path.cwd()
    output = invocation.output
    left: list[str] = []
    if source is None:
        done = edit.init(folder)
    else:
        from modelsync.ops.init_from import text_from

        with invocation.context() as context:
            done = edit.init(folder, lambda: text_from(context, source, folder, left.append))
    output.words(*(f"made {path.name}" for path in done.made))
    notes = (*left, *done.notes)
    output.notes(notes)
    if source is None:
        output.words("`modelsync add NAME URI` adds a model")
    else:
        output.words("look it through; then `modelsync sync`")
    output.result(files=[str(path) for path in done.made], notes=list(notes))

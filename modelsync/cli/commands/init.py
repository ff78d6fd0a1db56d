"""`modelsync init`."""

from pathlib import Path

from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation


@command("init", short_help="Make a commented models.toml.")
def init(invocation: Invocation) -> None:
    """Make a commented models.toml in this folder, and a .gitattributes that marks the lock as generated."""
    from modelsync.ops import edit

    made = edit.init(Path.cwd())
    output = invocation.output
    output.words(*(f"made {path.name}" for path in made), "`modelsync add NAME URI` adds a model")
    output.result(files=[str(path) for path in made])

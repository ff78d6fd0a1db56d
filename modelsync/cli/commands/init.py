"""`modelsync init`."""

from pathlib import Path

from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation


@command("init", short_help="Make a commented models.toml.")
def init(invocation: Invocation) -> None:
    """Make a commented models.toml in this folder, and a .gitattributes that keeps the lock's line endings."""
    from modelsync.ops import edit

    done = edit.init(Path.cwd())
    output = invocation.output
    output.words(*(f"made {path.name}" for path in done.made))
    output.notes(done.notes)
    output.words("`modelsync add NAME URI` adds a model")
    output.result(files=[str(path) for path in done.made], notes=list(done.notes))

"""`modelsync completion SHELL`."""

import click

from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.shells import NAMES


@command(
    "completion",
    short_help="Print the script that completes commands and model names.",
    examples=(
        ('eval "$(modelsync completion bash)"', "in ~/.bashrc"),
        ('eval "$(modelsync completion zsh)"', "in ~/.zshrc"),
        ("modelsync completion fish | source", "in ~/.config/fish/config.fish"),
        ("modelsync completion powershell | Out-String | Invoke-Expression", "in $PROFILE"),
    ),
)
@click.argument("shell", type=click.Choice(NAMES))
def completion(invocation: Invocation, shell: str) -> None:
    """Print the script that makes a shell complete commands, options and the names of models."""
    from click.shell_completion import get_completion_class

    from modelsync.cli.app import program
    from modelsync.cli.exit import NAME

    kind = get_completion_class(shell)
    assert kind is not None  # the choices above are those that click has
    script = kind(program, {}, NAME, f"_{NAME.upper()}_COMPLETE").source()
    invocation.output.lines(script.splitlines())
    invocation.output.result(shell=shell, script=script)

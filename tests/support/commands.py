"""The program's commands, as click has them."""

import click

from modelsync.cli.app import program
from modelsync.cli.command import Group


def commands(group: Group = program, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command, by the words that name it."""
    context = click.Context(group)
    found: dict[tuple[str, ...], click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[(*path, name)] = command
        if isinstance(command, Group):
            found |= commands(command, (*path, name))
    return found


def parse(words: list[str]) -> click.Context:
    """Reads a command line as the program does, without running it; the context of its command."""
    context = program.make_context("modelsync", list(words))
    while isinstance(context.command, Group):
        name, command, rest = context.command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context

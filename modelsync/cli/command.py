"""Commands of click's that take the global options, in modules that are imported when they run."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from modelsync.cli import usage
from modelsync.cli.exit import InterruptedRunError
from modelsync.cli.global_options import GLOBAL
from modelsync.cli.help_page import (
    HELP_NAMES,
    SHORT_HELP,
    Documented,
    RareOption,
    literal,
    one_line,
    write_global_line,
)
from modelsync.cli.invocation import Invocation
from modelsync.errors import UsageError
from modelsync.spec.names import nearest, printable


class Command(Documented):
    """A command that takes the global options too, which one line of its page points to."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        settings["params"] = [*(settings.get("params") or ()), *GLOBAL]
        settings["context_settings"] = HELP_NAMES | (settings.get("context_settings") or {})
        super().__init__(name, **settings)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes examples, then the command's own options."""
        self.write_examples(formatter)
        write_options(self, ctx, formatter)

    def format_short(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, each in one line."""
        write_short_options(self, ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the words; the error for one too many names it."""
        allowed, ctx.allow_extra_args = ctx.allow_extra_args, True
        rest = super().parse_args(ctx, args)
        ctx.allow_extra_args = allowed
        if rest and not allowed and not ctx.resilient_parsing:
            raise usage.unexpected(rest, ctx)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command where `--directory` says."""
        ctx.ensure_object(Invocation).enter()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would print a message of its own
            raise InterruptedRunError from None


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declares a command; the function's first argument is the `Invocation`."""

    def declare(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command, **settings)(click.pass_obj(function))
        assert isinstance(made, Command)
        return made

    return declare


class Group(Documented, click.Group):
    """A group of commands, each in a module that is imported when the command is used.

    Args:
        name: Its name.
        sections: The commands under the headings of the help page, each with the module that has it, as
            `module:attribute`.
        elsewhere: Words that other tools use, with what is meant here: a command, or a sentence for a hint.
        settings: As of `click.Group`.
    """

    def __init__(
        self,
        name: str,
        *,
        sections: Mapping[str, Mapping[str, str]],
        elsewhere: Mapping[str, str] = {},
        **settings: Any,
    ) -> None:
        settings["params"] = [*(settings.get("params") or ()), *GLOBAL]
        settings["context_settings"] = HELP_NAMES
        super().__init__(name, **settings)
        self.sections = sections
        self.elsewhere = elsewhere
        self.places = {name: place for section in sections.values() for name, place in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of the help page."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, imported now."""
        place = self.places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command of the next word; the error for an unknown one names the nearest."""
        word = args[0]
        if word not in self.places and not word.startswith("-") and not ctx.resilient_parsing:
            raise self.unknown(word, ctx)
        return super().resolve_command(ctx, args)

    def unknown(self, word: str, ctx: click.Context) -> UsageError:
        """The error for a word that is no command here."""
        path = ctx.command_path
        close = word if word in self.elsewhere else nearest(word, (*self.places, *self.elsewhere))
        near = f"; did you mean `{close}`?" if close is not None and close != word else ""
        meant = self.elsewhere.get(close or "")
        if meant is not None:  # no word that merely looks like it is offered beside it
            hint = f"that is `{path} {meant}`" if meant.split(" ")[0] in self.places else meant
        else:
            hint = f"`{path} --help` lists the commands"
        return UsageError(f"there is no command `{printable(word)}`{near}", hint=hint)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes examples and the commands, then the options."""
        self.write_examples(formatter)
        self.format_commands(ctx, formatter)
        write_options(self, ctx, formatter)

    def format_short(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands, then the options in one line each."""
        self.format_commands(ctx, formatter)
        write_short_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        """The commands that begin so, each with its whole line of help; then options."""
        found = [
            CompletionItem(name, help=command.short_help)
            for name in self.places
            if name.startswith(incomplete) and (command := self.get_command(ctx, name)) is not None
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands under their headings, all in the same columns."""
        width = max(map(len, self.places))
        for heading, names in self.sections.items():
            rows = []
            for name in names:
                found = self.get_command(ctx, name)
                assert found is not None
                rows.append((name.ljust(width), found.get_short_help_str(formatter.width - width - 6)))
            with formatter.section(heading):
                formatter.write_dl(rows)


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Writes the options of this command alone, and where the global ones are told."""
    with formatter.section("Options"):
        formatter.write_dl(records(ctx, _own(command, ctx)), col_max=26)
    write_global_line(formatter)


def _own(command: click.Command, ctx: click.Context) -> list[click.Parameter]:
    return [p for p in command.get_params(ctx) if p not in GLOBAL and not isinstance(p, click.Argument)]


def write_short_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Writes a line for each option of this command alone, then the names of those for special cases."""
    own = [p for p in _own(command, ctx) if p is not SHORT_HELP and "--help" not in p.opts]
    usual = records(ctx, [p for p in own if not isinstance(p, RareOption)])
    if usual:
        width = max(len(names) for names, _ in usual)
        room = formatter.width - width - 4
        with formatter.section("Options"):
            formatter.write_dl([(names, one_line(words, room)) for names, words in usual], col_max=width)
    rare = [name for p in own if isinstance(p, RareOption) for name in (*p.opts[-1:], *p.secondary_opts)]
    if rare:
        lines = textwrap.wrap(", ".join(rare), formatter.width - 2, break_on_hyphens=False)
        with formatter.section("More options"):
            formatter.write(
                "".join(f"  {re.sub('[^ ,]+', lambda name: literal(name[0]), line)}\n" for line in lines)
            )


def records(ctx: click.Context, parameters: Sequence[click.Parameter]) -> list[tuple[str, str]]:
    """Options as a page shows them: what is typed, and what it does."""
    return [record for p in parameters if (record := p.get_help_record(ctx)) is not None]

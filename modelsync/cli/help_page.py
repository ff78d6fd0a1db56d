"""Pages of help: headings, examples, options, in colours where these are shown.

`--help` shows the whole page. `-h` shows it on one screen: an option in one line, and of options for special cases
the names alone.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import click

from modelsync.cli.invocation import Invocation
from modelsync.errors import EXIT_CODES

WIDTH = 100  # columns, at most: longer lines are hard to read
HELP_NAMES = {"help_option_names": ["--help"], "max_content_width": WIDTH}
GLOBAL_LINE = "Global options (-q, -v, --offline, --json, …): modelsync help options"

_SHORT_EXAMPLES = 2
_LITERAL = 42  # columns of what stands on the left, at most, before its meaning goes to the next line

Example = tuple[str, str]  # a line to type, and what it does


def styled_heading(text: str) -> str:
    """A heading in its colour."""
    return click.style(text, fg="green", bold=True)


def literal(text: str) -> str:
    """What is typed as it stands, in its colour."""
    return click.style(text, fg="cyan", bold=True)


class Formatter(click.HelpFormatter):
    """Writes a page with colours; whoever shows it takes them out where none are wanted."""

    def write_heading(self, heading: str) -> None:
        """A heading, as `Options:`."""
        self.write(f"{'':>{self.current_indent}}{styled_heading(f'{heading}:')}\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The line that says what is typed after the command."""
        written = len(self.buffer)
        super().write_usage(prog, args, prefix)
        plain = "".join(self.buffer[written:])
        start, _, rest = plain.partition(prog)
        self.buffer[written:] = [styled_heading(start.strip()), " ", literal(prog), rest]

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Rows of what is typed and what it does."""
        super().write_dl([(literal(first), second) for first, second in rows], col_max, col_spacing)


class PageContext(click.Context):
    """A context whose pages have colours."""

    formatter_class = Formatter


class RareOption(click.Option):
    """An option for special cases, of which the short page has the name alone."""


class Documented(click.Command, ABC):
    """A command whose page has examples, and a short page.

    Args:
        name: Its name.
        examples: Lines to type, the most common first, each with what it does.
        settings: As of `click.Command`.
    """

    context_class = PageContext

    def __init__(self, name: str | None, *, examples: Iterable[Example] = (), **settings: Any) -> None:
        super().__init__(name, **settings)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the words; each error of click's knows its command."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def page(self, ctx: click.Context) -> str:
        """The page in colours."""
        return super().get_help(ctx)

    def short_page(self, ctx: click.Context) -> str:
        """The page on one screen, in colours."""
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self.get_short_help_str(WIDTH))
        self.write_examples(formatter, _SHORT_EXAMPLES)
        self.format_short(ctx, formatter)
        write_global_line(formatter)
        formatter.write(f"All of this page: {ctx.command_path} --help\n")
        return formatter.getvalue().rstrip("\n")

    @abstractmethod
    def format_short(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes what the short page has below the examples."""

    def get_help(self, ctx: click.Context) -> str:
        """The page without colours."""
        return click.unstyle(self.page(ctx))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters; those that show a page are the last two."""
        *others, whole = super().get_params(ctx)
        return [*others, SHORT_HELP, whole]

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """`--help`, which shows the page as `--color` says, wherever on the line that is."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback, option.help = _show, "Show all of this page."
        return option

    def write_examples(self, formatter: click.HelpFormatter, most: int | None = None) -> None:
        """Writes the examples, or as many of the first."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl(self.examples[:most], col_max=_LITERAL)


def write_global_line(formatter: click.HelpFormatter) -> None:
    """Writes where the global options are told."""
    formatter.write_paragraph()
    formatter.write(f"{GLOBAL_LINE}\n")


def one_line(words: str, width: int) -> str:
    """What an option does, in one line: its first sentence, or as much of it as has room."""
    sentence = re.match(r"(.*?\w.*?)(?:\.?$|\.? {2}\[|\. )", words)
    first = sentence[1] if sentence else words
    if len(first) <= width:
        return first
    while len(first) + 2 > width and " " in first:
        first = first.rpartition(" ")[0]
    return f"{first.rstrip(',:;')} …"


def write_exit_codes(formatter: click.HelpFormatter) -> None:
    """Writes what each exit status means."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


def _show(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        _print(context, page(context))
        context.exit()


def _show_short(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        _print(context, short_page(context))
        context.exit()


SHORT_HELP = click.Option(
    ["-h"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_short,
    help="Show this page in short.",
)


def page(context: click.Context) -> str:
    """The page of a context's command, in colours."""
    return _documented(context).page(context)


def short_page(context: click.Context) -> str:
    """The same on one screen."""
    return _documented(context).short_page(context)


def _documented(context: click.Context) -> Documented:
    assert isinstance(context.command, Documented)
    return context.command


def _print(context: click.Context, text: str) -> None:
    """Writes a page to stdout."""
    invocation = context.ensure_object(Invocation)
    invocation.reread()
    invocation.output.page(text)

"""`modelsync help [COMMAND|options|exit-codes|environment]`."""

from collections.abc import Callable, Iterator

import click

from modelsync import settings
from modelsync.cli.command import Group, command, records
from modelsync.cli.global_options import GLOBAL, PREFIX
from modelsync.cli.help_page import page, write_exit_codes
from modelsync.cli.invocation import Invocation
from modelsync.errors import EXIT_CODES, ModelsyncError, UsageError
from modelsync.spec.names import did_you_mean, printable


@command(
    "help",
    short_help="Show the page of a command, or of a topic.",
    examples=(
        ("modelsync help sync", "the page of a command"),
        ("modelsync help cache rm", "of one in a group"),
        ("modelsync help environment", "each variable that is read"),
    ),
)
@click.argument("words", metavar="[COMMAND|TOPIC]...", nargs=-1)
@click.pass_context
def help_(context: click.Context, invocation: Invocation, words: tuple[str, ...]) -> None:
    """Show the page of a command, or of one of these topics.

    \b
    options       the global options, before or after every command
    exit-codes    what each exit status means, and the errors that have it
    environment   each variable that is read
    """
    program = context.find_root()
    if len(words) == 1 and words[0] in TOPICS:
        formatter = program.make_formatter()
        TOPICS[words[0]](program, formatter)
        text = formatter.getvalue().strip("\n")
    else:
        text = page(_context_of(program, words))
    invocation.output.result(words=list(words), text=click.unstyle(text))
    if not invocation.output.json:
        invocation.output.page(text)


def _context_of(context: click.Context, words: tuple[str, ...]) -> click.Context:
    """The context of the command that the words name."""
    for word in words:
        group = context.command
        found = group.get_command(context, word) if isinstance(group, Group) else None
        if found is None:
            raise _no_page(context, word)
        context = found.context_class(found, parent=context, info_name=word)
    return context


def _no_page(context: click.Context, word: str) -> UsageError:
    group = context.command
    if not isinstance(group, Group):
        return UsageError(
            f"`{context.command_path}` has no commands of its own",
            hint=f"`{context.command_path} --help` is its page",
        )
    if word in group.elsewhere:
        return group.unknown(word, context)
    topics = () if context.parent else TOPICS
    near = did_you_mean(word, (*group.places, *topics))
    return UsageError(
        f"there is no page `{printable(word)}`{near}",
        hint=f"`{context.command_path} --help` lists the commands",
    )


def _options(context: click.Context, formatter: click.HelpFormatter) -> None:
    """The global options, each with its variable."""
    with formatter.section("Global options, before or after the command"):
        rows = []
        for option, (names, words) in zip(GLOBAL, records(context, GLOBAL), strict=True):
            variables = ", ".join(_variables(option))
            rows.append((names, f"{words}  [env var: {variables}]" if variables else words))
        formatter.write_dl(rows, col_max=26)


def _exit_codes(_: click.Context, formatter: click.HelpFormatter) -> None:
    """What each status means, then the `code` of each error that has it, as `--format json` names it."""
    write_exit_codes(formatter)
    for status in EXIT_CODES:
        rows = sorted(_errors(status).items())
        if rows:
            with formatter.section(f"Errors with {status}, by their code in JSON"):
                formatter.write_dl(rows)


def _errors(status: int) -> dict[str, str]:
    """The codes of all errors with an exit status, each with what it is."""
    from modelsync.cli import exit, output  # noqa: F401 - they have errors of their own
    from modelsync.cli.commands import run  # noqa: F401

    found: dict[str, str] = {}
    for kind in _kinds(ModelsyncError):
        if "code" in kind.__dict__ and kind.exit_code == status and kind.__module__.startswith("modelsync."):
            found.setdefault(kind.code, (kind.__doc__ or "").partition("\n")[0])
    found.pop(ModelsyncError.code, None)
    return found


def _kinds(kind: type[ModelsyncError]) -> Iterator[type[ModelsyncError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def _environment(context: click.Context, formatter: click.HelpFormatter) -> None:
    """Each variable: of settings, of options alone, and what other parts of the program read."""
    options = _options_by_variable(context)
    told: set[str] = set()
    ours: list[tuple[str, str]] = []
    theirs: list[tuple[str, str]] = []
    for field, each in settings.VARIABLES_OF.items():
        words = each.help or next(
            (options[name] for name in each.names if name in options), _SETTINGS_OF_OPTIONS.get(field, "")
        )
        told |= set(each.names)
        for name in each.names:
            (ours if name.startswith("MODELSYNC_") else theirs).append((name, words))
    ours += [(name, words) for name, words in options.items() if name not in told]
    for name, words in settings.ELSEWHERE.items():
        (ours if name.startswith("MODELSYNC_") else theirs).append((name, words))
    for heading, rows in (
        ("Variables of modelsync", ours),
        ("Variables of other programs, read too", theirs),
    ):
        with formatter.section(heading):
            # of two settings that one variable makes, the first is told
            formatter.write_dl(sorted(dict(reversed(rows)).items()), col_max=30)
    formatter.write_paragraph()
    formatter.write_text(
        "Flags are true at 1, on, yes and true. An option on the command line wins over its variable."
    )


# Settings whose option does not declare the variable: the option needs to tell a typed value from it.
_SETTINGS_OF_OPTIONS = {
    "endpoint": "--endpoint: The model hub to ask.",
    "variant": "--variant: The variant to take, of the models that have it.",
}


def _options_by_variable(context: click.Context) -> dict[str, str]:
    """The variable of each option, with the option and what it does."""
    found: dict[str, str] = {}
    program = context.command
    assert isinstance(program, Group)
    commands = [program, *(program.get_command(context, name) for name in program.places)]
    for option in (each for one in commands if one is not None for each in one.params):
        if isinstance(option, click.Option) and isinstance(option.envvar, str):
            words = (option.help or "").partition("  [env var")[0]
            found.setdefault(option.envvar, f"{max(option.opts, key=len)}: {words}")
    return found


def _variables(option: click.Option) -> tuple[str, ...]:
    """The variables of a global option."""
    field = str(option.name).removeprefix(PREFIX)
    if field in settings.VARIABLES_OF:
        return settings.VARIABLES_OF[field].names
    return (option.envvar,) if isinstance(option.envvar, str) else ()


TOPICS: dict[str, Callable[[click.Context, click.HelpFormatter], None]] = {
    "options": _options,
    "exit-codes": _exit_codes,
    "environment": _environment,
}

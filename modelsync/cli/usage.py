"""Errors of a command line in our words: what is wrong, what is taken there, and the nearest right word."""

import ast
import re
from collections.abc import Sequence

import click

from modelsync.errors import UsageError
from modelsync.spec.names import did_you_mean, nearest, printable

_SOURCE = click.core.ParameterSource
_LITERAL = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+"""


def read(error: click.ClickException) -> UsageError:
    """One of click's errors as one of ours."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption):
        return _no_option(error, context)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return _missing(error.param, context)
    if isinstance(error, click.BadParameter) and error.param is not None:
        return _bad_value(error, error.param, context)
    if isinstance(error, click.BadOptionUsage) and context is not None:
        return _bad_option(error, context)
    message = error.format_message().rstrip(".")
    return UsageError(printable(message[:1].lower() + message[1:], 1000), hint=_more(context))


def unexpected(words: Sequence[str], context: click.Context) -> UsageError:
    """The error for words that a command has no place for."""
    shown = ", ".join(f"`{printable(str(word))}`" for word in words)
    return UsageError(f"`{context.command_path}` takes no {shown}", hint=_more(context))


def _no_option(error: click.NoSuchOption, context: click.Context | None) -> UsageError:
    word, near = error.option_name, ""
    if context is not None and word.startswith("--"):
        options = [
            p for p in context.command.get_params(context) if isinstance(p, click.Option) and not p.hidden
        ]
        names = [name for option in options for name in (*option.opts, *option.secondary_opts)]
        near = did_you_mean(word, [name for name in names if name.startswith("--")])
    where = f"`{context.command_path}` has" if context is not None else "there is"
    return UsageError(f"{where} no option `{printable(word)}`{near}", hint=_more(context))


def _missing(parameter: click.Parameter, context: click.Context | None) -> UsageError:
    command = context.command_path if context is not None else "the command"
    words = _words(parameter)
    if words:
        return UsageError(
            f"`{command}` needs {_typed(parameter)}", hint=f"{_called(parameter)} is {_either(words)}"
        )
    needed = _typed(parameter)
    if context is not None and isinstance(parameter, click.Argument):  # those behind it are missing too
        arguments = [p for p in context.command.params if isinstance(p, click.Argument) and p.required]
        needed = " and ".join(map(_typed, arguments[arguments.index(parameter) :]))
    example = next(iter(getattr(context.command if context else None, "examples", ())), None)
    hint = f"for example `{example[0]}`" if example else _more(context)
    return UsageError(f"`{command}` needs {needed}", hint=hint)


def _bad_value(
    error: click.BadParameter, parameter: click.Parameter, context: click.Context | None
) -> UsageError:
    """The error for a value that an option, its variable, or an argument does not take."""
    from_variable = (
        context is not None and context.get_parameter_source(str(parameter.name)) is _SOURCE.ENVIRONMENT
    )
    name = f"{parameter.envvar} ({_called(parameter)})" if from_variable else _called(parameter)
    given, words = _given(error), _words(parameter)
    if words:
        near = nearest(given, words) if given else None
        guess = f"; did you mean `{near}`?" if near else ""
        return UsageError(f"{name} takes {_either(words)}, not `{given}`{guess}", hint=_more(context))
    if isinstance(parameter.type, click.IntRange):
        return UsageError(f"{name} takes {number(parameter.type)}, not `{given}`", hint=_more(context))
    if isinstance(parameter.type, click.types.BoolParamType):
        return UsageError(f"{name} takes 1 or 0, not `{given}`", hint=_more(context))
    message = error.message.rstrip(".")
    if isinstance(parameter.type, click.Path):
        wanted = "a folder" if parameter.type.dir_okay else "a file"
        message = (
            f"{_given(error)} is not {wanted}" if " is a " in message else message[:1].lower() + message[1:]
        )
    return UsageError(printable(f"{name}: {message}", 1000), hint=_more(context))


def _bad_option(error: click.BadOptionUsage, context: click.Context) -> UsageError:
    """The error for an option without its value, or for a flag with one."""
    name = error.option_name
    option = next(
        (p for p in context.command.get_params(context) if name in (*p.opts, *p.secondary_opts)), None
    )
    if option is None or (isinstance(option, click.Option) and (option.is_flag or option.count)):
        return UsageError(f"{name} takes no value", hint=_more(context))
    words = _words(option)
    takes = f"{name} is {_either(words)}" if words else f"{name} {option.make_metavar(context)}"
    return UsageError(f"{name} needs a value", hint=takes)


def number(kind: click.IntRange) -> str:
    """`a number from 1 to 64`."""
    if kind.max is None:
        return "a number" if kind.min is None else f"a number from {kind.min} on"
    return f"a number from {kind.min} to {kind.max}"


def _given(error: click.BadParameter) -> str:
    """The value that was refused: the first Python literal, or number, in what click's own types say."""
    found = re.search(_LITERAL, error.message, re.DOTALL)
    text = found[0] if found else ""
    return printable(ast.literal_eval(text) if text[:1] in ("'", '"') else text)


def _words(parameter: click.Parameter) -> list[str]:
    """The words that a parameter takes; none where it takes others too."""
    return list(map(str, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else []


def _called(parameter: click.Parameter) -> str:
    """`--jobs`; of an argument, what its place is called in the usage line."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return re.sub(r"[\[\]]|\.\.\.", "", str(parameter.human_readable_name))


def _typed(parameter: click.Parameter) -> str:
    """What is typed for a parameter: `--to FORMAT`, `NAME`."""
    if isinstance(parameter, click.Option) and parameter.metavar:
        return f"{_called(parameter)} {parameter.metavar}"
    return _called(parameter)


def _either(words: Sequence[str]) -> str:
    """`auto, always or never`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _more(context: click.Context | None) -> str:
    return f"`{context.command_path if context else 'modelsync'} --help` lists what it takes"

"""Options of every command, taken before it or after it."""

from typing import Any

import click

from modelsync.cli.invocation import Invocation
from modelsync.settings import variable_of

PREFIX = "global_"  # of their names in click: a command may have a `directory` of its own


def _take(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    name = str(parameter.name)
    source = context.get_parameter_source(name)
    if source is not click.core.ParameterSource.DEFAULT:
        typed = source is click.core.ParameterSource.COMMANDLINE
        context.ensure_object(Invocation).take(name.removeprefix(PREFIX), value, typed=typed)


def _take_json(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given:
        context.ensure_object(Invocation).take("format", "json", typed=True)


class GlobalOption(click.Option):
    """An option of every command. Its variable is named in errors about it, and not on every help page."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """The option, and its variable if the value came from there."""
        hint = super().get_error_hint(ctx)
        source = ctx.get_parameter_source(str(self.name)) if ctx is not None else None
        return (
            f"{hint} (variable {self.envvar})" if source is click.core.ParameterSource.ENVIRONMENT else hint
        )


def _global(*names: str, **settings: Any) -> click.Option:
    called = PREFIX + names[-1].lstrip("-").replace("-", "_")
    return GlobalOption((*names, called), expose_value=False, callback=_take, is_eager=True, **settings)


# Made once and shared: the program and each of its commands take them.
GLOBAL: tuple[click.Option, ...] = (
    _global(
        "--manifest",
        metavar="PATH",
        envvar=variable_of("manifest"),
        type=click.Path(),
        help="The models.toml, or NAME.toml, to work with.",
    ),
    _global(
        "--package",
        metavar="NAME",
        envvar="MODELSYNC_PACKAGE",
        help="An installed Python package that ships the manifest and its lock.",
    ),
    _global(
        "--directory",
        metavar="DIR",
        envvar="MODELSYNC_DIRECTORY",
        type=click.Path(file_okay=False),
        help="Run as if started in this folder.",
    ),
    _global("--endpoint", metavar="URL", help="The model hub to ask."),
    _global("--offline", is_flag=True, envvar=variable_of("offline"), help="Use no network at all."),
    _global(
        "-q", "--quiet", count=True, envvar="MODELSYNC_QUIET", help="Say only what went wrong; -qq: nothing."
    ),
    _global(
        "-v",
        "--verbose",
        count=True,
        envvar="MODELSYNC_VERBOSE",
        help="Say more, and show each request; -vv: its headers too.",
    ),
    _global("--no-progress", is_flag=True, envvar="MODELSYNC_NO_PROGRESS", help="Show no progress."),
    _global(
        "--color",
        metavar="WHEN",
        type=click.Choice(["auto", "always", "never"]),
        envvar="MODELSYNC_COLOR",
        help="auto, always or never; auto: on a terminal, unless NO_COLOR is set.",
    ),
    _global(
        "--format",
        metavar="FORMAT",
        type=click.Choice(["text", "json"]),
        envvar="MODELSYNC_FORMAT",
        help="text, or json: one object on stdout, for errors too.",
    ),
    GlobalOption(
        ("--json", f"{PREFIX}json"),
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_take_json,
        help="Short for --format json.",
    ),
)

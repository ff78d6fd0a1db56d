"""Options that more than one command takes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from modelsync.cli import completion
from modelsync.cli.invocation import Invocation
from modelsync.errors import UsageError

if TYPE_CHECKING:
    from modelsync.project.selection import Groups

Function = TypeVar("Function", bound=Callable[..., Any])


PREFIX = "global_"  # of what click calls them: a command may have a `directory` of its own


def _take(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    name = str(parameter.name)
    source = context.get_parameter_source(name)
    if source is not click.core.ParameterSource.DEFAULT:
        typed = source is click.core.ParameterSource.COMMANDLINE
        context.ensure_object(Invocation).take(name.removeprefix(PREFIX), value, typed=typed)


class GlobalOption(click.Option):
    """An option of every command. Its variable is named where it is to blame, and not on every help page."""

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
        envvar="MODELSYNC_MANIFEST",
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
    _global("--offline", is_flag=True, envvar="MODELSYNC_OFFLINE", help="Use no network at all."),
    _global(
        "-q", "--quiet", count=True, envvar="MODELSYNC_QUIET", help="Say only what went wrong; -qq: nothing."
    ),
    _global("-v", "--verbose", count=True, envvar="MODELSYNC_VERBOSE", help="Say more."),
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
)
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def variant(function: Function) -> Function:
    """`--variant`."""
    return click.option(
        "--variant",
        metavar="V",
        shell_complete=completion.variants,
        # no envvar=: what is typed must be there, what the environment says only where a model has it
        help="Take this variant of the models that have it; auto: the largest that fits this machine.  "
        "[env var: MODELSYNC_VARIANT]",
    )(function)


class Rate(click.ParamType[int]):
    """`5MB`, as bytes a second."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """What the words mean."""
        from modelsync.sizes import parse_rate

        try:
            return parse_rate(value) if isinstance(value, str) else int(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def transfer(function: Function) -> Function:
    """`--jobs`, `--max-rate` and `--events`: how files are fetched, and who is told."""
    function = click.option(
        "--events",
        metavar="FILE",
        envvar="MODELSYNC_EVENTS",
        show_envvar=True,
        type=click.Path(dir_okay=False, allow_dash=True),
        help="Write what happens to FILE, one JSON object a line; - is stderr.",
    )(function)
    function = click.option(
        "--max-rate",
        metavar="RATE",
        type=Rate(),
        envvar="MODELSYNC_MAX_RATE",
        show_envvar=True,
        help="The most bytes a second, over all connections: 5MB, 800K, 2.5MiB/s.",
    )(function)
    return click.option(
        "--jobs",
        metavar="N",
        type=click.IntRange(1, 64),
        envvar="MODELSYNC_JOBS",
        show_envvar=True,
        help="The most connections that files come over at once.",
    )(function)


def require_fit(function: Function) -> Function:
    """`--require-fit`."""
    return click.option(
        "--require-fit",
        is_flag=True,
        default=None,
        envvar="MODELSYNC_REQUIRE_FIT",
        show_envvar=True,
        help="Fetch no model that cannot fit this machine.",
    )(function)


def upgrades(function: Function) -> Function:
    """`--upgrade` and `--upgrade-model`, as `upgrade` and `upgrade_models`."""
    function = click.option(
        "-P",
        "--upgrade-model",
        "upgrade_models",
        metavar="NAME",
        multiple=True,
        shell_complete=completion.names,
        help="Ask upstream about this model again.",
    )(function)
    return click.option("-U", "--upgrade", is_flag=True, help="Ask upstream about every model again.")(
        function
    )


def freezing(function: Function) -> Function:
    """`--locked` and `--frozen`. One that is typed wins over the other's variable."""
    function = click.option(
        "--frozen",
        is_flag=True,
        envvar="MODELSYNC_FROZEN",
        show_envvar=True,
        callback=_beside("locked"),
        help="Take the lock as it is, and do not compare it with the manifest.",
    )(function)
    return click.option(
        "--locked",
        is_flag=True,
        envvar="MODELSYNC_LOCKED",
        show_envvar=True,
        callback=_beside("frozen"),
        help="Fail if the lock is stale.",
    )(function)


def _beside(other: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    def settle(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
        typed = click.core.ParameterSource.COMMANDLINE
        if value and context.params.get(other):
            mine = context.get_parameter_source(str(parameter.name)) is typed
            theirs = context.get_parameter_source(other) is typed
            if mine == theirs:
                raise UsageError(
                    "--locked and --frozen do not go together", hint="--frozen alone takes the lock as it is"
                )
            if theirs:
                return False
            context.params[other] = False
        return value

    return settle


def groups(function: Function) -> Function:
    """The group flags, which `grouped` makes one value of."""
    for name, key, words in (
        ("--no-group", "minus_groups", "Leave this group out."),
        ("--only-group", "only_groups", "Take only this group, without the ungrouped."),
        ("--group", "plus_groups", "Take this group too."),
    ):
        function = click.option(
            name, key, metavar="G", multiple=True, shell_complete=completion.groups, help=words
        )(function)
    return click.option("--all-groups", is_flag=True, help="Take all groups.")(function)


def grouped(
    plus_groups: tuple[str, ...],
    only_groups: tuple[str, ...],
    minus_groups: tuple[str, ...],
    all_groups: bool,
) -> "Groups":
    """The group flags of a command line as one value."""
    from modelsync.project.selection import Groups

    return Groups(plus_groups, only_groups, minus_groups, all_groups)

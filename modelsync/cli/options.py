"""Options that more than one command takes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import click

from modelsync.cli import completion
from modelsync.cli.help_page import RareOption
from modelsync.context import CallOptions
from modelsync.errors import UriError
from modelsync.ops.options import FolderOptions, SyncOptions, Upgrade
from modelsync.project.selection import Groups, VariantChoice, parse_choice
from modelsync.settings import variable_of

Function = TypeVar("Function", bound=Callable[..., Any])


def value(
    keyword: str, kind: Callable[..., Any], *declared: Callable[[Function], Function]
) -> Callable[[Function], Function]:
    """Declares options that a command gets as one value.

    Args:
        keyword: The argument that the command gets it as. What is declared again for the same keyword is laid into the
            same value.
        kind: Makes the value. A keyword of it is an option's own name.
        declared: The options, in the order of the help page.
    """

    def declare(function: Function) -> Function:
        @wraps(function)
        def called(*args: Any, **given: Any) -> Any:
            mine = {name: given.pop(name) for name in names}
            made = given.get(keyword)
            given[keyword] = kind(**mine) if made is None else made._replace(**mine)
            return function(*args, **given)

        parameters: list[click.Parameter] = called.__dict__.setdefault("__click_params__", [])
        before = len(parameters)
        for option in reversed(declared):
            option(called)
        names = [str(parameter.name) for parameter in parameters[before:]]
        return cast("Function", called)

    return declare


def _choice(_: click.Context, __: click.Parameter, words: tuple[str, ...]) -> VariantChoice | None:
    return parse_choice(words) if words else None


def variant(function: Function) -> Function:
    """`--variant`."""
    return click.option(
        "--variant",
        metavar="[NAME=]V",
        multiple=True,
        callback=_choice,
        shell_complete=completion.variants,
        # no envvar=: a variant that is typed must exist; one of the environment applies only to models that have it
        help="Take variant V of the models that have it, or of NAME; auto: the largest that fits this machine. "
        "Repeatable.  [env var: MODELSYNC_VARIANT]",
    )(function)


class Rate(click.ParamType[int]):
    """`5MB`, as bytes a second."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parses the rate."""
        from modelsync.sizes import parse_rate

        try:
            return parse_rate(value) if isinstance(value, str) else int(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


events = click.option(
    "--events",
    cls=RareOption,
    metavar="FILE",
    envvar="MODELSYNC_EVENTS",
    show_envvar=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write what happens to FILE, one JSON object a line; - is stderr.",
)
_MAX_RATE = click.option(
    "--max-rate",
    cls=RareOption,
    metavar="RATE",
    type=Rate(),
    envvar=variable_of("max_rate"),
    show_envvar=True,
    help="The most bytes a second, over all connections: 5MB, 800K, 2.5MiB/s.",
)
max_rate = value("call", CallOptions, _MAX_RATE)
transfer = value(
    "call",
    CallOptions,
    click.option(
        "-j",
        "--jobs",
        metavar="N",
        type=click.IntRange(1, 64),
        envvar="MODELSYNC_JOBS",
        show_envvar=True,
        help="The most connections that files come over at once.",
    ),
    _MAX_RATE,
)


def _switch(names: str, setting: str, words: str) -> Callable[[Function], Function]:
    """A flag that wins over a setting of the environment; None where it is not given."""
    return click.option(
        names,
        cls=RareOption,
        is_flag=True,
        default=None,
        envvar=variable_of(setting),
        show_envvar=True,
        help=words,
    )


require_fit = value(
    "call",
    CallOptions,
    _switch("--require-fit", "require_fit", "Fetch no model that cannot fit this machine."),
)
adopt = value(
    "call",
    CallOptions,
    _switch(
        "--adopt/--no-adopt",
        "adopt",
        "Take from other tools' caches what is there already (as by default), or not.",
    ),
)


def _mirrors(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    """What `--mirror` names; refused at once where it can be no mirror."""
    if not given:
        return None
    from pathlib import Path

    from modelsync.spec.mirror import read

    for text in given:
        try:
            read(text, Path())
        except UriError as error:
            raise UriError(f"--mirror: {error.message}", hint=error.hint) from None
    return given


mirrors = value(
    "call",
    CallOptions,
    click.option(
        "--mirror",
        "mirrors",
        metavar="URL|DIR",
        cls=RareOption,
        multiple=True,
        callback=_mirrors,
        help="Ask this place for files by their digests first: oci://registry/repo, https://host/{sha256} or a folder; "
        "may be repeated. In place of MODELSYNC_MIRRORS.",
    ),
    _switch("--no-mirrors", "no_mirrors", "Ask no mirror, whoever names it."),
    _switch(
        "--mirror-only", "mirror_only", "Ask nothing but mirrors: no hub, and no server that a URI names."
    ),
)
hf_cache = value(
    "call",
    CallOptions,
    _switch(
        "--hf-cache/--no-hf-cache",
        "hf_cache",
        "Put what is synced into the Hugging Face cache too, for other programs, or not.",
    ),
)
upgrades = value(
    "upgrade",
    Upgrade,
    click.option(
        "-U", "--upgrade", "every_model", is_flag=True, help="Ask upstream about every model again."
    ),
    click.option(
        "-P",
        "--upgrade-model",
        "models",
        metavar="NAME",
        multiple=True,
        shell_complete=completion.names,
        help="Ask upstream about this model again.",
    ),
    click.option(
        "--repin",
        cls=RareOption,
        is_flag=True,
        help="Move pins to the newest commit even where it has the same files; without -P, of all models.",
    ),
)
groups = value(
    "groups",
    Groups,
    click.option("--all-groups", "everything", is_flag=True, help="Take all groups."),
    *(
        click.option(
            name, key, cls=kind, metavar="G", multiple=True, shell_complete=completion.groups, help=words
        )
        for name, key, kind, words in (
            ("--group", "plus", click.Option, "Take this group too."),
            ("--only-group", "only", RareOption, "Take only this group, without the ungrouped."),
            ("--no-group", "minus", RareOption, "Leave this group out."),
        )
    ),
)


def _beside(other: str) -> Callable[[click.Context, click.Parameter, bool], bool]:
    """Lets a flag that is typed win over the variable of `other`, which it contradicts."""

    def settle(context: click.Context, parameter: click.Parameter, given: bool) -> bool:
        typed = click.core.ParameterSource.COMMANDLINE
        if given and context.params.get(other):
            mine = context.get_parameter_source(str(parameter.name)) is typed
            theirs = context.get_parameter_source(other) is typed
            if theirs and not mine:
                return False
            if mine and not theirs:
                context.params[other] = False
        return given

    return settle


freezing = value(
    "options",
    SyncOptions,
    click.option(
        "--locked",
        is_flag=True,
        envvar="MODELSYNC_LOCKED",
        show_envvar=True,
        callback=_beside("frozen"),
        help="Fail if the lock is stale.",
    ),
    click.option(
        "--frozen",
        is_flag=True,
        envvar="MODELSYNC_FROZEN",
        show_envvar=True,
        callback=_beside("locked"),
        help="Take the lock as it is, and do not compare it with the manifest.",
    ),
)


GLOBS = (
    click.option(
        "--include",
        metavar="GLOB",
        multiple=True,
        help="Take the files of the repo that match, of any type, as one folder; may be repeated.",
    ),
    click.option(
        "--exclude", metavar="GLOB", multiple=True, help="Leave out those that match; may be repeated."
    ),
    click.option(
        "--allow-code",
        cls=RareOption,
        metavar="GLOB",
        multiple=True,
        help="Take those that match although they can run code when they are loaded; may be repeated.",
    ),
)


def globs(function: Function) -> Function:
    """Declares the globs of a folder model; the command gets them as one value."""
    return value("globs", FolderOptions, *GLOBS)(function)

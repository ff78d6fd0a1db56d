"""The program: its commands, and how whatever a command comes to becomes words and an exit status."""

import sys

import click

from modelsync.cli.command import Group
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import Output
from modelsync.errors import CancelledError, ModelsyncError, StoreError, UsageError

NAME = "modelsync"
HERE = "modelsync.cli.commands"


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from modelsync import __version__

        click.echo(f"{NAME} {__version__}")
        context.exit()


program = Group(
    NAME,
    help="Model files, pinned and synced: models.toml says what a project needs, models.lock which bytes those"
    " are, and `modelsync sync` makes this machine hold them.",
    sections={
        "The project": {
            "init": f"{HERE}.init:init",
            "add": f"{HERE}.edit:add",
            "remove": f"{HERE}.edit:remove",
            "lock": f"{HERE}.lock:lock",
            "sync": f"{HERE}.sync:sync",
            "run": f"{HERE}.run:run",
        },
        "What there is": {
            "path": f"{HERE}.path:path",
            "list": f"{HERE}.listing:list_",
            "outdated": f"{HERE}.listing:outdated",
            "verify": f"{HERE}.verify:verify",
        },
        "Without a project": {
            "pull": f"{HERE}.pull:pull",
            "cache": f"{HERE}.cache:cache",
            "completion": f"{HERE}.completion:completion",
        },
    },
    elsewhere={
        "download": "pull",
        "get": "pull",
        "install": "sync",
        "ls": "list",
        "rm": "remove",
        "update": "lock --upgrade",
        "upgrade": "lock --upgrade",
    },
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        )
    ],
)


def run() -> int:
    """Runs the command line and returns the exit status."""
    invocation = Invocation()
    try:
        try:
            status = program.main(prog_name=NAME, standalone_mode=False, obj=invocation)
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as page:
            if _output(invocation).json:
                return _fail(
                    invocation, UsageError("there is no command", hint=f"`{NAME} --help` lists them")
                )
            page.show()
            return page.exit_code
        except (KeyboardInterrupt, click.Abort):
            return _fail(invocation, _interrupted())
        except click.ClickException as error:
            return _fail(invocation, _usage(error))
        except ModelsyncError as error:
            return _fail(invocation, error)
        except BrokenPipeError:
            return _unread()
        except OSError as error:
            return _fail(invocation, _from_system(error), error)
        except Exception as error:  # noqa: BLE001  (nobody should be left with a bare traceback)
            return _fail(invocation, _unexpected(error), error)
        return status if isinstance(status, int) else 0
    except KeyboardInterrupt:  # once more, while the first was being told
        return CancelledError.exit_code
    except OSError:  # there is nowhere to tell it
        return _unread()


def _fail(invocation: Invocation, error: ModelsyncError, cause: Exception | None = None) -> int:
    output = _output(invocation)
    if cause is not None and invocation.verbose:
        import traceback

        output.words("".join(traceback.format_exception(cause)).rstrip())
    output.error(error)
    return error.exit_code


def _output(invocation: Invocation) -> Output:
    """The output as the options say, those too that were not reached when a line could not be read whole."""
    if not invocation.entered:
        words = sys.argv[1:]
        words = words[: words.index("--")] if "--" in words else words
        for position, word in enumerate(words):
            key, equals, value = word.partition("=")
            value = value if equals else " ".join(words[position + 1 : position + 2])
            if (key, value) in {("--format", "json"), ("--color", "always"), ("--color", "never")}:
                invocation.take(key[2:], value, typed=True)
    return invocation.output


def _usage(error: click.ClickException) -> UsageError:
    """What click says about a command line, in our words."""
    context = getattr(error, "ctx", None)
    hint = f"`{context.command_path if context else NAME} --help` lists what it takes"
    if isinstance(error, click.NoSuchOption):
        near = error.possibilities or ()
        message = f"there is no option `{error.option_name}`"
        if near:
            hint = f"did you mean {' or '.join(f'`{word}`' for word in near)}?"
    else:
        message = error.format_message().rstrip(".")
        message = message[:1].lower() + message[1:]
    from modelsync.spec.names import printable

    return UsageError(printable(message, 1000), hint=hint)


def _interrupted() -> CancelledError:
    return CancelledError(
        "interrupted; what has arrived is kept", hint="run the same command again to resume"
    )


class UnexpectedError(ModelsyncError):
    """A mistake of the program's own."""

    code = "internal"


def _unexpected(error: Exception) -> UnexpectedError:
    from modelsync.spec.names import printable

    return UnexpectedError(
        f"a mistake in modelsync itself: {type(error).__name__}: {printable(str(error), 1000)}",
        hint="please report it, with what the same command says under -v",
    )


def _from_system(error: OSError) -> StoreError:
    """What the system refused, where no floor below had words of its own for it."""
    from modelsync.spec.names import printable

    what = f": {printable(str(error.filename), 1000)}" if error.filename else ""
    return StoreError(f"{error.strerror or error}{what}", hint="-v shows where that happened")


def _unread() -> int:
    """Nobody reads any more. The flush at the very end is given somewhere to go."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
    return 1

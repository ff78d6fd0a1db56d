"""Turns the result or the error of a command into words and an exit status; never a bare traceback."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from modelsync.cli.invocation import Invocation
from modelsync.cli.output import StdoutError, flush_stdout
from modelsync.display.terminal import moves_cursor
from modelsync.errors import CancelledError, ModelsyncError, NoWorkingDirectoryError, StoreError, UsageError

if TYPE_CHECKING:
    import click

NAME = "modelsync"


class InterruptedRunError(CancelledError):
    """A person pressed Ctrl-C."""

    def __init__(self) -> None:
        super().__init__("interrupted; what has arrived is kept", hint="run the same command again to resume")


class UnexpectedError(ModelsyncError):
    """A bug in modelsync."""

    code = "internal"


def finish(work: Callable[[Invocation], object], invocation: Invocation) -> int:
    """Runs the command, tells its error, and returns the exit status."""
    try:
        try:
            status = work(invocation)
            flush_stdout()
        except BrokenPipeError:
            return _unread()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (whatever the error is, a person is told)
            status = _fail(invocation, error)
            _flush_or_drop(sys.stdout)
            return status
        return status if isinstance(status, int) else 0
    except KeyboardInterrupt:  # a second Ctrl-C, while the first was being reported
        return CancelledError.exit_code
    except OSError:  # stderr was closed too
        return _unread()


def _fail(invocation: Invocation, cause: BaseException) -> int:
    if not invocation.entered:
        invocation.reread()
    output = invocation.output
    error = _named(cause, entered=invocation.entered)
    if isinstance(error, _PageError) and not output.json:
        output.page(error.page, err=True)
        return error.exit_code
    if error is not cause and isinstance(error, StoreError | UnexpectedError) and invocation.verbose:
        import traceback

        output.notes(["".join(traceback.format_exception(cause)).rstrip()])
    if isinstance(error, StdoutError):
        _drop(sys.stdout)
    if isinstance(error, CancelledError) and sys.stderr is not None and moves_cursor(sys.stderr):
        sys.stderr.write("\r\033[K")  # the terminal has echoed ^C
    try:
        output.error(error, **invocation.partial)
    except StdoutError:  # it takes no object: the words go to stderr all the same
        _drop(sys.stdout)
        output.error(error)
    return error.exit_code


def _named(cause: BaseException, *, entered: bool) -> ModelsyncError:
    """The error that ended a run, as a `ModelsyncError`; `entered`: whether the command had begun."""
    if isinstance(cause, ModelsyncError):
        return cause
    if isinstance(cause, KeyboardInterrupt) or type(cause).__name__ == "Abort":  # click's name for it
        return InterruptedRunError()
    if "click" in sys.modules and (usage := _usage(cause)) is not None:
        return usage
    from modelsync.spec.names import printable

    if isinstance(cause, FileNotFoundError) and _has_no_folder():
        return NoWorkingDirectoryError()
    if (
        isinstance(cause, OSError) and not cause.filename and not entered
    ):  # a page of help; nothing else was begun
        return StdoutError(cause)
    # what the system refused, where no floor below had words of its own for it
    if isinstance(cause, OSError):
        what = f": {printable(str(cause.filename), 1000)}" if cause.filename else ""
        return StoreError(f"{cause.strerror or cause}{what}", hint="-v shows where that happened")
    what = ": ".join(filter(None, (type(cause).__name__, printable(str(cause), 1000))))
    return UnexpectedError(
        f"a mistake in modelsync itself: {what}",
        hint="please report it, with what the same command says under -v",
    )


def _has_no_folder() -> bool:
    """Whether the working directory was removed."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return True
    return False


class _PageError(UsageError):
    """Shows the help page: the command line has no command."""

    def __init__(self, context: "click.Context") -> None:
        from modelsync.cli import help_page

        super().__init__("there is no command", hint=f"`{context.command_path} --help` lists them")
        self.page = help_page.short_page(context)


def _usage(cause: BaseException) -> UsageError | None:
    """An error of click's as a `UsageError`; None for another error."""
    import click

    from modelsync.cli import usage

    if isinstance(cause, click.exceptions.NoArgsIsHelpError):
        return _PageError(cause.ctx)
    return usage.read(cause) if isinstance(cause, click.ClickException) else None


def _unread() -> int:
    """Handles a closed stdout: drops what is left, and returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        _drop(stream)
    return 1


def _flush_or_drop(stream: TextIO | None) -> None:
    """Flushes a stream. A failed write was reported before and is not reported again."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        _drop(stream)


def _drop(stream: TextIO | None) -> None:
    """Points a stream at the null device: the interpreter flushes it at exit, and a failure changes the exit status."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

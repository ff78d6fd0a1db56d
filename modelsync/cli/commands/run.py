"""`modelsync run -- CMD…`."""

import os
import sys
from typing import NoReturn

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import flush_stdout
from modelsync.context import CallOptions
from modelsync.errors import ModelsyncError, UsageError
from modelsync.install.report import SyncReport
from modelsync.ops.options import SyncOptions
from modelsync.project.selection import Groups, Selection, Variant


class NoCommandError(ModelsyncError):
    """The command to run does not exist. Exits as a shell would."""

    code = "not-found"
    exit_code = 127


class NotExecutableError(ModelsyncError):
    """The command to run cannot be run. Exits as a shell would."""

    code = "not-executable"
    exit_code = 126


@command(
    "run",
    short_help="Sync, then run a command with the models' paths.",
    context_settings={"allow_interspersed_args": False},
    examples=(
        ("modelsync run -- python app.py", "with MODELSYNC_PATH_<NAME> of each model"),
        ("modelsync run --no-sync -- ./serve.sh", "with what is here"),
    ),
)
@click.argument(
    "words", metavar="-- CMD [ARG]...", nargs=-1, type=click.UNPROCESSED, shell_complete=completion.paths
)
@options.freezing
@click.option("--no-sync", is_flag=True, help="Run with what is here; fail if a model is not.")
@options.groups
@options.variant
@options.require_fit
@options.adopt
@options.mirrors
@options.hf_cache
@options.transfer
@options.events
def run(
    invocation: Invocation,
    words: tuple[str, ...],
    options: SyncOptions,
    no_sync: bool,
    groups: Groups,
    variant: Variant,
    call: CallOptions,
    events: str | None,
) -> None:
    """Sync, then run CMD with MODELSYNC_PATH_<NAME> set to the path of each model.

    What goes with a model is in MODELSYNC_MMPROJ_<NAME>, MODELSYNC_LORA_<NAME>_<n> and MODELSYNC_DRAFT_<NAME>.

    The exit status is CMD's; 127 if there is no such command.
    """
    from modelsync.ops import run as ops_run
    from modelsync.ops import sync

    if not words:
        raise UsageError("there is no command to run", hint="modelsync run -- python app.py")
    chosen = options._replace(selection=Selection(groups=groups, variant=variant), as_synced=True)
    chosen.check_combination()
    project = invocation.project().loaded()
    with invocation.context(call, events=events) as context:
        if not no_sync:
            _tell(invocation, sync.sync(context, project, chosen))
        variables = ops_run.environment(context, project, chosen.selection)
    become(words, os.environ | variables)


def _tell(invocation: Invocation, done: SyncReport) -> None:
    """Says what the sync did, if it did anything; on stderr, for stdout belongs to the command."""
    from modelsync.cli import report

    if done.steps or done.changes or done.given:
        invocation.output.notes(done.notes)
        invocation.output.words(
            *report.change_lines(report.changed(done.changes)),
            report.totals(done.bytes_fetched, done.bytes_reused, invocation.seconds),
            *report.given_lines(done.given),
        )


def become(words: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    """Replaces this process by a command; on Windows, runs it and waits for it.

    Raises:
        NoCommandError: there is no such command.
        NotExecutableError: it is there, and cannot be run.
    """
    from modelsync.spec.names import printable

    flush_stdout()
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        if os.name != "nt":
            os.execvpe(words[0], words, environment)  # noqa: S606
        sys.exit(_wait(words, environment))
    except (FileNotFoundError, NotADirectoryError):
        raise NoCommandError(
            f"there is no command `{printable(words[0])}`", hint="what stands after `--` is run as it is"
        ) from None
    except OSError as error:
        raise NotExecutableError(
            f"cannot run `{printable(words[0])}`: {error.strerror}",
            hint="what stands after `--` is run as it is, not by a shell",
        ) from None


def _wait(words: tuple[str, ...], environment: dict[str, str]) -> int:
    import shutil
    import subprocess

    program = shutil.which(words[0], path=environment.get("PATH")) or words[0]
    with subprocess.Popen([program, *words[1:]], env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the command got it too, and decides what to do
                continue

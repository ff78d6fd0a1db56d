"""`modelsync push`."""

from typing import TYPE_CHECKING, Any

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.report import COLORS
from modelsync.context import CallOptions
from modelsync.display import units
from modelsync.display.columns import table
from modelsync.errors import CancelledError, ModelsyncError
from modelsync.ops.options import PushOptions
from modelsync.registry.forms import FORMS

if TYPE_CHECKING:
    from modelsync.ops.push import PushedModel, PushReport


@command(
    "push",
    short_help="Send the models to a container registry.",
    examples=(
        ("modelsync push oci://registry.example.com/team/models", "all that is locked and here"),
        ("modelsync push oci://registry.example.com/team/models llama3 --tag", "one, also under its name"),
    ),
)
@click.argument("target", metavar="oci://REGISTRY/REPOSITORY")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@options.value(
    "options",
    PushOptions,
    click.option(
        "--as",
        "form",
        type=click.Choice(FORMS),
        default=FORMS[0],
        show_default=True,
        help="modelpack: files as they are, which a sync can take from there; image: layers under /models, for "
        "those who mount images.",
    ),
    click.option("--tag", is_flag=True, help="Also tag each model with its NAME, or NAME.VARIANT."),
    click.option("--dry-run", is_flag=True, help="Ask what is there, and send nothing."),
)
@options.transfer
@options.events
def push(
    invocation: Invocation,
    target: str,
    names: tuple[str, ...],
    options: PushOptions,
    call: CallOptions,
    events: str | None,
) -> None:
    """Send the models that are locked and here, or the NAMEd ones, with all their variants, and print where each is.

    Each has a tag that follows from its entry in the lock. What is there already is not sent again. Logins are those
    of docker and podman.
    """
    from modelsync.ops import push as ops_push

    failed: ModelsyncError | None = None
    project = invocation.project()
    with invocation.context(call, events=events) as context:
        try:
            done = ops_push.push(context, project, target, names, options)
        except KeyboardInterrupt:
            raise CancelledError(
                "interrupted; a file that the registry has whole is not sent again",
                hint="run the same command again",
            ) from None
        except ModelsyncError as error:
            if not isinstance(error.report, ops_push.PushReport):
                raise
            done, failed = error.report, error
    output = invocation.output
    output.notes(done.notes)
    output.words(*_lines(done), _totals(done, invocation.seconds, dry_run=options.dry_run))
    output.lines(each.reference for each in done.pushed)
    fields: dict[str, Any] = {
        "pushed": [_value(each) for each in done.pushed],
        "bytes_sent": done.bytes_sent,
        "bytes_there": done.bytes_there,
        "notes": list(done.notes),
        "warnings": list(done.warnings),
    }
    if failed is not None:
        invocation.partial = fields
        raise failed
    output.result(**fields)


def _lines(done: "PushReport") -> list[str]:
    """` + llama3  4.6 GiB  0a1b2c3d4e5f, llama3`: what was sent, and its tags."""
    changed = [each for each in done.pushed if each.changed]
    mark = click.style("+", fg=COLORS["added"], bold=True)
    lines = table([(each.title, units.size(each.size), ", ".join(each.tags)) for each in changed], right=[1])
    return [f" {mark} {line}" for line in lines]


def _totals(done: "PushReport", seconds: float, *, dry_run: bool) -> str:
    if not any(each.changed for each in done.pushed):
        return f"nothing to do: everything is there, {units.duration(seconds)}"
    sent = "to send" if dry_run else "sent"
    there = f", {units.size(done.bytes_there)} there already" if done.bytes_there else ""
    return f"{units.size(done.bytes_sent)} {sent}{there}, {units.duration(seconds)}"


def _value(one: "PushedModel") -> dict[str, object]:
    return {
        "name": one.name,
        "variant": one.variant,
        "action": "added" if one.changed else "unchanged",
        "reference": one.reference,
        "tags": list(one.tags),
        "bytes": one.size,
        "bytes_sent": one.bytes_sent,
    }

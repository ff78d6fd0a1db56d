"""`modelsync pull`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from modelsync.cli import completion, options, report
from modelsync.cli.command import command
from modelsync.cli.fast import path as paths
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import safe
from modelsync.context import CallOptions
from modelsync.errors import ModelsyncError
from modelsync.ops.options import FolderOptions, PullOptions

if TYPE_CHECKING:
    from modelsync.ops.pull import Pulled
    from modelsync.spec.uri import Reference


def _asked(revision: str | None, mmproj: str | None, dry_run: bool, **globs: tuple[str, ...]) -> PullOptions:
    from modelsync.spec.uri import parse

    hub = click.get_current_context().ensure_object(Invocation).hub
    beside: Reference | Literal[True] | None = True if mmproj == "" else None
    beside = parse(mmproj, hub()) if mmproj else beside
    return PullOptions(FolderOptions(**globs), beside, revision, dry_run)


@command(
    "pull",
    short_help="Fetch models by their URIs.",
    examples=(
        ("modelsync pull hf:user/model:Q4_K_M", "into the store"),
        ("modelsync pull hf:user/model:Q4_K_M --dir models", "also as a plain file"),
        ("modelsync pull hf:user/model --include '*.json'", "files of any type, as a folder"),
    ),
)
@click.argument("uris", metavar="URI...", nargs=-1, required=True, shell_complete=completion.local_paths)
@click.option(
    "--dir",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Also put plain files into this folder, as <user>/<repo>/<path>, or "
    "<user>/<repo>@<revision>/<path>.",
)
@click.option("--filename", metavar="NAME", help="The one file's name in that folder.")
@click.option(
    "--header",
    "headers",
    metavar="'NAME: VALUE'",
    multiple=True,
    help="Send this to the servers that the URIs name, and to no other; may be repeated.",
)
@options.require_fit
@options.adopt
@options.mirrors
@options.hf_cache
@options.transfer
@options.events
@options.value(
    "asked",
    _asked,
    click.option(
        "--revision", metavar="REV", help="The branch, tag or commit of each hf: URI that names none itself."
    ),
    click.option(
        "--mmproj",
        metavar="[URI]",
        is_flag=False,
        flag_value="",
        help="Also the vision or audio projector: the one beside each model, or this.",
    ),
    click.option("--dry-run", is_flag=True, help="Fetch nothing; say what would be."),
    *options.GLOBS,
)
def pull(
    invocation: Invocation,
    uris: tuple[str, ...],
    directory: Path | None,
    filename: str | None,
    headers: tuple[str, ...],
    asked: PullOptions,
    call: CallOptions,
    events: str | None,
) -> None:
    """Fetch what the URIs mean now into the store, or under --dir, and print the path of each. No manifest needed.

    What is here already is not fetched again.

    With --include, the files of a repo that match are one folder model, whose path is a folder.
    """
    from modelsync.ops import pull as ops_pull

    call = call._replace(headers=_bound(invocation, uris, headers))
    failed: ModelsyncError | None = None
    with invocation.context(call, events=events) as context:
        try:
            done = ops_pull.pull(context, uris, directory=directory, filename=filename, asked=asked)
        except ModelsyncError as error:
            if not isinstance(error.report, ops_pull.PullReport):
                raise
            done, failed = error.report, error
    output, notes = invocation.output, (*done.notes, *done.left_out)
    output.notes(notes)
    changed = [(safe(one.uri), one.model) for one in done.pulled if one.changed]
    output.words(*report.brought_lines(changed))
    if changed and asked.dry_run:
        output.words("nothing was fetched")
    elif changed:
        output.words(report.totals(done.bytes_fetched, done.bytes_reused, invocation.seconds))
    elif failed is None and not done.given:
        output.words("nothing to do: everything is here")
    output.words(*report.given_lines(done.given))
    if not asked.dry_run:
        output.paths(one.files.model for one in done.pulled)
    fields = {
        "pulled": [_value(one) for one in done.pulled],
        "bytes_fetched": done.bytes_fetched,
        "bytes_reused": done.bytes_reused,
        "notes": list(notes),
        "warnings": list(done.warnings),
        "brought": report.brought_values(done.brought),
        "sources": report.source_values(done.brought),
        **({} if done.given is None else {"given": done.given}),
    }
    if failed is not None:
        invocation.partial = fields
        raise failed
    output.result(**fields)


def _bound(invocation: Invocation, uris: tuple[str, ...], headers: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each header with each address that it may be sent to: those of the URIs beside it."""
    if not headers:
        return []
    from modelsync.spec.uri import parse

    hub = invocation.hub()
    addresses = dict.fromkeys(parse(text, hub).uri.address(hub) for text in uris)
    return [(address, header) for address in addresses if address is not None for header in headers]


def _value(one: "Pulled") -> dict[str, object]:
    return {
        "uri": one.uri,
        "action": "added" if one.changed else "unchanged",
        "bytes": one.bytes,
        "path": str(one.files.model),
        "files": paths.value(one.files),
    }

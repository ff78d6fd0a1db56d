"""`modelsync export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import write_bytes
from modelsync.cli.output_file import write_to
from modelsync.errors import StoreError, UsageError
from modelsync.ops.export import FORMATS
from modelsync.project.selection import Groups, Selection, Variant

if TYPE_CHECKING:
    from modelsync.ops.export.models import Exported

HF_CACHE = "hf-cache"
MIRROR = "mirror"
_HELP = f"""Write the synced models, or the NAMEd ones, as other programs read them. Nothing is fetched.

{" ".join(f"{name}: {each.help}." for name, each in FORMATS.items())} {HF_CACHE}: into the Hugging Face cache, as
links, what the hub confirms that it publishes; it is asked where that is not known. {MIRROR}: into a folder, as links
or copies named by their digests, for a web server; what no lock needs any more is removed there.
"""


@command(
    "export",
    short_help="Write the models down for other programs.",
    help=_HELP,
    examples=(
        ("modelsync export --to llama-server -o models.ini", "presets for `llama-server`"),
        ("modelsync export --to ollama -o modelfiles", "a Modelfile for each model"),
        ("modelsync export --to cyclonedx -o models.cdx.json", "an SBOM, for auditors"),
        ("modelsync export --to sha256sums", "for `sha256sum --check`"),
    ),
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completion.names)
@click.option(
    "--to",
    metavar="FORMAT",
    type=click.Choice([*FORMATS, HF_CACHE, MIRROR]),
    required=True,
    help=f"One of {', '.join((*FORMATS, HF_CACHE, MIRROR))}.",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where to, in place of stdout; for ollama and mirror a folder, for hf-cache another cache.",
)
@options.groups
@options.variant
def export(
    invocation: Invocation,
    names: tuple[str, ...],
    to: str,
    output: Path | None,
    groups: Groups,
    variant: Variant,
) -> None:
    """Writes the models in one of the formats."""
    from modelsync.ops.export import models

    if to == HF_CACHE:
        _to_hf_cache(invocation, Selection(names, groups, variant), output)
        return
    if to == MIRROR:
        _to_mirror(invocation, Selection(names, groups, variant), output)
        return
    written = FORMATS[to]
    project = invocation.project()
    selection = Selection(names, groups, variant)
    with invocation.context() as context:
        chosen = models.models(context, project, selection, missing=written.missing)
    made = written.write(chosen, project.root)
    for each in made:
        invocation.output.notes(each.notes)
    if output is not None:
        _write(made, output, suffix=written.suffix)
        invocation.output.result(to=to, output=str(output.absolute()))
    elif len(made) > 1:
        raise UsageError(
            f"these are {len(made)} models, and one Modelfile is for one",
            hint="name one of them, or give a folder with --output",
        )
    else:
        text = "".join(each.text for each in made)
        if not invocation.output.json:
            write_bytes(_bytes(text))  # the same bytes that a file gets
        value = made[0].value if made else None
        invocation.output.result(**({"to": to, "text": text} if value is None else value))


def _to_hf_cache(invocation: Invocation, selection: Selection, root: Path | None) -> None:
    """Puts the models into the Hugging Face cache, and prints where their files are there."""
    from modelsync.errors import NotSyncedError
    from modelsync.ops import hf_cache
    from modelsync.ops.export import models

    project = invocation.project()
    with invocation.context() as context:
        chosen = [model.known.model for model in models.models(context, project, selection)]
        done = hf_cache.give(context, chosen, root)
    output = invocation.output
    output.notes(done.notes)
    if not done.put and not done.there and done.refused:
        raise NotSyncedError(
            "none of the files could be put into the Hugging Face cache",
            hint="they must be in the store, and at a hub that confirms them",
        )
    output.paths((*done.put, *done.there))
    output.result(
        to=HF_CACHE,
        put=[str(path) for path in done.put],
        there=[str(path) for path in done.there],
        refused=done.refused,
        notes=list(done.notes),
    )


def _to_mirror(invocation: Invocation, selection: Selection, folder: Path | None) -> None:
    """Writes and prunes a web mirror."""
    from modelsync.ops.export import mirror

    if folder is None:
        raise UsageError("a mirror is a folder", hint="name it with --output")
    project = invocation.project()
    with invocation.context() as context:
        done = mirror.write(context, project, selection, folder)
    output = invocation.output
    output.notes(done.notes)
    output.words(f"{folder}: {len(done.put)} put, {len(done.there)} there, {len(done.removed)} removed")
    output.result(to=MIRROR, output=str(folder.absolute()), **done._asdict())


def _bytes(text: str) -> bytes:
    """A text as a file has it: paths in it are byte for byte what the file system calls them."""
    return text.encode(errors="surrogateescape")


def _write(made: "list[Exported]", output: Path, *, suffix: str | None) -> None:
    """Writes one file, or a folder's; one that was there is replaced whole, a device or a pipe is written to."""
    if suffix is None:
        for each in made:
            write_to(output, _bytes(each.text))
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {output}: {error.strerror}", hint="--output names a folder for this format"
        ) from None
    for each in made:
        write_to(output / f"{each.name}{suffix}", _bytes(each.text))

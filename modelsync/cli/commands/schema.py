"""`modelsync schema`."""

from pathlib import Path

import click

from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output_file import write_to


@command(
    "schema",
    short_help="Print the JSON Schema of models.toml, for editors.",
    examples=(
        ("modelsync schema", "on stdout"),
        ("modelsync schema -o models.schema.json", "after an upgrade of modelsync"),
    ),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write it there, in place of stdout.",
)
def schema(invocation: Invocation, output: Path | None) -> None:
    """Print the JSON Schema of models.toml. `init` writes it beside the manifest, as models.schema.json.

    Editors that know TOML (VS Code with Even Better TOML, Taplo, Tombi) check and complete a manifest whose first line
    is `#:schema ./models.schema.json`.
    """
    from modelsync.spec.manifest import schema as manifest_schema

    if output is None:
        invocation.output.lines(manifest_schema.text().splitlines())
        invocation.output.result(json_schema=manifest_schema.schema())
        return
    write_to(output, manifest_schema.text().encode())
    invocation.output.words(f"wrote {output}")
    invocation.output.result(output=str(output.absolute()))

"""What `modelsync path` does."""

from typing import TYPE_CHECKING

from modelsync.cli.invocation import Invocation
from modelsync.spec.roles import COMPANIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelsync.context import CallOptions
    from modelsync.project.model_files import ModelFiles
    from modelsync.project.selection import Variant
    from modelsync.store.brought import Brought


def show(
    invocation: Invocation,
    model: str,
    *,
    variant: "Variant" = None,
    every: bool = False,
    call: "CallOptions | None" = None,
) -> None:
    """Prints the path of a model, by its name or URI, or of every file it has."""
    from modelsync.ops import path
    from modelsync.project.model_files import with_roles

    with invocation.context(call) as context:
        files = path.files(context, model, invocation.project, variant=variant)
    output = invocation.output
    output.paths([path for _, path in with_roles(files)] if every else [files.model])
    output.result(path=str(files.model), files=value(files), sources=_sources(context.brought))


def _sources(brought: "Sequence[Brought]") -> list[dict[str, object]]:
    """How much came from each place; of what was here already, nothing is imported to say so."""
    if not brought:
        return []
    from modelsync.cli.report import source_values

    return source_values(brought)


def value(files: "ModelFiles") -> dict[str, object]:
    """A model's files as programs read them."""
    paths: dict[str, object] = {"model": str(files.model), "parts": [str(part) for part in files.parts]}
    for companion in COMPANIONS:
        found = getattr(files, companion.key)
        paths[companion.key] = list(map(str, found)) if companion.many else found and str(found)
    return paths | {
        "folder": files.folder and str(files.folder),
        "files": [str(path) for path in files.files],
    }

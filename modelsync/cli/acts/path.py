"""What `modelsync path` does."""

from typing import TYPE_CHECKING

from modelsync.cli.invocation import Invocation

if TYPE_CHECKING:
    from modelsync.engine.paths import ModelFiles


def show(invocation: Invocation, model: str, *, variant: str | None = None, every: bool = False) -> None:
    """Prints the path of a model, by its name or URI, or of every file it has."""
    from modelsync.engine import paths

    if paths.is_name(model):
        files = paths.from_environment(model) or _named(invocation, model, variant)
    else:
        from modelsync.engine import pulling

        with invocation.context() as context:
            files = pulling.files(context, model)
    output = invocation.output
    parts = (*files.parts, *([files.mmproj] if files.mmproj else []), *files.loras)
    output.paths(parts if every else [files.model])
    output.result(path=str(files.model), files=value(files))


def value(files: "ModelFiles") -> dict[str, object]:
    """A model's files as programs read them."""
    return {
        "model": str(files.model),
        "parts": [str(part) for part in files.parts],
        "mmproj": str(files.mmproj) if files.mmproj else None,
        "loras": [str(lora) for lora in files.loras],
    }


def _named(invocation: Invocation, name: str, variant: str | None) -> "ModelFiles":
    from modelsync.engine import paths

    project = invocation.project()
    with invocation.context() as context:
        return paths.files(context, project, paths.find(context, project, name, variant))

"""`export MODELSYNC_PATH_<NAME>=…` lines for a shell, and such for what goes with a model."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from modelsync.ops.export.models import Exported, ExportedModel, files_of
from modelsync.project import model_files


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:  # noqa: ARG001
    """`export MODELSYNC_PATH_<NAME>=…` lines, for a shell to evaluate.

    Raises:
        UsageError: one has the same variable as another model of the manifest.
    """
    for manifest in (model.known.manifest for model in chosen[:1]):
        model_files.check_variables([model.name for model in chosen], manifest.names)
    lines = [
        f"export {variable}={quote(path)}\n"
        for model in chosen
        for variable, path in model_files.variables(model.name, files_of(model)).items()
    ]
    return [Exported("", "".join(lines))]

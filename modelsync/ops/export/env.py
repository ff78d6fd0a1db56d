"""`export MODELSYNC_PATH_<NAME>=…` lines for a shell."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from modelsync.ops.export.models import Exported, ExportedModel, paths_of
from modelsync.project import model_files


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:  # noqa: ARG001
    """`export MODELSYNC_PATH_<NAME>=…` lines, for a shell to evaluate."""
    lines = [
        f"export {model_files.variable(model.name)}={quote(str(paths_of(model)[0]))}\n" for model in chosen
    ]
    return [Exported("", "".join(lines))]

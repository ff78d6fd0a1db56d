"""What `sha256sum -c` reads."""

from collections.abc import Sequence
from pathlib import Path

from modelsync.ops.export.models import Exported, ExportedModel, paths_of


def write(chosen: Sequence[ExportedModel], root: Path) -> list[Exported]:
    """What `sha256sum -c` reads: a digest and a path a line, relative to the project's folder where it is in there."""
    lines = {}
    for model in chosen:
        for path, file in zip(paths_of(model), model.known.model.files, strict=True):
            lines[_checkable(path, root)] = file.sha256
    return [Exported("", "".join(_sum_line(path, digest) for path, digest in lines.items()))]


def _checkable(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _sum_line(path: str, digest: str) -> str:
    """A line as the tool writes it: one that begins with a backslash has escapes in its path."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}\n"

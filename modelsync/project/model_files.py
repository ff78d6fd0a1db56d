"""The files of one model as a program gets them, and the variable that may name them. Light."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.errors import NotFoundError
from modelsync.spec.roles import COMPANIONS, ROLES, Role

PREFIX = "MODELSYNC_PATH_"


class ModelFiles(NamedTuple):
    """Absolute paths of a model's files.

    Attributes:
        model: What llama.cpp loads: the file, or the first part of a split model.
        parts: All parts, in order; `(model,)` for a model of one file.
        mmproj: The projector, or None.
        loras: The adapters, in the manifest's order.
    """

    model: Path
    parts: tuple[Path, ...]
    mmproj: Path | None = None
    loras: tuple[Path, ...] = ()


def is_name(text: str) -> bool:
    """Whether a word is a model's name: a URI has its scheme, and a path a separator."""
    return not re.search(r"[:/\\]", text) and not text.startswith(".")


def variable(name: str) -> str:
    """The variable that names a model's path: `MODELSYNC_PATH_LLAMA3_1` for `llama3.1`."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())


def from_environment(name: str) -> ModelFiles | None:
    """The files that the environment names for a model, or None where it names none.

    Raises:
        NotFoundError: the variable names a file that is not there.
    """
    value = os.environ.get(variable(name))
    if not value:
        return None
    from modelsync.spec.names import printable
    from modelsync.spec.parts import siblings

    path = Path(value).absolute()
    parts = tuple(path.with_name(part) for part in siblings(path.name))
    for part in parts:
        if not part.is_file():
            raise NotFoundError(
                f"{variable(name)} names {printable(str(path))}, and there is no file {printable(str(part))}",
                hint=f"unset {variable(name)}, or make it the path of the model",
            )
    return ModelFiles(path, parts)


def arranged(roles: Sequence[str], paths: Sequence[Path]) -> ModelFiles:
    """Paths in the lock's order, by the roles of their files."""
    by_role: dict[str, list[Path]] = {role: [] for role in ROLES}
    for role, path in zip(roles, paths, strict=True):
        by_role[role].append(path)
    parts = tuple(by_role["model"])
    companions: dict[str, Any] = {
        each.key: tuple(by_role[each.role]) if each.many else next(iter(by_role[each.role]), None)
        for each in COMPANIONS
    }
    return ModelFiles(parts[0], parts, **companions)


def with_roles(files: ModelFiles) -> Iterator[tuple[Role, Path]]:
    """Every file with its role, in the lock's order."""
    yield from (("model", path) for path in files.parts)
    for each in COMPANIONS:
        value = getattr(files, each.key)
        yield from ((each.role, path) for path in (value if each.many else filter(None, (value,))))

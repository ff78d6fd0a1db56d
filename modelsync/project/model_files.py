"""The files of one model as a program gets them, and the variables that may name them. Light."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.errors import NotFoundError, UsageError
from modelsync.spec.roles import COMPANIONS, ROLES, Companion, Role

if TYPE_CHECKING:
    from modelsync.spec.lock.model import LockedFile

_PREFIX = "MODELSYNC_PATH_"


class ModelFiles(NamedTuple):
    """Absolute paths of a model's files.

    Attributes:
        model: What is loaded: the file, the first part of a split model, or the folder of a folder model.
        parts: All parts, in order; `(model,)` for a model of one file; empty for a folder model.
        mmproj: The projector, or None.
        loras: The adapters, in the manifest's order.
        draft: The draft head for speculative decoding, or None.
        folder: The folder of a folder model, in which each file stands at its own path; None for other models.
        files: The files in that folder, sorted by path.
    """

    model: Path
    parts: tuple[Path, ...]
    mmproj: Path | None = None
    loras: tuple[Path, ...] = ()
    draft: Path | None = None
    folder: Path | None = None
    files: tuple[Path, ...] = ()


def is_name(text: str) -> bool:
    """Whether a word is a model's name: a URI has its scheme, and a path a separator."""
    return not re.search(r"[:/\\]", text) and not text.startswith(".")


def variable(name: str) -> str:
    """The variable that names a model's path: `MODELSYNC_PATH_LLAMA3_1` for `llama3.1`."""
    return _PREFIX + _upper(name)


def companion_variable(name: str, companion: Companion, number: int = 1) -> str:
    """The variable that names a companion's path: `MODELSYNC_MMPROJ_LLAMA3`, `MODELSYNC_LORA_LLAMA3_1`.

    Args:
        name: The model's name.
        companion: Its role.
        number: Which one, from 1, where a model may have several.
    """
    return _prefix_of(companion) + _upper(name) + (f"_{number}" if companion.many else "")


def _prefix_of(companion: Companion) -> str:
    return f"MODELSYNC_{companion.role.upper()}_"


PREFIXES = (_PREFIX, *map(_prefix_of, COMPANIONS))  # of all these variables


def variables(name: str, files: ModelFiles) -> dict[str, str]:
    """The variables that name a model's files, each with its path."""
    found = {variable(name): str(files.model)}
    for companion in COMPANIONS:
        value = getattr(files, companion.key)
        for number, path in enumerate(value if companion.many else filter(None, (value,)), 1):
            found[companion_variable(name, companion, number)] = str(path)
    return found


def check_variables(chosen: Iterable[str], names: Sequence[str]) -> None:
    """Checks that the variables of the chosen models would name no other model of the manifest.

    A program that asks for that one would be given another's path.

    Raises:
        UsageError: two names have the same variable.
    """
    called = {variable(name) for name in chosen}
    sharing: dict[str, list[str]] = {}
    for name in names:
        if variable(name) in called:
            sharing.setdefault(variable(name), []).append(name)
    for shared, same in sharing.items():
        if len(same) > 1:
            raise UsageError(
                f"{' and '.join(same)} would both be {shared}", hint="call one of them something else"
            )


def from_environment(name: str) -> ModelFiles | None:
    """The files that the environment names for a model, or None where it names no model.

    Companions are those that it names beside the model: they belong to it, and not to the one in the lock.

    Raises:
        NotFoundError: a variable names a file or a folder that is not there.
        UsageError: it names a folder of more files than a model can have.
    """
    value = os.environ.get(variable(name))
    if not value:
        return None
    from modelsync.spec.parts import siblings

    path = Path(value).absolute()
    if path.is_dir():
        return ModelFiles(path, (), folder=path, files=_files_in(path, variable(name)))
    parts = tuple(path.with_name(part) for part in siblings(path.name))
    _check_there(variable(name), path, parts)
    return ModelFiles(path, parts, **{each.key: _named(name, each) for each in COMPANIONS})


def _named(name: str, companion: Companion) -> Any:
    """The companions of one role that the environment names: one or None, or all of them in order."""
    found: list[Path] = []
    while value := os.environ.get(companion_variable(name, companion, len(found) + 1)):
        path = Path(value).absolute()
        _check_there(companion_variable(name, companion, len(found) + 1), path, (path,))
        found.append(path)
        if not companion.many:
            return path
    return tuple(found) if companion.many else None


def _check_there(called: str, path: Path, parts: Sequence[Path]) -> None:
    from modelsync.spec.names import printable

    for part in parts:
        if not part.is_file():
            raise NotFoundError(
                f"{called} names {printable(str(path))}, and there is no file {printable(str(part))}",
                hint=f"unset {called}, or make it the path of the file, or of a folder",
            )


def _files_in(folder: Path, called: str) -> tuple[Path, ...]:
    """The regular files in a folder, sorted by path; links to folders are not followed."""
    from modelsync.spec.lock.model import MAX_FILES

    found: list[Path] = []
    for place, _, names in os.walk(folder):
        found += (path for name in names if (path := Path(place, name)).is_file())
        if len(found) > MAX_FILES:
            raise UsageError(
                f"{called} names a folder of more than {MAX_FILES} files",
                hint=f"unset {called}, or make it the path of the model's own folder",
            )
    return tuple(sorted(found, key=lambda path: path.relative_to(folder).as_posix()))


def _upper(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def of_model(files: "Sequence[LockedFile]", paths: Sequence[Path]) -> ModelFiles:
    """The paths of a locked model's files, in the order of its lock."""
    first = files[0]
    folder = paths[0].parents[first.path.count("/")] if first.role == "file" else None
    return arranged([file.role for file in files], paths, folder)


def arranged(roles: Sequence[str], paths: Sequence[Path], folder: Path | None = None) -> ModelFiles:
    """Paths in the lock's order, by the roles of their files; `folder` is that of a folder model."""
    if folder is not None:
        return ModelFiles(folder, (), folder=folder, files=tuple(paths))
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
    yield from (("file", path) for path in files.files)
    for each in COMPANIONS:
        value = getattr(files, each.key)
        yield from ((each.role, path) for path in (value if each.many else filter(None, (value,))))

"""Finds the manifest of a call: discovery, `--manifest`, `--package`."""

import os
from pathlib import Path

from modelsync.errors import (
    ManifestError,
    NoManifestError,
    NotFoundError,
    NoWorkingDirectoryError,
    UsageError,
)
from modelsync.project.project import MANIFEST, Project


def find(
    *,
    manifest_path: str | os.PathLike[str] | None = None,
    package: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> Project:
    """Finds the project of a call.

    Args:
        manifest_path: A manifest, or a folder that has a `models.toml`.
        package: An installed Python package that ships `models.toml` and `models.lock`.
        directory: Where the search upward starts; the working directory when None.

    Raises:
        ManifestError: no manifest was found there.
        NotFoundError: the package is not installed.
        UsageError: both a manifest and a package were given.
    """
    if manifest_path is not None and package is not None:
        raise UsageError("a manifest and a package were both given", hint="give one of them")
    start = Path(directory or "")
    if package is not None:
        return Project(_in_package(package), package, named=True)
    if manifest_path is not None:
        path = start / os.path.expanduser(manifest_path)  # noqa: PTH111 - raises where there is no such home
        if path.is_dir():
            path /= MANIFEST
        if path.suffix != ".toml":
            raise UsageError(
                f"{path} is not a manifest", hint="a manifest's name ends in .toml; its lock's in .lock"
            )
        if not path.is_file():
            raise ManifestError(f"there is no {path}", hint="`modelsync init` makes a models.toml")
        return Project(path.absolute(), named=True)
    try:
        start = start.absolute()
    except OSError:
        raise NoWorkingDirectoryError from None
    found = search(start)
    if found is None:
        raise NoManifestError(
            f"no {MANIFEST} in {start} or above it",
            hint="`modelsync init` makes one; --manifest PATH names one elsewhere",
        )
    return Project(found)


def search(start: Path) -> Path | None:
    """The nearest `models.toml` from `start` upward.

    The start itself is always looked at. Above it the search ends at a file-system boundary, at the home folder
    and at a manifest that another user owns: what a stranger leaves in a shared parent folder is not ours to obey.
    A link that leads nowhere, or a pipe, is found too: reading it says what is wrong with it.
    """
    here = start.absolute()
    if _is_there(here / MANIFEST):
        return here / MANIFEST
    homes = _homes()
    try:
        device = here.stat().st_dev
        while here != here.parent and here not in homes:
            here = here.parent
            if here in homes or here.stat().st_dev != device:
                return None
            candidate = here / MANIFEST
            if _is_there(candidate):
                return candidate if _is_ours(candidate) else None
    except OSError:
        return None
    return None


def _homes() -> tuple[Path, ...]:
    """The home folder as named and with links resolved: the working directory has its links resolved."""
    try:
        home = Path.home()
        return (home, home.resolve())
    except (OSError, RuntimeError):
        return ()


def _is_there(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def _is_ours(path: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    ours = os.getuid()
    return path.lstat().st_uid == ours and (not path.exists() or path.stat().st_uid == ours)


def _in_package(name: str) -> Path:
    from importlib.util import find_spec

    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundError(
            f"no package {name!r} is installed here", hint=f"install it with `pip install {name}`"
        )
    for folder in spec.submodule_search_locations:
        if (path := Path(folder) / MANIFEST).is_file():
            return path.absolute()
    raise NotFoundError(
        f"the package {name!r} ships no {MANIFEST}",
        hint="its models.toml and models.lock belong in its package data",
    )

"""Where the manifest and the lock of a call are: discovery, `--manifest`, `--package`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import LockfileError, ManifestError, NotFoundError, UsageError

if TYPE_CHECKING:
    from modelsync.spec.lockfile import Lock
    from modelsync.spec.manifest import Manifest

MANIFEST = "models.toml"


class Project(NamedTuple):
    """One manifest with its lock beside it.

    `package` is the name of the installed package that ships them, or None. Such a lock is never written.
    """

    manifest_path: Path
    package: str | None = None

    @property
    def root(self) -> Path:
        """The folder of the manifest: what its relative paths are relative to."""
        return self.manifest_path.parent

    @property
    def lock_path(self) -> Path:
        """`NAME.lock` beside `NAME.toml`."""
        return self.manifest_path.with_suffix(".lock")

    def folder(self, manifest: "Manifest") -> Path | None:
        """Where the manifest's `dir` is; None where it has none, or where a package ships it."""
        return self.root / manifest.dir if manifest.dir is not None and self.package is None else None

    def called_in(self, folder: Path) -> str:
        """What a folder's record of links calls the project: so that an image that carries both knows it again."""
        try:
            return Path(os.path.relpath(self.manifest_path, folder)).as_posix()
        except ValueError:  # on Windows, on another drive
            return self.manifest_path.as_posix()

    def read_manifest(self) -> "Manifest":
        """Reads and checks the manifest; its load settings too, where llama-cpp-python is installed.

        Raises:
            ManifestError: it cannot be read, or says something impossible.
        """
        from modelsync.spec import manifest

        text = self.manifest_text()
        read = manifest.parse(text, where=self.manifest_path.name)
        if any(entry.load for entry in read.entries):
            from modelsync.engine import loading

            loading.check_manifest(self, read, text)
        return read

    def manifest_text(self) -> str:
        """The manifest as it is written, with its line endings."""
        try:
            return self.manifest_path.read_bytes().decode()
        except FileNotFoundError:
            raise ManifestError(
                f"there is no {self.manifest_path}", hint="`modelsync init` makes a models.toml"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"cannot read {self.manifest_path}: {_reason(error)}") from None

    def read_lock(self) -> "Lock | None":
        """Reads and checks the lock; None where there is none.

        Raises:
            LockfileError: it cannot be read, is too new, or contradicts itself.
        """
        from modelsync.spec import lockfile

        try:
            text = self.lock_path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise LockfileError(f"cannot read {self.lock_path}: {_reason(error)}") from None
        return lockfile.parse(text, where=self.lock_path.name)


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
        return Project(_in_package(package), package)
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
        return Project(path.absolute())
    try:
        start = start.absolute()
    except OSError as error:
        raise ManifestError(f"the working directory is gone: {_reason(error)}") from None
    found = search(start)
    if found is None:
        raise ManifestError(
            f"no {MANIFEST} in {start} or above it",
            hint="`modelsync init` makes one; --manifest PATH names one elsewhere",
        )
    return Project(found)


def search(start: Path) -> Path | None:
    """The nearest `models.toml` from `start` upward.

    The start itself is always looked at. Above it the search ends at a file-system boundary, at the home folder
    and at a manifest that another user owns: what a stranger leaves in a shared parent folder is not ours to obey.
    """
    here = start.absolute()
    if (here / MANIFEST).is_file():
        return here / MANIFEST
    homes = _homes()
    try:
        device = here.stat().st_dev
        while here != here.parent and here not in homes:
            here = here.parent
            if here in homes or here.stat().st_dev != device:
                return None
            candidate = here / MANIFEST
            if candidate.is_file():
                return candidate if _is_ours(candidate) else None
    except OSError:
        return None
    return None


def _homes() -> tuple[Path, ...]:
    """The home folder, as it is called and as it is reached: the working directory is told without links."""
    try:
        home = Path.home()
        return (home, home.resolve())
    except (OSError, RuntimeError):
        return ()


def _is_ours(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


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


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"

"""Where the manifest and the lock of a call are: discovery, `--manifest`, `--package`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import LockfileError, ManifestError

if TYPE_CHECKING:
    from modelsync.spec.lock.model import Lock
    from modelsync.spec.manifest.model import Manifest

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
        from modelsync.spec.manifest import read as manifest_reader

        text = self.manifest_text()
        read = manifest_reader.parse(text, where=self.manifest_path.name)
        if any(entry.load for entry in read.entries):
            from modelsync.project import load_settings

            load_settings.check_manifest(read, text, self.manifest_path.name)
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
        from modelsync.spec.lock import read as lock_reader

        try:
            text = self.lock_path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise LockfileError(f"cannot read {self.lock_path}: {_reason(error)}") from None
        return lock_reader.parse(text, where=self.lock_path.name)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"

"""A project: one manifest and its lock, and what they say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import LockfileError, ManifestError, ModelsyncError, Place, UsageError
from modelsync.store import project_files, sync_memo

if TYPE_CHECKING:
    from modelsync.spec.lock.model import Lock
    from modelsync.spec.manifest.model import Manifest

MANIFEST = "models.toml"


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Gives an error that is about the file of a project its path: what reads a text knows the name alone."""
    try:
        yield
    except ModelsyncError as error:
        error.at(Place(str(path), error.places[0].line if error.places else None))
        raise


class Project(NamedTuple):
    """One manifest with its lock beside it.

    Attributes:
        manifest_path: Where the manifest is.
        package: The name of the installed package that ships them, or None. Such a lock is never written.
        named: Whether the user named the manifest or the package. A project that was only found came with a
            repository that anyone may have written: its files are not read through links that lead out of it.
    """

    manifest_path: Path
    package: str | None = None
    named: bool = False

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

    def loaded(self) -> "LoadedProject":
        """The project for one command, which reads manifest and lock at most once."""
        return LoadedProject(*self)

    def read_manifest_text(self) -> str:
        """Reads the manifest as it is written, with its line endings.

        Raises:
            ManifestError: it cannot be read.
            RefusedError: it is a link that leads out of the project, or no regular file.
        """
        from modelsync.spec.manifest.read import MAX_TEXT

        try:
            return self._read(self.manifest_path, MAX_TEXT, ManifestError)
        except FileNotFoundError:
            raise ManifestError(
                f"there is no {self.manifest_path}", hint="`modelsync init` makes a models.toml"
            ) from None

    def read_lock_text(self) -> str | None:
        """Reads the lock as it is written; None where there is none.

        Raises:
            LockfileError: it cannot be read.
            RefusedError: it is a link that leads out of the project, or no regular file.
        """
        from modelsync.spec.lock.read import MAX_TEXT

        try:
            return self._read(self.lock_path, MAX_TEXT, LockfileError)
        except FileNotFoundError:
            return None

    def _read(self, path: Path, limit: int, kind: type[UsageError]) -> str:
        """Reads a text of at most `limit` bytes.

        Raises:
            FileNotFoundError: there is none.
        """
        try:
            return project_files.read(path, limit, inside=None if self.named else self.root).decode()
        except FileNotFoundError:
            raise
        except (OSError, UnicodeDecodeError) as error:
            raise kind(f"cannot read {path}: {_reason(error)}").at(Place(str(path))) from None


class LoadedProject(Project):
    """A project whose manifest and lock are read when they are first needed, and never again.

    One command makes it and hands it down; what the command itself writes is known without reading it.

    Attributes:
        stamps: Size, times and inode of each of the two files that was read or written, from before it was read: a
            later change of the file is seen by comparing them.
    """

    @cached_property
    def stamps(self) -> "dict[str, sync_memo.Stamp | None]":  # noqa: D102 - see the class
        return {}

    def loaded(self) -> "LoadedProject":
        """Itself."""
        return self

    @cached_property
    def manifest_text(self) -> str:
        """The manifest as it is written, with its line endings.

        Raises:
            ManifestError: it cannot be read.
        """
        self.stamps |= sync_memo.stamps([self.manifest_path])
        return self.read_manifest_text()

    @cached_property
    def manifest(self) -> "Manifest":
        """The manifest, checked; its load settings too, where llama-cpp-python is installed.

        Raises:
            ManifestError: it cannot be read, or says something impossible.
        """
        from modelsync.spec.manifest import read as manifest_reader

        text = self.manifest_text
        with about(self.manifest_path):
            read = manifest_reader.parse(text, where=self.manifest_path.name)
            if any(entry.load for entry in read.entries):
                from modelsync.project import load_settings

                load_settings.check_manifest(read, text, self.manifest_path.name)
        return read

    @cached_property
    def lock(self) -> "Lock | None":
        """The lock, checked; None where there is none.

        Raises:
            LockfileError: it cannot be read, is too new, or contradicts itself.
        """
        from modelsync.spec.lock import read as lock_reader

        text = self.lock_text
        with about(self.lock_path):
            return lock_reader.parse(text, where=self.lock_path.name) if text is not None else None

    @cached_property
    def lock_text(self) -> str | None:
        """The lock as it is written; None where there is none.

        Raises:
            LockfileError: it cannot be read.
        """
        self.stamps |= sync_memo.stamps([self.lock_path])
        return self.read_lock_text()

    def refresh(self) -> None:
        """Forgets what was read of a file that has changed since."""
        for path, names in (
            (self.manifest_path, ("manifest_text", "manifest")),
            (self.lock_path, ("lock_text", "lock")),
        ):
            if sync_memo.stamp(path) != self.stamps.get(str(path)):
                for name in names:
                    self.__dict__.pop(name, None)

    def write_manifest(self, text: str) -> None:
        """Writes the manifest, if it is still as it was read.

        Raises:
            ChangedMeanwhileError: another program has written it; see `refresh`.
            RefusedError: it is a link that leads out of the project.
            StoreError: the folder cannot be written.
        """
        from modelsync.project.write import replace_text

        self.stamps[str(self.manifest_path)] = replace_text(
            self.manifest_path, text, inside=self.root, expected=self.manifest_text
        )
        self.suppose_manifest(text)

    def suppose_manifest(self, text: str) -> None:
        """Takes this text for the manifest's, without writing it."""
        self.manifest_text = text
        self.__dict__.pop("manifest", None)

    def write_lock(self, lock: "Lock", text: str) -> None:
        """Writes the lock, whose text this is, if the file is still as it was read.

        Raises:
            ChangedMeanwhileError: another program has written it; see `refresh`.
            RefusedError: it is a link that leads out of the project.
            StoreError: the folder cannot be written.
        """
        from modelsync.project.write import replace_text

        self.stamps[str(self.lock_path)] = replace_text(
            self.lock_path, text, inside=self.root, expected=self.lock_text or ""
        )
        self.lock_text = text
        self.lock = lock


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"

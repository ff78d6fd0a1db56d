"""Models on this machine, named by a path. Regular files only."""

from __future__ import annotations

import posixpath
import stat
from typing import TYPE_CHECKING

from modelsync.errors import NotFoundError, RefusedError, StoreError
from modelsync.sources.base import Found, FoundPiece, Resolution, joined
from modelsync.spec.names import file_name, listed, nearest, printable, safe_path
from modelsync.spec.parts import joined_name, siblings
from modelsync.spec.uri import FileUri
from modelsync.transfer.jobs import Segment

if TYPE_CHECKING:
    from pathlib import Path

    from modelsync.errors import ModelsyncError
    from modelsync.sources.base import Question
    from modelsync.spec.lock.model import LockedFile
    from modelsync.spec.uri import Reference, Uri

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Local:
    """The source of `file:` URIs and plain paths. A file is read to be locked: no sha256 is published."""

    def accepts(self, uri: Uri) -> bool:
        """Whether `uri` is a path."""
        return isinstance(uri, FileUri)

    def resolve(self, question: Question) -> Resolution:
        """Finds the file and all its parts."""
        uri = question.reference.uri
        if not isinstance(uri, FileUri):
            raise TypeError(f"{uri} is not a path")
        path = uri.path
        paths = siblings(path)
        sizes = [_size(question.folder, each, needed_by=path) for each in paths]
        found = [
            FoundPiece(safe_path(file_name(each)), str(FileUri(each)), size, None)
            for each, size in zip(paths, sizes, strict=True)
        ]
        name = joined_name(file_name(path))
        if name is not None:
            return Resolution((joined(question.role, name, tuple(found)),))
        return Resolution(tuple(Found(question.role, file.path, file.url, file.size, None) for file in found))

    def locate(self, file: LockedFile | Found, endpoint: str, folder: Path) -> tuple[Segment, ...]:  # noqa: ARG002
        """The files' `file:` URLs.

        Raises:
            NotFoundError: a file is gone.
            RefusedError: it is not a regular file.
        """
        segments = []
        for piece in file.pieces or (file,):
            path = (piece.url or "").removeprefix("file:")
            _size(folder, path)
            segments.append(Segment((folder / path).absolute().as_uri(), piece.size))
        return tuple(segments)

    def relocate(self, file: LockedFile | Found, reference: Reference, endpoint: str) -> None:  # noqa: ARG002
        """None: a path has no commits."""
        return

    def publishes(self, file: LockedFile | Found, endpoint: str) -> bool:  # noqa: ARG002
        """No: a folder has no listing."""
        return False

    def explain(self, error: ModelsyncError, subject: str) -> ModelsyncError:  # noqa: ARG002
        """The same error: errors about files need no explanation."""
        return error


def _size(folder: Path, path: str, needed_by: str | None = None) -> int:
    """The size of a regular file. It is not opened: a pipe would block, and a device may act."""
    shown = printable(path)
    try:
        found = (folder / path).stat()
    except FileNotFoundError:
        if needed_by not in (None, path):
            raise NotFoundError(
                f"{printable(needed_by or '')} is one of several parts, and {shown} is missing",
                hint="all parts must lie side by side",
            ) from None
        raise NotFoundError(f"there is no file {shown}", hint=_nearby(folder, path)) from None
    except OSError as error:
        raise StoreError(f"cannot read {shown}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")
        raise RefusedError(
            f"{shown} is {kind}; a model is a regular file", hint=_nearby(folder, posixpath.join(path, "_"))
        )
    return found.st_size


def _nearby(folder: Path, path: str) -> str:
    """A hint with the model files in the folder of `path`."""
    place = posixpath.dirname(path)
    try:
        names = sorted(file.name for file in (folder / place).iterdir() if ".gguf" in file.name.lower())
    except OSError:
        return f"a relative path begins at the manifest's folder, {folder}"
    near = nearest(file_name(path), names)
    if near is not None:
        return f"did you mean {printable(posixpath.join(place, near))}?"
    return f"in the same folder there are {listed(names)}" if names else f"looked in {folder / place}"

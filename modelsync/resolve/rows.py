"""Rows of the lock, from what sources say and what was read. Pure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelsync.spec.lock.model import LockedFile, Piece
from modelsync.spec.roles import Role

if TYPE_CHECKING:
    from modelsync.sources.base import Found


def locked_row(file: "Found", size: int, sha256: str, pieces: Sequence[str]) -> LockedFile:
    """The row of a file whose bytes are known; `pieces` are the sha256 of its pieces, in order."""
    return LockedFile(
        role=file.role,
        path=file.path,
        size=size,
        sha256=sha256,
        url=file.url,
        etag=file.etag,
        repo=file.repo,
        revision=file.revision,
        pieces=tuple(
            Piece(path=piece.path, url=piece.url, size=piece.size or 0, sha256=digest, etag=piece.etag)
            for piece, digest in zip(file.pieces, pieces, strict=True)
        ),
        license=file.license,
    )


def by_path(files: Sequence[LockedFile]) -> Mapping[tuple[Role, str], Sequence[LockedFile]]:
    """Rows by role and path."""
    found: dict[tuple[Role, str], list[LockedFile]] = {}
    for file in files:
        found.setdefault((file.role, file.path), []).append(file)
    return found


def unread_row(file: "Found", previous: Sequence[LockedFile]) -> LockedFile:
    """The row of a file that was not read: the one before if nothing says otherwise, else one without a digest."""
    same = (
        old
        for old in previous
        if (old.role, old.path, old.url, old.etag) == (file.role, file.path, file.url, file.etag)
        and file.size in (None, old.size)
    )
    known = next(same, None)
    if known is not None:
        return known._replace(license=file.license)
    return LockedFile(
        role=file.role,
        path=file.path,
        size=file.size or 0,
        sha256="",
        url=file.url,
        etag=file.etag,
        repo=file.repo,
        revision=file.revision,
        license=file.license,
    )

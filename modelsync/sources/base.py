"""The interface of sources: a question about one URI, the files found, and where their bytes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelsync.errors import ModelsyncError
    from modelsync.registry.contents import StoredFile
    from modelsync.spec.globs import Globs
    from modelsync.spec.lock.model import LockedFile, LockedModel
    from modelsync.spec.roles import Role
    from modelsync.spec.uri import Reference, Uri
    from modelsync.transfer.jobs import Segment


class Question(NamedTuple):
    """Asks what one URI of a request means now.

    Attributes:
        reference: The URI with its revision.
        role: The role of its files.
        endpoint: The hub to ask, without a trailing slash.
        canonical_endpoint: The hub in the lock's URLs: never the environment's.
        folder: The manifest's folder; `file:` paths are relative to it.
        beside: Paths of the model's files, for a projector or a draft head that must fit them.
        own_repo: Whether it asks the model's own repo: a whole model there is no draft of the model.
        globs: Which files of the repo a folder model has; None: the URI means one model.
        previous: The files of the lock. They are not trusted: they only spare reading what the source says is
            unchanged. Empty: resolve as if for the first time.
        kept: The lock's entry for the same request, where an upgrade asks whether it moves: a source that can tell by
            less than an answer that nothing has moved may answer with it. None: upstream is to be read.
    """

    reference: Reference
    role: Role
    endpoint: str
    canonical_endpoint: str
    folder: Path
    beside: tuple[str, ...] = ()
    previous: tuple[LockedFile, ...] = ()
    globs: Globs | None = None
    own_repo: bool = False
    kept: LockedModel | None = None


class FoundPiece(NamedTuple):
    """One of the pieces that are joined into a file; `sha256` is None where the source publishes none."""

    path: str
    url: str
    size: int | None
    sha256: str | None
    etag: str | None = None


class Found(NamedTuple):
    """One file as its source describes it: a `LockedFile` that may lack a size and a hash.

    Attributes:
        role: The role of the file.
        path: Its path in the repo, or its name; relative and safe on every system.
        url: As the lock writes it; None for a file that is joined from `pieces`.
        size: Bytes; None if the server does not say.
        sha256: 64 hex digits; None: the file must be read once to be locked.
        etag: The source's own validator without quotes, if it is a strong one.
        repo: Its repo on the hub; in the resolution of a request only where it is not the model's.
        revision: Its commit; goes with `repo`.
        pieces: What the file is joined from, in order.
        layer: The tar of a registry that has files of the model: this stands for all of them until it is read.
        license: Of a companion from elsewhere in the resolution of a request: that of its repo.
    """

    role: Role
    path: str
    url: str | None
    size: int | None
    sha256: str | None
    etag: str | None = None
    repo: str | None = None
    revision: str | None = None
    pieces: tuple[FoundPiece, ...] = ()
    layer: StoredFile | None = None
    license: str | None = None


class Resolution(NamedTuple):
    """All files that a question or a whole request means.

    Attributes:
        files: In the lock's order: the model's parts, then its companions in the order of `COMPANIONS`; of a folder
            model sorted by path.
        revision: The commit of the model's repo, if its source has commits.
        license: The model's license as its source names it.
        notes: Messages for people about choices made for them.
        left_out: Paths of the repo that the globs of a folder model leave out.
    """

    files: tuple[Found, ...]
    revision: str | None = None
    license: str | None = None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Moved(NamedTuple):
    """Where a file is whose pinned commit is gone: its bytes, and the commit that has them now."""

    segments: tuple[Segment, ...]
    commit: str


class Source(Protocol):
    """A place that models come from. `modelsync.sources.sources` lists them."""

    def accepts(self, uri: Uri) -> bool:
        """Whether this source is the one for `uri`."""
        ...

    def resolve(self, question: Question) -> Resolution:
        """Finds all files that the question's URI means now.

        Raises:
            NotFoundError: it is not there; the hint names what is.
            GatedError: the source requires credentials, or rejects those it was sent.
            RefusedError: what is there is not safe to take.
            NetworkError: the source could not be asked.
        """
        ...

    def locate(self, file: LockedFile | Found, endpoint: str, folder: Path) -> tuple[Segment, ...]:
        """Where the bytes of `file` are, in order: one segment, or one for each piece. Makes no request."""
        ...

    def relocate(self, file: LockedFile | Found, reference: Reference, endpoint: str) -> Moved | None:
        """Where the request's revision has the same file, if its commit is gone; None if it has not.

        Args:
            file: The file, with its sha256.
            reference: The URI that asked for it, at the revision that the request names.
            endpoint: The hub to ask.

        Raises:
            ModelsyncError: the source could not be asked.
        """
        ...

    def publishes(self, file: LockedFile | Found, endpoint: str) -> bool:
        """Whether the source's own listing says that the file, at its commit, has its sha256.

        Args:
            file: The file, with its sha256.
            endpoint: The hub to ask.

        Raises:
            ModelsyncError: the source could not be asked.
        """
        ...

    def explain(self, error: ModelsyncError, subject: str) -> ModelsyncError:
        """An error that says what to do, or the same error.

        Args:
            error: What a request to this source raised.
            subject: The URL or URI that was asked for; no signed one.
        """
        ...


def joined(
    role: Role, path: str, pieces: tuple[FoundPiece, ...], previous: Sequence[LockedFile] = ()
) -> Found:
    """The file that `pieces` make. Its sha256 is known if the earlier lock joined the same pieces."""
    digests = tuple(piece.sha256 for piece in pieces)
    known = next(
        (
            file.sha256
            for file in previous
            if file.role == role
            and file.path == path
            and tuple(piece.sha256 for piece in file.pieces) == digests
        ),
        None,
    )
    sizes = [piece.size for piece in pieces if piece.size is not None]
    size = sum(sizes) if len(sizes) == len(pieces) else None
    return Found(role, path, None, size, known, pieces=pieces)

"""`models.lock`: what each request resolved to, as values."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from modelsync.spec.roles import Role

MAX_FILES = 10_000  # of one model
MAX_FILE_SIZE = 1 << 50  # bytes; what claims to be larger is refused

# Keys of a later version that may be ignored, each with its value as TOML: they are written back as they were.
UnknownKeys: TypeAlias = tuple[tuple[str, str], ...]


class Piece(NamedTuple):
    """One of the pieces that a joined file is made of."""

    path: str
    url: str
    size: int  # bytes
    sha256: str
    etag: str | None = None
    unknown: UnknownKeys = ()


class LockedFile(NamedTuple):
    """One file, down to its bytes.

    `repo`, `revision` (a commit) and `license` are given where they are not those of the model itself: for a projector
    or an adapter from elsewhere. A file with `pieces` is what these make when joined; it has neither url nor etag.
    """

    role: Role
    path: str
    size: int  # bytes
    sha256: str
    url: str | None = None
    etag: str | None = None
    repo: str | None = None
    revision: str | None = None
    pieces: tuple[Piece, ...] = ()
    unknown: UnknownKeys = ()
    license: str | None = None


class LockedModel(NamedTuple):
    """A name, or one of its variants, with the request it answers (`Request.to_dict`) and its files."""

    name: str
    request: Mapping[str, Any]
    files: tuple[LockedFile, ...]
    variant: str | None = None
    revision: str | None = None  # the commit that the request's revision was
    license: str | None = None
    unknown: UnknownKeys = ()

    @property
    def title(self) -> str:
        """`llama3`, or `llama3 [server]` for a variant."""
        return f"{self.name} [{self.variant}]" if self.variant else self.name

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells it from the others: its name and its variant."""
        return self.name, self.variant

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder model: its path is a folder."""
        return bool(self.files) and self.files[0].role == "file"

    @property
    def known(self) -> "LockedModel":
        """Without keys of a later version: what this one makes of the same answer."""
        files = tuple(
            file._replace(unknown=(), pieces=tuple(piece._replace(unknown=()) for piece in file.pieces))
            for file in self.files
        )
        return self._replace(unknown=(), files=files)


class Lock(NamedTuple):
    """A whole lock."""

    models: tuple[LockedModel, ...] = ()
    unknown: UnknownKeys = ()

    def find(self, name: str, variant: str | None = None) -> LockedModel | None:
        """The model of that name and variant, or None."""
        return next((model for model in self.models if model.key == (name, variant)), None)

    @property
    def by_key(self) -> dict[tuple[str, str | None], LockedModel]:
        """The models by name and variant; a new dict each time."""
        return {model.key: model for model in self.models}

    @property
    def digests(self) -> frozenset[str]:
        """The SHA-256 of every file: what the store must keep for this lock."""
        return frozenset(file.sha256 for model in self.models for file in model.files)

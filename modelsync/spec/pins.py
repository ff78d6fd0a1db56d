"""Which file each `sha256` of a request pins. Pure."""

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from modelsync.spec.roles import OWN_ROLES, Role


class _File(Protocol):
    @property
    def role(self) -> Role: ...
    @property
    def path(self) -> str: ...


F = TypeVar("F", bound=_File)


class Pin(NamedTuple, Generic[F]):
    """One pinned hash.

    Attributes:
        path: Where the pinned file is in its repo; None: it is the model's only file.
        sha256: 64 hex digits.
        files: The files that this is the pin of: one, if all is well.
    """

    path: str | None
    sha256: str
    files: tuple[F, ...]


def pins_of(
    sha256: str | Mapping[str, str] | Sequence[tuple[str, str]] | None, files: Sequence[F]
) -> tuple[Pin[F], ...]:
    """The pins of a request, each with its files.

    Args:
        sha256: One hash, for a model of one file; or hashes by path.
        files: All files of the request.
    """
    if not sha256:
        return ()
    if isinstance(sha256, str):
        return (Pin(None, sha256, tuple(file for file in files if file.role in OWN_ROLES)),)
    by_path: dict[str, list[F]] = {}
    for file in files:
        by_path.setdefault(file.path, []).append(file)
    return tuple(Pin(path, digest, tuple(by_path.get(path, ()))) for path, digest in dict(sha256).items())

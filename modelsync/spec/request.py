"""A request: what one manifest entry asks of a source, in canonical form. It alone decides the bytes."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from modelsync.spec.globs import Globs
from modelsync.spec.roles import COMPANIONS, Role
from modelsync.spec.uri import Reference, Uri

_COMPANION_KEYS = tuple((companion.key, companion.many) for companion in COMPANIONS)


class Companions(NamedTuple):
    """What goes with a model: its projector, its adapters and its draft head. True: the one beside the model."""

    mmproj: Reference | Literal[True] | None = None
    loras: tuple[Reference, ...] = ()
    draft: Reference | Literal[True] | None = None


NO_COMPANIONS = Companions()


class Request(NamedTuple):
    """What decides the bytes of a model.

    `sha256` is one hash for a model of one file, or pairs of path and hash. `mmproj` and `draft` are True for the
    projector and the draft head beside the model. `endpoint` is one that the manifest set, for the model or for the
    project. With globs in `include` the model is a folder of files, of any type, of one repo.
    """

    uri: Uri
    revision: str | None = None
    mmproj: Reference | Literal[True] | None = None
    loras: tuple[Reference, ...] = ()
    sha256: str | tuple[tuple[str, str], ...] | None = None
    endpoint: str | None = None
    draft: Reference | Literal[True] | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def reference(self) -> Reference:
        """The model's own URI with its revision."""
        return Reference(self.uri, self.revision)

    @property
    def globs(self) -> Globs | None:
        """Which files of its repo a folder model has; None if it is no such model."""
        return Globs(self.include, self.exclude) if self.include else None

    def companions(self) -> Iterator[tuple[Role, Reference | Literal[True]]]:
        """Each companion with its role, in the order of a lock; True: the one beside the model."""
        for companion in COMPANIONS:
            value = getattr(self, companion.key)
            for each in value if companion.many else (value,) if value is not None else ():
                yield companion.role, each

    def to_dict(self) -> Mapping[str, Any]:
        """The request as the lock writes it: canonical strings, defaults left out, keys in a fixed order."""
        out: dict[str, Any] = {"uri": str(self.uri)}
        if self.revision is not None:
            out["revision"] = self.revision
        for key, many in _COMPANION_KEYS:
            value = getattr(self, key)
            if value:
                out[key] = [str(each) for each in value] if many else True if value is True else str(value)
        if self.include:
            out["include"] = list(self.include)
        if self.exclude:
            out["exclude"] = list(self.exclude)
        if isinstance(self.sha256, str):
            out["sha256"] = self.sha256
        elif self.sha256:
            out["sha256"] = dict(sorted(self.sha256))
        if self.endpoint is not None:
            out["endpoint"] = self.endpoint
        return out

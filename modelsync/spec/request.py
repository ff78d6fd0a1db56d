"""A request: what one manifest entry asks of a source, in canonical form. It alone decides the bytes."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from modelsync.spec.uri import Reference, Uri


class Request(NamedTuple):
    """What decides the bytes of a model.

    `sha256` is one hash for a model of one file, or pairs of file name and hash. `mmproj` is True for "the
    projector beside the model". `endpoint` is one that the manifest set, for the model or for the project.
    """

    uri: Uri
    revision: str | None = None
    mmproj: Reference | Literal[True] | None = None
    loras: tuple[Reference, ...] = ()
    sha256: str | tuple[tuple[str, str], ...] | None = None
    endpoint: str | None = None

    @property
    def reference(self) -> Reference:
        """The model's own URI with its revision."""
        return Reference(self.uri, self.revision)

    def to_dict(self) -> Mapping[str, Any]:
        """The request as the lock writes it: canonical strings, defaults left out, keys in a fixed order."""
        out: dict[str, Any] = {"uri": str(self.uri)}
        if self.revision is not None:
            out["revision"] = self.revision
        if self.mmproj is not None:
            out["mmproj"] = True if self.mmproj is True else str(self.mmproj)
        if self.loras:
            out["loras"] = [str(lora) for lora in self.loras]
        if isinstance(self.sha256, str):
            out["sha256"] = self.sha256
        elif self.sha256:
            out["sha256"] = dict(sorted(self.sha256))
        if self.endpoint is not None:
            out["endpoint"] = self.endpoint
        return out

"""Artifacts of oras and of others that name their files by title. Pure.

Sources: oras-project/oras-go (content/file), oras-project/oras-py, opencontainers/image-spec (manifest.md, "Guidelines
for Artifact Usage").
"""

from collections.abc import Sequence

from modelsync.errors import NotFoundError
from modelsync.registry.contents import Contents, StoredFile
from modelsync.registry.documents import Table
from modelsync.registry.formats.layers import Descriptor, Names, left_out

EMPTY = "application/vnd.oci.empty.v1+json"
# Of an artifact without a configuration of its own: the second is of the time before OCI 1.1, and of oras-py.
CONFIG_TYPES = (EMPTY, "application/vnd.unknown.config.v1+json")
_UNPACK = "io.deis.oras.content.unpack"
_FOLDER = "application/vnd.oci.image.layer.v1.tar+gzip"  # what oras-py calls a folder, and nothing else


def read(layers: Sequence[Descriptor], config: Table, names: Names) -> Contents:  # noqa: ARG001
    """The files of an artifact.

    Raises:
        RefusedError: a path leads out of the model.
        NotFoundError: no layer has a name.
    """
    files: list[StoredFile] = []
    others: list[str] = []
    for layer in layers:
        if not layer.name:
            if layer.blob.media_type != EMPTY:
                others.append("a layer without a name")
        elif _is_folder(layer):
            files.append(layer.packed(layer.name))
        else:
            files.append(layer.file(layer.name))
    if not files:
        raise NotFoundError(
            "no layer of this artifact has a name, so nothing tells which file it is",
            hint="oras names files by the annotation org.opencontainers.image.title",
        )
    return Contents("oras", tuple(files), notes=left_out(others))


def _is_folder(layer: Descriptor) -> bool:
    """Whether a layer is a tar of a folder; an archive that is called so is a file."""
    said = layer.annotations.get(_UNPACK)
    if said is None:
        return layer.blob.media_type == _FOLDER and not layer.name.lower().endswith((".gz", ".tgz"))
    return said == "true"

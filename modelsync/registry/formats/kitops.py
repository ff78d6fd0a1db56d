"""ModelKits of KitOps. Pure.

Source: kitops-ml/kitops (pkg/artifact, pkg/lib/constants). Each layer is a tar; paths in it are those in the project.
"""

import re
from collections.abc import Sequence

from modelsync.errors import NotFoundError
from modelsync.registry.contents import Contents, StoredFile
from modelsync.registry.documents import Table, table_of, text_of
from modelsync.registry.formats.layers import Descriptor, Names, left_out, licenses
from modelsync.spec.names import printable

CONFIG_TYPES = ("application/vnd.kitops.modelkit.config.v1+json",)
_LAYER = r"application/vnd\.kitops\.modelkit\.([a-z]+)\.v1\.tar(?:\+[a-z]+)?"
_PARTS = frozenset({"model", "modelpart", "docs"})


def read(layers: Sequence[Descriptor], config: Table, names: Names) -> Contents:  # noqa: ARG001
    """The files of a ModelKit: its model, the parts of that, and documents.

    Raises:
        NotFoundError: it has no model of its own.
    """
    files: list[StoredFile] = []
    kinds: list[str] = []
    for layer in layers:
        match = re.fullmatch(_LAYER, layer.blob.media_type)
        kind = match[1] if match else "a layer of another kind"
        kinds.append(kind)
        if kind in _PARTS:
            files.append(layer.packed())
    model = table_of(config, "model")
    if not {"model", "modelpart"} & set(kinds):
        other = text_of(model, "path")
        if other:
            raise NotFoundError(
                f"the model of this ModelKit is in another one: {printable(other, 120)}",
                hint="name that one, as oci://REGISTRY/REPOSITORY:TAG",
            )
        raise NotFoundError("this ModelKit has no model")
    said = licenses(model.get("license"), table_of(config, "package").get("license"))
    return Contents(
        "kitops", tuple(files), said, notes=left_out(each for each in kinds if each not in _PARTS)
    )

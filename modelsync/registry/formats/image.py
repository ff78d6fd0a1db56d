"""Container images with a model under `/models`, as KServe's modelcars and RamaLama's images. Pure.

Sources: opencontainers/image-spec (layer.md), kserve/kserve (storage), containers/ramalama (docs/ramalama-oci.5.md).
"""

import re
from collections.abc import Sequence

from modelsync.errors import NotFoundError
from modelsync.registry.contents import Contents
from modelsync.registry.documents import Table, table_of
from modelsync.registry.formats.layers import LICENSES, Descriptor, Names, licenses, texts_of
from modelsync.registry.image import FOLDER
from modelsync.spec.names import printable

CONFIG_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_LAYER = (
    r"application/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar"
    r"|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[+.](?:gzip|zstd)(?:[+-][a-z]+)?)?(?:\+encrypted)?"
)


def read(layers: Sequence[Descriptor], config: Table, names: Names) -> Contents:  # noqa: ARG001
    """The layers of an image, in their order; each may have files under `/models`.

    Raises:
        NotFoundError: a layer is none of an image, or compressed with what is not read.
    """
    for layer in layers:
        if not re.fullmatch(_LAYER, layer.blob.media_type):
            raise NotFoundError(
                f"its layers are of a kind that no model has: {printable(layer.blob.media_type, 100)}"
            )
    labels = texts_of(table_of(config, "config"), "Labels")
    return Contents(
        "image", tuple(layer.packed(inside=FOLDER) for layer in layers), licenses(labels.get(LICENSES))
    )

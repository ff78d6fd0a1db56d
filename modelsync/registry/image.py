"""A model as a container image: each file a tar layer under `/models`, for those who mount images.

Such a layer has a digest of its own, so an image is no mirror of a lock. The format is that of
opencontainers/image-spec (manifest.md, config.md, layer.md); tars are as POSIX pax writes them, without a clock or a
user.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from modelsync.registry.artifact import (
    PATH_ANNOTATION,
    SHA256_ANNOTATION,
    Artifact,
    Document,
    Layer,
    annotations_of,
    canonical,
)
from modelsync.registry.repository import INDEX, MANIFEST
from modelsync.spec.lock.model import LockedFile, LockedModel

FOLDER = "models"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
# Nothing in it runs, and a node takes only an image for its own kind. All have the same layers.
PLATFORMS = ("amd64", "arm64")
_BLOCK = 512
_PIECE = 1 << 20


class TarLayer(io.RawIOBase):
    """A tar of one file, made while it is read.

    Args:
        path: Where the file is in the model.
        source: The file.
        size: Its bytes.
    """

    def __init__(self, path: str, source: BinaryIO, size: int) -> None:
        super().__init__()
        self._head = _head(path, size)
        self._source = source
        self._file_end = len(self._head) + size
        self._end = self._file_end + -size % _BLOCK + 2 * _BLOCK
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to another place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; fewer where the file ends or begins."""
        at, left = self._at, self._end - self._at if size < 0 else size
        if at < len(self._head):
            data = self._head[at : at + left]
        elif at < self._file_end:
            self._source.seek(at - len(self._head))
            data = self._source.read(min(left, self._file_end - at))
        else:
            data = bytes(max(0, min(left, self._end - at)))
        self._at += len(data)
        return data

    def close(self) -> None:
        """Closes the file."""
        self._source.close()
        super().close()


def tar_layer(file: LockedFile, path: str, source: Path, on_bytes: Callable[[int], None]) -> Layer:
    """A file as a layer; it is read once, for the layer's digest.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with TarLayer(path, source.open("rb", buffering=0), file.size) as layer:
        size = layer.seek(0, io.SEEK_END)
        layer.seek(0)
        while piece := layer.read(_PIECE):
            digest.update(piece)
            on_bytes(len(piece))
        if layer.tell() != size:
            raise OSError(f"{source} is shorter than it was")
    return Layer(file, path, f"sha256:{digest.hexdigest()}", size)


def tar_size(path: str, size: int) -> int:
    """Bytes of the layer of a file of `size` bytes."""
    return len(_head(path, size)) + size + -size % _BLOCK + 2 * _BLOCK


def image(model: LockedModel, layers: Sequence[Layer]) -> Artifact:
    """The configurations and manifests of a model whose layers were made."""
    annotations = annotations_of(model)
    described = [_descriptor(layer) for layer in layers]
    configs, parts, listed = [], [], []
    for architecture in PLATFORMS:
        platform = {"architecture": architecture, "os": "linux"}
        config = {
            **platform,
            "config": {"WorkingDir": f"/{FOLDER}"},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        }
        configs.append(Document(canonical(config), CONFIG_TYPE))
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": configs[-1].descriptor,
            "layers": described,
            "annotations": annotations,
        }
        parts.append(Document(canonical(manifest), MANIFEST))
        listed.append({**parts[-1].descriptor, "platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed, "annotations": annotations}
    return Artifact(tuple(layers), tuple(configs), tuple(parts), Document(canonical(index), INDEX))


def _descriptor(layer: Layer) -> dict[str, Any]:
    return {
        "mediaType": LAYER_TYPE,
        "digest": layer.digest,
        "size": layer.size,
        "annotations": {PATH_ANNOTATION: layer.path, SHA256_ANNOTATION: layer.file.sha256},
    }


def _head(path: str, size: int) -> bytes:
    """The entries of the folders, and the header of the file."""
    parts = [FOLDER, *path.split("/")]
    entries = []
    for count in range(1, len(parts)):
        folder = tarfile.TarInfo("/".join(parts[:count]))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        entries.append(folder)
    file = tarfile.TarInfo("/".join(parts))
    file.size, file.mode = size, 0o644
    return b"".join(each.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict") for each in (*entries, file))

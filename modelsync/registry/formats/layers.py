"""The layers of a manifest, and what all formats ask of them. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modelsync.errors import NotFoundError
from modelsync.registry.arrange import place
from modelsync.registry.contents import Blob, StoredFile
from modelsync.registry.documents import Table, blob_of, layers_of, table_of
from modelsync.registry.modelpack import FILEPATH, TITLE
from modelsync.spec.names import file_name, printable
from modelsync.spec.roles import Role

LICENSES = "org.opencontainers.image.licenses"
_NAMES = (FILEPATH, "org.cnai.model.filepath", TITLE)  # the first that a layer has
_MOST_LICENSES = 8


class Descriptor(NamedTuple):
    """A layer as a manifest names it.

    Attributes:
        blob: Its digest, size and type.
        annotations: Those that are texts.
    """

    blob: Blob
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """The path that it names for its file, as it stands there; nothing if it names none."""
        return next((self.annotations[key] for key in _NAMES if self.annotations.get(key)), "")

    def file(self, path: str, role: Role = "file") -> StoredFile:
        """It as a file of the model.

        Raises:
            RefusedError: the path leads out of the model.
        """
        return StoredFile(place(path), self.blob.digest, self.blob.size, role, False, self.blob.media_type)

    def packed(self, path: str = "", inside: str = "") -> StoredFile:
        """It as a tar of files.

        Raises:
            NotFoundError: it is compressed with what is not read.
            RefusedError: the path leads out of the model.
        """
        check_packing(self.blob.media_type)
        path = place(path) if path else ""
        return StoredFile(path, self.blob.digest, self.blob.size, "file", True, self.blob.media_type, inside)


class Names(NamedTuple):
    """Names for files that a manifest gives none.

    Attributes:
        name: The repository's name.
        tag: The tag that it was asked for by; may be empty.
    """

    name: str
    tag: str

    def gguf(self, prefix: str = "", number: int = 1) -> str:
        """`<name>-<tag>.gguf`, with a prefix for a companion, and a number behind it from the second one on."""
        return f"{prefix}{self.stem}{f'-{number}' if number > 1 else ''}.gguf"

    @property
    def stem(self) -> str:
        """`<name>-<tag>`."""
        said = "-".join(filter(None, (file_name(self.name), self.tag)))
        return re.sub(r"(?a)[^A-Za-z0-9._-]+", "-", said)[:160].strip("-.") or "model"


def descriptors(manifest: Table) -> tuple[Descriptor, ...]:
    """The layers of a manifest.

    Raises:
        RefusedError: one of them is broken, or there are too many.
    """
    return tuple(
        Descriptor(blob_of(layer, f"layer {number}"), texts_of(layer, "annotations"))
        for number, layer in enumerate(layers_of(manifest), 1)
    )


def texts_of(table: Table, key: str) -> dict[str, str]:
    """The texts in an object of an object, such as its annotations or labels."""
    return {name: text for name, text in table_of(table, key).items() if isinstance(text, str)}


def check_packing(media_type: str) -> None:
    """Refuses a tar that cannot be read.

    Raises:
        NotFoundError: it is compressed with Zstandard, or encrypted.
    """
    if re.search(r"[+.-]zstd\b", media_type):
        raise NotFoundError(
            "a layer of it is compressed with Zstandard, which modelsync does not read",
            hint="push the model again with raw or gzip layers: weights hardly get smaller",
        )
    if "encrypted" in media_type:
        raise NotFoundError("a layer of it is encrypted, which modelsync does not read")


def licenses(*said: object) -> str | None:
    """The first of these that names licenses: a text, or a list of texts."""
    for value in said:
        names = [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]
        names = [name.strip() for name in names if name.strip()]
        if names:
            return printable(", ".join(names[:_MOST_LICENSES]), limit=200)
    return None


def left_out(kinds: Iterable[str]) -> tuple[str, ...]:
    """A note about layers that no file is made of; none where there are none.

    Args:
        kinds: What each of them is, in a word or two.
    """
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    if not counts:
        return ()
    shown = list(counts.items())[:8]
    return (
        "left out: " + ", ".join(f"{kind}" + (f" ({count})" if count > 1 else "") for kind, count in shown),
    )

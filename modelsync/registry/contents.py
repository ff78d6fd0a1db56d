"""The files of a model in a registry, as values. `manifests` reads them out of a manifest. Light."""

from typing import Literal, NamedTuple, TypeAlias

from modelsync.spec.lock.model import LockedModel
from modelsync.spec.roles import Role

Format: TypeAlias = Literal["modelpack", "docker-model", "ollama", "oras", "kitops", "image", "modelsync"]


class Blob(NamedTuple):
    """A blob that a manifest names.

    Attributes:
        digest: `sha256:<hex>`.
        size: Its bytes.
        media_type: What the manifest says that it is.
    """

    digest: str
    size: int
    media_type: str


class StoredFile(NamedTuple):
    """A file of a model, or a tar of its files, as a blob.

    Attributes:
        path: Where it is in the model: a safe relative path, which no other has whatever the case. Of a tar: the
            folder of its files, or nothing where they name their places themselves; beside `inside`, the one file of
            it that counts.
        digest: `sha256:<hex>` of the blob. It is the file's own unless that is packed.
        size: Bytes of the blob.
        role: What it is. The files in a tar get theirs when their names are known: `manifests.roles`.
        packed: Whether it is a tar, perhaps compressed, of files.
        media_type: What the manifest says that it is.
        inside: The folder in a tar whose files alone are the model's, and which is no part of their paths; nothing:
            all are.
    """

    path: str
    digest: str
    size: int
    role: Role
    packed: bool
    media_type: str
    inside: str = ""


class Contents(NamedTuple):
    """A model in a registry.

    Attributes:
        format: How it is stored; `modelsync` is what a push made, with the entry.
        files: All its files: the model's parts in order, its companions, and the others sorted by path.
        license: Its license; None where none is known, as long as `small` has not been read.
        entry: The lock entry that was pushed; None where a manifest has none, or one that its layers are not.
        notes: What a person should know: settings that come with the model, what was left out.
        small: Short texts that tell more; their bytes go to `manifests.with_texts`. Nothing depends on their order,
            and none of them has to be read.
    """

    format: Format
    files: tuple[StoredFile, ...]
    license: str | None = None
    entry: LockedModel | None = None
    notes: tuple[str, ...] = ()
    small: tuple[Blob, ...] = ()


class Choice(NamedTuple):
    """The manifest that an index was asked for.

    Attributes:
        manifest: It, or another index.
        note: Which it is, where there was a choice; else None.
    """

    manifest: Blob
    note: str | None = None

"""What files say that are no GGUF: the headers of safetensors, and the kind, size and digest of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelsync.content import heads, safetensors
from modelsync.content.findings import NOUNS, Content, OutOfReach
from modelsync.content.look import look
from modelsync.content.safetensors import TensorHeader
from modelsync.content.view import View
from modelsync.context import Context
from modelsync.fetch.file_view import view_of
from modelsync.fetch.wanted import WantedFile
from modelsync.ops.inspect_values import TypeRow, value_of
from modelsync.ops.subject import Subject
from modelsync.spec.names import printable
from modelsync.system.parallel import run_all


class InspectedFile(NamedTuple):
    """One file.

    Attributes:
        path: Its path in its repo, or its name.
        content: What its bytes are. Of a large one at its source only the beginning was looked at.
        size: Bytes.
        sha256: Its digest; None where nothing tells it and the file is not here.
        header: The header of a safetensors file; None for others, and for one that is not valid.
    """

    path: str
    content: Content
    size: int
    sha256: str | None = None
    header: TensorHeader | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "path": self.path,
            "kind": self.content.kind,
            "size": self.size,
            "sha256": self.sha256,
            "code": self.content.code,
            "fault": self.content.fault,
            "tensor_count": None if self.header is None else len(self.header.tensors),
            "metadata": None if self.header is None else self.header.metadata,
        }


class FilesInspection(NamedTuple):
    """What is known of a model that is no GGUF: a file of another type, or a folder of files.

    What an `Inspection` tells and only a GGUF header has is None.

    Attributes:
        title: What was asked for.
        is_folder: Whether it is a folder model.
        contents: Its files.
        license: As its source names it, or None.
        notes: What a person should be told.
    """

    title: str
    is_folder: bool
    contents: tuple[InspectedFile, ...]
    license: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def version(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def architecture(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def name(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def task(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def obstacle(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def quant(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def vocabulary(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def bits_per_weight(self) -> None:
        """Only a GGUF header tells it."""

    @property
    def kind(self) -> str:
        """`folder`, or the kind of its one file."""
        return "folder" if self.is_folder else self.contents[0].content.kind

    @property
    def noun(self) -> str:
        """What it is, in words."""
        return "a folder of files" if self.is_folder else NOUNS[self.contents[0].content.kind]

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of its files."""
        return tuple(one.path for one in self.contents)

    @property
    def file_size(self) -> int:
        """Bytes of all its files."""
        return sum(one.size for one in self.contents)

    @property
    def header_bytes(self) -> int:
        """Of the headers of its safetensors files."""
        return sum(header.nbytes for _, header in self._headers)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The keys of its safetensors files; where two have one, the first file's."""
        found: dict[str, Any] = {}
        for _, header in self._headers:
            found = {**header.metadata, **found}
        return found

    @property
    def tensor_count(self) -> int:
        """How many tensors its safetensors files have."""
        return sum(len(header.tensors) for _, header in self._headers)

    @property
    def parameters(self) -> int:
        """How many numbers these have."""
        return sum(row.parameters for row in self.types)

    @property
    def active_parameters(self) -> int:
        """All of them: nothing tells of experts."""
        return self.parameters

    @property
    def weight_bytes(self) -> int:
        """Bytes of these."""
        return sum(row.bytes for row in self.types)

    @property
    def types(self) -> tuple[TypeRow, ...]:
        """These tensors by type, those with the most bytes first."""
        rows: dict[str, TypeRow] = {}
        for _, header in self._headers:
            for tensor in header.tensors:
                row = rows.get(tensor.dtype) or TypeRow(tensor.dtype, 0, 0, 0)
                rows[row.type] = TypeRow(
                    row.type,
                    row.tensors + 1,
                    row.parameters + _elements(tensor.shape),
                    row.bytes + tensor.end - tensor.begin,
                )
        return tuple(sorted(rows.values(), key=lambda row: (-row.bytes, row.type)))

    @property
    def tensors(self) -> tuple[tuple[str, str, str, tuple[int, ...], int], ...]:
        """Each with its file, name, type, shape and bytes."""
        return tuple(
            (path, one.name, one.dtype, one.shape, one.end - one.begin)
            for path, header in self._headers
            for one in header.tensors
        )

    @property
    def _headers(self) -> list[tuple[str, TensorHeader]]:
        return [(one.path, one.header) for one in self.contents if one.header is not None]

    def value(self, key: str) -> Any:
        """The value of a key.

        Raises:
            NotFoundError: there is none; the hint names the nearest.
        """
        return value_of(self.metadata, key, self.title)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {
            "title": self.title,
            "kind": self.kind,
            "files": list(self.files),
            "file_size": self.file_size,
            "header_bytes": self.header_bytes,
            "version": self.version,
            "quant": self.quant,
            "parameters": self.parameters,
            "license": self.license,
            "metadata": dict(self.metadata),
            "tensor_count": self.tensor_count,
            "types": [row._asdict() for row in self.types],
            "tensors": [
                {"file": path, "name": name, "type": dtype, "shape": list(shape), "bytes": count}
                for path, name, dtype, shape, count in self.tensors
            ],
            "contents": [one.to_dict() for one in self.contents],
            "notes": list(self.notes),
        }


def is_gguf(view: View) -> bool:
    """Whether a file begins as a GGUF does."""
    return heads.kind_of(view.at(0, heads.HEAD), view.size) == "gguf"


def inspect_files(
    context: Context, subject: Subject, files: Sequence[WantedFile], begun: View | None = None
) -> FilesInspection:
    """Looks into files, side by side: each header, and the digests of those that are here and have none yet.

    Args:
        context: What to work with.
        subject: What they are of.
        files: The files.
        begun: A view of the only one, where some of it was read already.

    Raises:
        ModelsyncError: the first that cannot be read, as its source explains it.
    """
    found = run_all(
        lambda wanted: _inspected(context, wanted, begun or view_of(context, wanted), subject.digests),
        files,
        name="file",
        cancel=context.cancel,
    )
    folder = any(wanted.file.role == "file" for wanted in files)
    return FilesInspection(subject.title, folder, tuple(found), subject.license, subject.notes)


def _inspected(context: Context, wanted: WantedFile, view: View, digests: Mapping[str, str]) -> InspectedFile:
    path = wanted.file.path
    content = _looked(view, path)
    header = None
    if content.kind == "safetensors" and content.fault is None and content.unseen is None:
        header = safetensors.read(view)
    sha256 = wanted.file.sha256 or digests.get(path)
    if sha256 is None and wanted.segments[0].is_local:
        from modelsync.store import hashing
        from modelsync.transfer.local import path_of

        told = context.teller(printable(path), view.size, "checking")
        sha256 = hashing.sha256_of(Path(path_of(wanted.segments[0].url)), on_bytes=told)
    return InspectedFile(path, content, view.size, sha256, header)


def _looked(view: View, path: str) -> Content:
    """What a file is; by its first bytes alone, where more of it is not worth asking for."""
    try:
        return look(view, path)
    except OutOfReach:
        return Content(heads.kind_of(view.at(0, heads.HEAD), view.size))


def _elements(shape: Sequence[int]) -> int:
    count = 1
    for each in shape:
        count *= each
    return count

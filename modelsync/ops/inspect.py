"""What a model's header says: `modelsync inspect`. The parts of a split model are shown as the one model they are."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from modelsync.context import Context
from modelsync.fetch import headers
from modelsync.fetch.file_view import view_of
from modelsync.gguf.foreign_types import FOREIGN_FILE_TYPES
from modelsync.gguf.header import Header
from modelsync.gguf.kind import Kind, Task, kind_of, obstacle, task_of
from modelsync.gguf.merge import merge
from modelsync.gguf.metadata import Value, plain
from modelsync.gguf.types import FILE_TYPES, GUESSED
from modelsync.gguf.writer import vocabulary_size
from modelsync.ops import subject as ops_subject
from modelsync.ops.inspect_files import FilesInspection, inspect_files, is_gguf
from modelsync.ops.inspect_values import TypeRow, sound, value_of
from modelsync.project.project import Project
from modelsync.spec.labels import quant_of
from modelsync.spec.uri_forms import is_model_file

_NEAR = 5  # keys that are offered for one that is not there
_LONGEST_KEY = 200  # characters of a key that is compared with it

if TYPE_CHECKING:
    from modelsync.project.selection import Variant


class Inspection(NamedTuple):
    """What is known of a model from its header alone.

    Texts of a header are whatever its maker wrote: `modelsync.spec.names.printable` makes one fit for a terminal.

    Attributes:
        title: What was asked for.
        header: What all its parts say together.
        files: The names of its parts.
        license: The header's, else its source's; None where neither names one.
        notes: What a person should be told: a choice that was made for them.
    """

    title: str
    header: Header
    files: tuple[str, ...]
    license: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def version(self) -> int:
        """Of the GGUF format."""
        return self.header.version

    @property
    def kind(self) -> Kind:
        """What the file is: a model, or what goes with one."""
        return kind_of(self.header)

    @property
    def task(self) -> Task | None:
        """What a model outputs; None for other files."""
        return task_of(self.header) if self.kind == "model" else None

    @property
    def obstacle(self) -> str | None:
        """Why llama.cpp does not load the file; None if nothing in its header prevents it."""
        return obstacle(self.header)

    @property
    def architecture(self) -> str | None:
        """Which of llama.cpp's models it is."""
        return self.header.architecture

    @property
    def name(self) -> str | None:
        """What its maker calls it."""
        return self.header.metadata.text("general.name")

    @property
    def metadata(self) -> Mapping[str, Value]:
        """Every key. A value is decoded when it is asked for; an array's items as they are gone through."""
        return self.header.metadata

    @property
    def tensor_count(self) -> int:
        """How many tensors all its parts have."""
        return len(self.header.tensors)

    @property
    def header_bytes(self) -> int:
        """Of the headers of all its parts."""
        return self.header.nbytes

    @property
    def file_size(self) -> int | None:
        """Bytes of all its parts; None where a server does not say."""
        return self.header.file_size

    @property
    def quant(self) -> str | None:
        """What it was quantized to, as its maker calls it in the file's name, else as its header says."""
        return quant_of(self.files[0]) or self.file_type

    @property
    def file_type(self) -> str | None:
        """What it was quantized to, as its header says; None where it says nothing of it."""
        stated = self.header.metadata.number("general.file_type")
        if stated is None:
            return None
        number = stated & ~GUESSED
        return FILE_TYPES.get(number) or FOREIGN_FILE_TYPES.get(number)

    @property
    def parameters(self) -> int:
        """How many numbers its tensors have."""
        return sum(tensor.elements for tensor in self.header.tensors)

    @property
    def active_parameters(self) -> int:
        """How many of them a token meets: of a layer's experts only those that it is sent to."""
        experts, used = self.header.number("expert_count"), self.header.number("expert_used_count")
        if not experts or not used or used >= experts:
            return self.parameters
        return sum(
            tensor.elements * used // experts if "_exps." in tensor.name else tensor.elements
            for tensor in self.header.tensors
        )

    @property
    def weight_bytes(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.nbytes for tensor in self.header.tensors)

    @property
    def bits_per_weight(self) -> float | None:
        """The true mean over all tensors; None for a file without any."""
        return self.weight_bytes * 8 / self.parameters if self.parameters else None

    @property
    def vocabulary(self) -> int | None:
        """How many tokens it knows."""
        return vocabulary_size(self.header)

    @property
    def types(self) -> tuple[TypeRow, ...]:
        """Its tensors by type, those with the most bytes first."""
        rows: dict[str, TypeRow] = {}
        for tensor in self.header.tensors:
            row = rows.get(tensor.type.name) or TypeRow(tensor.type.name, 0, 0, 0)
            rows[row.type] = TypeRow(
                row.type, row.tensors + 1, row.parameters + tensor.elements, row.bytes + tensor.nbytes
            )
        return tuple(sorted(rows.values(), key=lambda row: (-row.bytes, row.type)))

    def value(self, key: str) -> Value:
        """The value of a key.

        Raises:
            NotFoundError: there is none; the hint names the nearest.
        """
        return value_of(self.metadata, key, self.title)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it; an array of the metadata as `{"type", "length", "head"}`."""
        header = self.header
        return {
            "title": self.title,
            "name": self.name,
            "kind": self.kind,
            "task": self.task,
            "obstacle": self.obstacle,
            "architecture": self.architecture,
            "version": self.version,
            "files": list(self.files),
            "file_size": self.file_size,
            "header_bytes": self.header_bytes,
            "quant": self.quant,
            "file_type": self.file_type,
            "parameters": self.parameters,
            "active_parameters": self.active_parameters,
            "bits_per_weight": self.bits_per_weight,
            "context_length": header.number("context_length"),
            "vocabulary": self.vocabulary,
            "license": self.license,
            "metadata": sound(plain(self.metadata)),
            "tensor_count": self.tensor_count,
            "types": [row._asdict() for row in self.types],
            "tensors": [
                {"name": one.name, "type": one.type.name, "shape": list(one.shape), "bytes": one.nbytes}
                for one in header.tensors
            ],
            "notes": list(self.notes),
        }


def inspect(
    context: Context, text: str, find_project: Callable[[], Project], *, variant: "Variant" = None
) -> Inspection | FilesInspection:
    """Reads the header of a model: from this machine where it is here, else no more than that from its source.

    Of what is no GGUF it reads the headers of safetensors files, and says of others what they are.

    Args:
        context: What to work with.
        text: A name of the manifest, a URI or a path.
        find_project: Finds the project of a name.
        variant: The variant of the name.

    Raises:
        NotAModelError: it is no valid GGUF file, and has the name of one; the message says what it is instead.
        ModelsyncError: whatever `subject.find` and `headers.read_all` raise.
    """
    subject = ops_subject.find(context, text, find_project, variant=variant)
    if folder := subject.of("file"):
        return inspect_files(context, subject, folder)
    parts = subject.of("model")
    if len(parts) == 1 and not is_model_file(parts[0].file.path):
        view = view_of(context, parts[0])
        if not is_gguf(view):
            return inspect_files(context, subject, parts, view)
    header = merge(headers.read_all(context, parts), subject.title)
    said = header.metadata.text("general.license")
    files = tuple(wanted.file.path for wanted in parts)
    return Inspection(subject.title, header, files, said or subject.license, subject.notes)

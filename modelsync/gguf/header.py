"""A header as a value: metadata, and the place of each tensor."""

from typing import NamedTuple

from modelsync.gguf.metadata import Metadata
from modelsync.gguf.types import TensorType

DEFAULT_ALIGNMENT = 32


class Tensor(NamedTuple):
    """A tensor info of a header."""

    name: str
    shape: tuple[int, ...]  # the first is the length of a row; of a scalar (1,)
    type: TensorType
    offset: int  # from the start of the file's tensor data

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        product = 1
        for length in self.shape:
            product *= length
        return product

    @property
    def nbytes(self) -> int:
        """Bytes of its data."""
        row = self.shape[0]
        return self.elements // row * self.type.row_bytes(row) if row else 0


class Header(NamedTuple):
    """A GGUF header, or the merged ones of a split model."""

    version: int
    metadata: Metadata
    tensors: tuple[Tensor, ...]
    alignment: int  # bytes, of tensors in the file
    infos_at: int  # where the tensor infos begin: the end of the metadata
    nbytes: int  # of the header, up to the end of the tensor infos; of a split model, of all its parts
    file_size: int | None = None  # bytes, if known; of a split model, of all its parts
    parts: int = 1  # files of a split model
    big_endian: bool = False

    @property
    def architecture(self) -> str | None:
        """`general.architecture`: which of llama.cpp's models this is."""
        return self.metadata.text("general.architecture")

    @property
    def data_at(self) -> int:
        """Offset of the tensor data. Meaningless for a split model."""
        return padded(self.nbytes, self.alignment)

    def key(self, name: str) -> str:
        """The key `name` of this architecture: `llama.context_length`."""
        return f"{self.architecture}.{name}"

    def number(self, name: str) -> int | None:
        """The integer under the key `name` of this architecture; None if there is none."""
        return self.metadata.number(self.key(name))


def padded(size: int, alignment: int) -> int:
    """`size` rounded up to a multiple of `alignment`."""
    return -(-size // alignment) * alignment

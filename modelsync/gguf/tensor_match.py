"""Finds tensors of a new file that older files may have, by name, type and shape. Pure.

A GGUF that was published again for a chat template or a tokenizer flag has the same tensors at other offsets. Equal
names and shapes do not prove equal data: probes and, in the end, the file's sha256 do.
"""

from collections.abc import Sequence
from typing import NamedTuple

from modelsync.gguf.header import Header, Tensor, padded


class TensorMatch(NamedTuple):
    """A tensor of the new file, and the matching ones of older files.

    Attributes:
        at: Offset of its data in the new file.
        nbytes: Bytes of its data, with as much of the padding behind it as all the older files have.
        places: For each older file that has a match, its index and the offset of the data there.
    """

    at: int
    nbytes: int
    places: tuple[tuple[int, int], ...]


def match_tensors(new: Header, old: Sequence[Header]) -> tuple[TensorMatch, ...]:
    """Matches the tensors of `new` with those of the `old` files, in the order of the new file's data.

    A tensor without bytes is left out, and data is cut at the end of its file.
    """
    known: dict[tuple[object, ...], list[tuple[int, int, int]]] = {}
    for index, header in enumerate(old):
        for tensor in header.tensors:
            at, end = _span(header, tensor)
            if at < end:
                known.setdefault(_key(tensor), []).append((index, at, end))
    found = []
    for tensor in new.tensors:
        at, end = _span(new, tensor)
        places = known.get(_key(tensor), [])
        if places and at < end:
            length = min(end - at, *(its_end - its_at for _, its_at, its_end in places))
            found.append(TensorMatch(at, length, tuple((index, its_at) for index, its_at, _ in places)))
    return tuple(sorted(found))


def _key(tensor: Tensor) -> tuple[object, ...]:
    return tensor.name, tensor.type, tensor.shape


def _span(header: Header, tensor: Tensor) -> tuple[int, int]:
    """The range of a tensor's data in its file, with the padding behind it."""
    at = header.data_at + tensor.offset
    end = at + padded(tensor.nbytes, header.alignment)
    return at, end if header.file_size is None else min(end, header.file_size)

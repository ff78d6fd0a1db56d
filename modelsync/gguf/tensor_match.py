"""Which tensors of a new file older ones may already have: by name, type and shape. Pure.

A GGUF that was published again for a chat template or a tokenizer flag has the same tensors, some bytes further on.
That two tensors are called and shaped alike does not make them the same: that is for probes and, in the end, for the
file's sha256 to say.
"""

from collections.abc import Sequence
from typing import NamedTuple

from modelsync.gguf.header import Header, Tensor, padded


class Alike(NamedTuple):
    """One tensor of the new file, and where older files have one like it.

    Attributes:
        at: Where its data begins in the new file, in bytes.
        nbytes: How long its data is, with the padding behind it as far as all of the older files have as much.
        places: Which of the older files have the other, in their order, and where its data begins there.
    """

    at: int
    nbytes: int
    places: tuple[tuple[int, int], ...]


def line_up(new: Header, old: Sequence[Header]) -> tuple[Alike, ...]:
    """The tensors of `new` that some of the `old` files may have, in the order of the new file's data.

    A tensor of no bytes, or one whose data would end beyond its file, is left out.
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
            found.append(Alike(at, length, tuple((index, its_at) for index, its_at, _ in places)))
    return tuple(sorted(found))


def _key(tensor: Tensor) -> tuple[object, ...]:
    return tensor.name, tensor.type, tensor.shape


def _span(header: Header, tensor: Tensor) -> tuple[int, int]:
    """Where a tensor's data is in its file, with the padding behind it."""
    at = header.data_at + tensor.offset
    end = at + padded(tensor.nbytes, header.alignment)
    return at, end if header.file_size is None else min(end, header.file_size)

"""Merges the headers of a split model into one.

llama.cpp's `gguf-split` leaves the metadata in the first part and gives each part its own tensors and three keys:
`split.no` from 0, `split.count`, and in all of them the whole model's `split.tensors.count`. llama.cpp needs all three
of the first part, and `split.no` of the others.
"""

from collections.abc import Sequence

from modelsync.errors import NotAModelError
from modelsync.gguf.header import Header, Tensor
from modelsync.spec.names import printable

SPLIT_NUMBER, SPLIT_COUNT, SPLIT_TENSORS = "split.no", "split.count", "split.tensors.count"


def merge(headers: Sequence[Header], what: str) -> Header:
    """Merges headers: the metadata of the first part, and the tensors of all.

    Tensor offsets stay those within the part.

    Args:
        headers: Of all parts, in order. The only header of a model that is not split is returned unchanged.
        what: The model's name, for messages.

    Raises:
        NotAModelError: they are not the parts of one model, each once and in order.
    """
    first = headers[0]
    count = first.metadata.number(SPLIT_COUNT) or 1
    if count != len(headers):
        raise _bad(what, f"its first part says that there are {count} parts, and there are {len(headers)}")
    if count == 1:
        return first
    tensors: dict[str, Tensor] = {}
    for number, header in enumerate(headers):
        told = (header.metadata.number(SPLIT_NUMBER), header.metadata.number(SPLIT_COUNT) or count)
        if told != (number, count):
            raise _bad(what, f"part {number + 1} of {count} says it is `split.no` {told[0]} of {told[1]}")
        for tensor in header.tensors:
            if tensor.name in tensors:
                raise _bad(what, f"two of its parts have the tensor `{printable(tensor.name)}`")
            tensors[tensor.name] = tensor
    stated = first.metadata.number(SPLIT_TENSORS)
    if stated != len(tensors):
        raise _bad(what, f"its parts have {len(tensors)} tensors together, and say {stated}")
    sizes = [header.file_size for header in headers]
    return first._replace(
        tensors=tuple(tensors.values()),
        nbytes=sum(header.nbytes for header in headers),
        file_size=None if None in sizes else sum(size or 0 for size in sizes),
        parts=count,
    )


def _bad(what: str, why: str) -> NotAModelError:
    return NotAModelError(
        f"{printable(what)} is not a good split model: {why}", hint="fetch all its parts from one revision"
    )

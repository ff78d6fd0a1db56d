"""Derives the header of one quant of a repo from that of another and two small ranges of the file.

The quants of one repo share nearly all of their metadata: llama.cpp's quantizer copies it in order and puts
`general.quantization_version` and `general.file_type` at the end, before the tensor infos. So the start of the infos
is known but for a few bytes, and only the infos have to be read of up to 16 MB. The result counts only if all infos
parse, their offsets add up, and the last tensor ends where the file does; else the header has to be read whole.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelsync.errors import NotAModelError
from modelsync.gguf.bounds import Bounds
from modelsync.gguf.header import Header, Tensor, padded
from modelsync.gguf.infos import read_infos
from modelsync.gguf.magic import MAGIC

START_BYTES = 24  # of a file: magic, version and counts
_SLACK = 32 << 10  # bytes by which the metadata of siblings may differ
_MOST_TRIES = 8  # occurrences of the first tensor's name that are tried; normally there is one


class Window(NamedTuple):
    """A range of a file."""

    start: int
    end: int


def reference_of(parts: Sequence[Header], merged: Header) -> Header:
    """A quant's header in the form that siblings are compared with.

    Args:
        parts: The headers of its files.
        merged: Those headers, merged.
    """
    infos = sum(part.nbytes - part.infos_at for part in parts)
    return merged._replace(infos_at=parts[0].infos_at, nbytes=parts[0].infos_at + infos)


def window_of(reference: Header, size: int) -> Window:
    """The range that should hold the tensor infos of a sibling of `size` bytes."""
    return Window(max(0, reference.infos_at - _SLACK), min(size, reference.nbytes + _SLACK))


def sibling(reference: Header, start: bytes, window: Window, data: bytes, size: int) -> Header | None:
    """The header of a file, or of the first part of a split one.

    Args:
        reference: Another quant of the same model, from `reference_of`.
        start: The first bytes of the file.
        window: The range of the file that `data` is.
        data: Its bytes.
        size: Bytes of the file.

    Returns:
        The reference's metadata with this file's tensors; None if they are not proved right.
    """
    if len(start) < START_BYTES or not start.startswith(MAGIC) or not reference.tensors:
        return None
    version, count, _ = struct.unpack_from("<IQQ", start, len(MAGIC))
    if version != reference.version or not 0 < count <= len(reference.tensors):
        return None
    for at in _places(data, reference.tensors[0].name):
        infos = _parsed(data, at, count, reference.alignment)
        if infos is None:
            continue
        tensors, end = infos
        data_at = padded(window.start + end, reference.alignment)
        last = data_at + tensors[-1].offset + tensors[-1].nbytes
        if size in (last, padded(last, reference.alignment)):
            return reference._replace(
                tensors=tuple(tensors),
                infos_at=window.start + at,
                nbytes=window.start + end,
                file_size=size,
                parts=1,
            )
    return None


def merged_sibling(reference: Header, parts: Sequence[Header]) -> Header | None:
    """Merges the parts of a sibling; None if their tensors are not exactly those of the reference."""
    tensors = [tensor for part in parts for tensor in part.tensors]
    if sorted(tensor.name for tensor in tensors) != sorted(tensor.name for tensor in reference.tensors):
        return None
    return reference._replace(
        tensors=tuple(tensors),
        nbytes=sum(part.nbytes for part in parts),
        file_size=sum(part.file_size or 0 for part in parts),
        parts=len(parts),
    )


def _places(data: bytes, name: str) -> Iterator[int]:
    """Offsets at which the tensor info of that name may begin."""
    raw = name.encode()
    mark = struct.pack("<Q", len(raw)) + raw
    at = -1
    for _ in range(_MOST_TRIES):
        at = data.find(mark, at + 1)
        if at < 0:
            return
        yield at


def _parsed(data: bytes, at: int, count: int, alignment: int) -> tuple[list[Tensor], int] | None:
    steps = read_infos(data, at, count, alignment, Bounds("", None))
    try:
        next(steps)
    except StopIteration as done:
        parsed: tuple[list[Tensor], int] = done.value
        return parsed
    except NotAModelError:
        return None
    return None  # the infos extend past the window

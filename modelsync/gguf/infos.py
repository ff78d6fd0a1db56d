"""Reads the tensor infos, the last part of a header.

A tensor of no numbers takes no bytes, and one of no dimensions is a scalar, as in llama.cpp.
"""

import struct
from collections.abc import Generator

from modelsync.gguf.bounds import MAX_DIMENSIONS, MAX_NAMES, Bounds
from modelsync.gguf.foreign_types import FOREIGN_TYPES
from modelsync.gguf.header import Tensor, padded
from modelsync.gguf.types import LITTLE, TENSOR_TYPES
from modelsync.spec.names import printable

_COUNTABLE = 1 << 63  # numbers of a tensor: llama.cpp counts in int64


def read_infos(
    data: bytes | bytearray, at: int, count: int, alignment: int, bounds: Bounds, order: str = LITTLE
) -> Generator[int, None, tuple[list[Tensor], int]]:
    """Reads consecutive tensor infos.

    Args:
        data: The bytes; more may be appended at each yield.
        at: Offset of the first info in `data`.
        count: How many there are.
        alignment: Of the tensors in the file.
        bounds: The limits they must keep.
        order: Of the bytes of a number.

    Yields:
        The length that `data` must have for the next step.

    Returns:
        The tensors, and the offset in `data` at which their infos end.

    Raises:
        NotAModelError: an info is invalid or breaks a limit.
    """
    unpack_u32, unpack_u64 = struct.Struct(f"{order}I").unpack_from, struct.Struct(f"{order}Q").unpack_from
    unpack_tail = struct.Struct(f"{order}IQ").unpack_from
    infos: list[Tensor] = []
    names: set[str] = set()
    named = 0
    offset, least = 0, 0  # where the next tensor should begin; where it may
    for _ in range(count):
        if at + 8 > len(data):
            yield _reached(at + 8, "a tensor info", bounds)
        (length,) = unpack_u64(data, at)
        named += length
        if named > MAX_NAMES:
            raise bounds.bad(f"the names of its tensors take more than {MAX_NAMES >> 20} MiB")
        at += 8 + length
        if at + 4 > len(data):
            yield _reached(at + 4, "a tensor info", bounds)
        name = data[at - length : at].decode("utf-8", "backslashreplace")
        if name in names:
            raise bounds.bad(f"it has the tensor `{printable(name)}` twice")
        names.add(name)
        (dimensions,) = unpack_u32(data, at)
        if dimensions > MAX_DIMENSIONS:
            raise bounds.bad_tensor(name, f"has {dimensions} dimensions; there may be {MAX_DIMENSIONS}")
        end = at + 4 + 8 * dimensions + 12
        if end > len(data):
            yield _reached(end, f"the info of tensor `{printable(name)}`", bounds)
        shape = struct.unpack_from(f"{order}{dimensions}Q", data, at + 4)
        kind, stated = unpack_tail(data, end - 12)
        tensor = _tensor(name, shape or (1,), kind, stated, bounds)
        if stated != offset and (stated < least or stated % alignment or least == offset):
            raise bounds.bad_tensor(
                name, f"should begin at offset {offset}, after the tensors before it, and says {stated}"
            )
        infos.append(tensor)
        offset = padded(stated + tensor.nbytes, alignment)
        least = stated if tensor.type.origin else offset
        at = end
    return infos, at


def _reached(end: int, subject: str, bounds: Bounds) -> int:
    bounds.reach(end, subject)
    return end


def _tensor(name: str, shape: tuple[int, ...], kind: int, offset: int, bounds: Bounds) -> Tensor:
    stored = TENSOR_TYPES.get(kind) or FOREIGN_TYPES.get(kind)
    if stored is None:
        raise bounds.bad_tensor(name, f"has the unknown type {kind}", "a newer modelsync may know that type")
    elements = 1
    for length in shape:
        elements *= length
        if length >= _COUNTABLE or elements >= _COUNTABLE:
            raise bounds.bad_tensor(name, f"says it has {elements} numbers, more than can be counted")
    if shape[0] % stored.block and not stored.origin:
        raise bounds.bad_tensor(
            name, f"has rows of {shape[0]}, not whole blocks of {stored.block} ({stored.name})"
        )
    return Tensor(name, shape, stored, offset)

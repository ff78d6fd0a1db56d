"""Reads the tensor infos, the last part of a header."""

import struct
from collections.abc import Generator

from modelsync.errors import NotAModelError
from modelsync.gguf.bounds import MAX_DIMENSIONS, MAX_TENSOR_NAME, Bounds
from modelsync.gguf.header import Tensor, padded
from modelsync.gguf.types import REMOVED_TENSOR_TYPES, TENSOR_TYPES
from modelsync.spec.names import printable

_U32 = struct.Struct("<I").unpack_from
_U64 = struct.Struct("<Q").unpack_from
_TAIL = struct.Struct("<IQ").unpack_from


def read_infos(
    data: bytes | bytearray, at: int, count: int, alignment: int, bounds: Bounds
) -> Generator[int, None, tuple[list[Tensor], int]]:
    """Reads consecutive tensor infos.

    Args:
        data: The bytes; more may be appended at each yield.
        at: Offset of the first info in `data`.
        count: How many there are.
        alignment: Of the tensors in the file.
        bounds: The limits they must keep.

    Yields:
        The length that `data` must have for the next step.

    Returns:
        The tensors, and the offset in `data` at which their infos end.

    Raises:
        NotAModelError: an info is invalid or breaks a limit.
    """
    infos: list[Tensor] = []
    names: set[str] = set()
    offset = 0
    for _ in range(count):
        if at + 8 > len(data):
            yield _reached(at + 8, "a tensor info", bounds)
        (length,) = _U64(data, at)
        if length >= MAX_TENSOR_NAME:
            raise bounds.bad(
                f"a tensor's name has {length} bytes; there must be fewer than {MAX_TENSOR_NAME}"
            )
        at += 8 + length
        if at + 4 > len(data):
            yield _reached(at + 4, "a tensor info", bounds)
        name = _name(bytes(data[at - length : at]), bounds)
        if name in names:
            raise bounds.bad(f"it has the tensor `{printable(name)}` twice")
        names.add(name)
        (dimensions,) = _U32(data, at)
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise bounds.bad_tensor(name, f"has {dimensions} dimensions; there may be 1 to {MAX_DIMENSIONS}")
        end = at + 4 + 8 * dimensions + 12
        if end > len(data):
            yield _reached(end, f"the info of tensor `{printable(name)}`", bounds)
        shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
        kind, stated = _TAIL(data, end - 12)
        tensor = _tensor(name, shape, kind, stated, bounds)
        if stated != offset:
            raise bounds.bad_tensor(
                name, f"should begin at offset {offset}, after the tensors before it, and says {stated}"
            )
        infos.append(tensor)
        offset = padded(offset + tensor.nbytes, alignment)
        at = end
    return infos, at


def _reached(end: int, subject: str, bounds: Bounds) -> int:
    bounds.reach(end, subject)
    return end


def _name(raw: bytes, bounds: Bounds) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        name = printable(raw.decode("utf-8", "replace"))
        raise bounds.bad(f"a tensor's name is not UTF-8: `{name}`") from None


def _tensor(name: str, shape: tuple[int, ...], kind: int, offset: int, bounds: Bounds) -> Tensor:
    stored = TENSOR_TYPES.get(kind)
    if stored is None:
        raise _unknown_type(name, kind, bounds)
    tensor = Tensor(name, shape, stored, offset)
    elements = tensor.elements
    if not elements:
        raise bounds.bad_tensor(name, "has a dimension of 0")
    if elements >= 1 << 63:
        raise bounds.bad_tensor(name, f"says it has {elements} numbers, more than can be counted")
    if shape[0] % stored.block:
        raise bounds.bad_tensor(
            name, f"has rows of {shape[0]}, not whole blocks of {stored.block} ({stored.name})"
        )
    return tensor


def _unknown_type(name: str, kind: int, bounds: Bounds) -> NotAModelError:
    if kind in REMOVED_TENSOR_TYPES:
        return bounds.bad_tensor(
            name,
            f"is {REMOVED_TENSOR_TYPES[kind]}, a type that llama.cpp has removed",
            "look for a newer conversion of the model; Q4_0 is repacked when it is loaded",
        )
    return bounds.bad_tensor(name, f"has the unknown type {kind}", "a newer modelsync may know that type")

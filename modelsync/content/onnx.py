"""Tells whether a file is an ONNX model. Pure.

ONNX is protobuf, which has no magic number: the top-level fields are followed to the exact end of the file.

Source: `onnx.proto` of ONNX 1.23 (ModelProto) and the protobuf wire format.
"""

from collections.abc import Iterator
from typing import NamedTuple

from modelsync.content.view import View

MAX_FIELDS = 1_000_000  # of one message
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
# Fields of a model with their wire types: ir_version, producer_name and _version, domain, model_version, doc_string,
# graph, opset_import, metadata_props, training_info, functions, configuration.
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH = 7
_NEWEST = 1000  # ir_version; 14 is the newest now


class _Field(NamedTuple):
    number: int
    wire: int
    start: int  # of its bytes
    size: int
    value: int  # of a varint


def is_model(view: View) -> bool:
    """Whether the file is an ONNX model from its first field to its last byte."""
    seen = set()
    try:
        for field in _fields(view):
            if _MODEL.get(field.number) != field.wire:
                return False
            if field.number == 1 and not 1 <= field.value <= _NEWEST:
                return False
            seen.add(field.number)
    except ValueError:
        return False
    return {1, _GRAPH} <= seen


def _fields(view: View) -> Iterator[_Field]:
    at = 0
    for _ in range(MAX_FIELDS):
        if at == view.size:
            return
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        value, size = 0, 0
        if wire == _VARINT:
            value, at = _varint(view, at)
        elif wire == _LENGTH:
            size, at = _varint(view, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("a wire type that is none")
        if not number or at + size > view.size:
            raise ValueError("a field that does not end in the file")
        yield _Field(number, wire, at, size, value)
        at += size
    raise ValueError("too many fields")


def _varint(view: View, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(view.at(at, 10)):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError("a number that does not end")

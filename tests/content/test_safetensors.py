"""Checks of safetensors files, held against the verdicts of the format's own reader."""

import json
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.content import safetensors as checked
from modelsync.content.view import of_bytes

theirs = pytest.importorskip("safetensors")

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**65),
    st.floats(),
    st.sampled_from(["", "F32", "\ud800", "é"]),
    st.just([]),
    st.just({}),
    st.just([[0]]),
)


def _file(parts: list[str], data: int, *, length: int = 0, before: str = "", after: str = "") -> bytes:
    text = f"{before}{{{','.join(parts)}}}{after}".encode("utf-8", "surrogatepass")
    return struct.pack("<Q", max(0, len(text) + length)) + text + bytes(max(0, data))


@st.composite
def files(draw: Any) -> bytes:
    """Files that are right, or wrong in one or more places."""
    odds = draw(st.sampled_from([0, 1, 3]))  # in ten

    def odd() -> bool:
        return bool(draw(st.integers(0, 9)) < odds)

    def maybe(value: object, other: Any = ODD) -> object:
        return draw(other) if odd() else value

    at, parts = 0, []
    for name in draw(st.lists(st.text(max_size=4), max_size=4, unique=True)):
        dtype = draw(st.sampled_from(sorted(checked.BITS)))
        bits = checked.BITS[dtype]
        shape = draw(st.lists(st.integers(0, 4), max_size=2))
        shape += [8] if bits < 8 else []
        for count in shape:
            bits *= count
        end = at + bits // 8 + odd()
        said = {
            "dtype": maybe(dtype, st.sampled_from(["F128", "f32", "BOOL"])),
            "shape": maybe(shape),
            "data_offsets": maybe([at, end]),
        }
        words = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in said.items()]
        if odd():
            words.append(draw(st.sampled_from([*words, '"x":5', '"x":{"y":[1,"\\ud800"]}'])))
        parts.append(f"{json.dumps(name, ensure_ascii=draw(st.booleans()))}:{{{','.join(words)}}}")
        at = end
    parts = draw(st.permutations(parts))
    for _ in range(draw(st.integers(0, 1)) + odd()):
        value = draw(st.one_of(st.just({"a": "b"}), ODD, st.builds(lambda x: {"k": x}, ODD)))
        parts.insert(draw(st.integers(0, len(parts))), f'"__metadata__":{json.dumps(value)}')
    if parts and odd():
        parts.append(parts[0])
    around = st.sampled_from(["", " ", "\n\t", "\ufeff", "\0", "x"])
    return _file(
        parts,
        at + (draw(st.sampled_from([1, -1])) if odd() else 0),
        length=draw(st.sampled_from([1, -1, 10**8, 2**62])) if odd() else 0,
        before=draw(around) if odd() else "",
        after=draw(around) if odd() else "  ",
    )


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(files())
def test_verdicts_are_those_of_the_formats_own_reader(data: bytes) -> None:
    """A file is found good exactly where the `safetensors` package reads it."""
    try:
        theirs.deserialize(data)
    except theirs.SafetensorError:
        accepted = False
    else:
        accepted = True
    assert (checked.look(of_bytes(data)).fault is None) == accepted


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        _file([], 1),
        _file(['"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'], 1),
        _file(['"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'], 3),
        _file(['"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}'], 2),
        _file(['"a":{"dtype":"F4","shape":[1],"data_offsets":[0,0]}'], 0),
        _file(['"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}'], 0),
        _file(['"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}'], 0),
        _file(["[" * 100_000], 0),
    ],
)
def test_wrong_files_are_refused_with_a_reason(data: bytes) -> None:
    """What its own reader refuses is refused here, in words."""
    with pytest.raises(theirs.SafetensorError):
        theirs.deserialize(data)
    assert checked.look(of_bytes(data)).fault


def test_a_header_is_read_tensor_by_tensor() -> None:
    """What a header says is told: tensors by offset, metadata, and where the data begins."""
    parts = [
        '"__metadata__":{"by":"us"}',
        '"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}',
        '"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}',
    ]
    data = _file(parts, 11)
    header = checked.read(of_bytes(data))
    assert header.tensors == (
        checked.TensorSpan("a", "F32", (2, 1), 0, 8),
        checked.TensorSpan("b", "U8", (3,), 8, 11),
    )
    assert header.metadata == {"by": "us"}
    assert header.nbytes == len(data) - 11

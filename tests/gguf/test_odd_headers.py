"""Odd headers that real files have: what llama.cpp's own reader takes is read, and what it refuses can be shown."""

import ctypes
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from modelsync.errors import NotAModelError
from modelsync.gguf.kind import obstacle
from modelsync.gguf.metadata import Array, plain
from modelsync.gguf.reader import read_header
from modelsync.gguf.writer import minimal_header
from tests.support.raw_header import array, entry, header, info

F32, Q4_K = 0, 12
IQ4_KS, I2_S, Q4_0_8_8 = 144, 36, 33
ALIGNMENT = "general.alignment"


def entries(*parts: bytes) -> bytes:
    return header(parts)


def tensors(*parts: bytes) -> bytes:
    return header((), parts)


ODD = {
    "a tensor without numbers": tensors(info("t", (4, 0), F32, 0), info("u", (4,), F32, 0)),
    "rows without numbers": tensors(info("t", (0, 4), Q4_K, 0)),
    "a scalar": tensors(info("t", (), F32, 0), info("u", (4,), F32, 32)),
    "an alignment of 131072": header(
        (entry(ALIGNMENT, 4, struct.pack("<I", 1 << 17)),),
        (info("t", (1,), F32, 0), info("u", (1,), F32, 1 << 17)),
    ),
    "an alignment of 1": header(
        (entry(ALIGNMENT, 4, struct.pack("<I", 1)),), (info("t", (3,), F32, 0), info("u", (1,), F32, 12))
    ),
    "a key that is not ASCII": entries(entry("ключ.é", 4, bytes(4))),
    "a key of noise": entries(entry(b"\xff\xfe", 4, bytes(4)), entry(b"\xff", 4, bytes(4))),
    "a tensor name that is not ASCII": tensors(info("é", (1,), F32, 0)),
    "a tensor name of noise": tensors(info(b"\xff", (1,), F32, 0)),
    "a bool of 2": entries(entry("k", 7, b"\2")),
    "bools of 2": entries(entry("k", 9, array(7, 3, b"\0\1\2"))),
    "no dimensions of a name of 63 bytes": tensors(info("n" * 63, (), F32, 0)),
}
UNLOADABLE = {
    "five dimensions": (
        tensors(info("conv", (3, 3, 3, 2, 4), F32, 0), info("u", (1,), F32, 864)),
        "tensor `conv` has 5 dimensions; there may be 4",
    ),
    "a name of 64 bytes": (
        tensors(info("n" * 64, (1,), F32, 0)),
        f"the name of tensor `{'n' * 64}` has 64 bytes; there must be fewer than 64",
    ),
    "a type of ik_llama.cpp": (
        tensors(info("t", (256, 2), IQ4_KS, 0), info("u", (32,), 133, 288)),
        "its tensors have types of ik_llama.cpp: IQ4_KS, Q6_0",
    ),
    "a type of bitnet.cpp": (
        tensors(info("t", (128,), I2_S, 0), info("u", (1,), F32, 64)),
        "its tensors have types of bitnet.cpp: I2_S",
    ),
    "a removed type": (
        tensors(info("t", (32,), Q4_0_8_8, 0)),
        "its tensors have types of old versions of llama.cpp: Q4_0_8_8",
    ),
}


def as_llama_cpp_reads(data: bytes, folder: Path) -> list[tuple[str, int]] | None:
    """Name and data offset of each tensor by llama.cpp's own reader; None if it refuses the file."""
    ggml = pytest.importorskip("llama_cpp").llama_cpp._lib
    ggml.gguf_init_from_file.restype = ctypes.c_void_p
    ggml.gguf_get_n_tensors.restype = ctypes.c_int64
    ggml.gguf_get_tensor_name.restype = ctypes.c_char_p
    ggml.gguf_get_tensor_offset.restype = ctypes.c_size_t
    for name in ("gguf_free", "gguf_get_n_tensors"):
        getattr(ggml, name).argtypes = [ctypes.c_void_p]
    for name in ("gguf_get_tensor_name", "gguf_get_tensor_offset"):
        getattr(ggml, name).argtypes = [ctypes.c_void_p, ctypes.c_int64]
    ggml.gguf_init_from_file.argtypes = [ctypes.c_char_p, _Params]
    path = folder / "model.gguf"
    path.write_bytes(data)
    with path.open("ab") as file:
        file.truncate(len(data) + (1 << 20))  # the tensors' data
    found = ggml.gguf_init_from_file(str(path).encode(), _Params(True, None))
    if not found:
        return None
    read = [
        (
            ggml.gguf_get_tensor_name(found, n).decode("utf-8", "backslashreplace"),
            ggml.gguf_get_tensor_offset(found, n),
        )
        for n in range(ggml.gguf_get_n_tensors(found))
    ]
    ggml.gguf_free(found)
    return read


class _Params(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


@pytest.mark.parametrize("case", ODD)
def test_what_llama_cpp_reads_is_read(case: str, tmp_path: Path) -> None:
    """An odd header that llama.cpp's reader takes gives the same tensors at the same offsets here."""
    read = read_header(ODD[case], "model.gguf", size=len(ODD[case]) + (1 << 20))
    assert obstacle(read) is None
    assert as_llama_cpp_reads(ODD[case], tmp_path) == [(t.name, t.offset) for t in read.tensors]
    plain(read.metadata)


def test_odd_entries_keep_their_names_and_bytes() -> None:
    """A key of any bytes can be asked for, and what is written of it again are the bytes of the file."""
    read = read_header(ODD["a key that is not ASCII"], "model.gguf").metadata
    assert read["ключ.é"] == 0
    assert bytes(read.encoded("ключ.é")) == entry("ключ.é", 4, bytes(4))
    noise = read_header(ODD["a key of noise"], "model.gguf").metadata
    assert list(noise) == ["\\xff\\xfe", "\\xff"]
    assert bytes(noise.encoded("\\xff")) == entry(b"\xff", 4, bytes(4))


@pytest.mark.parametrize("case", UNLOADABLE)
def test_what_llama_cpp_refuses_is_read_to_be_shown(case: str, tmp_path: Path) -> None:
    """A header of a fork or of a converter of other models is read, and it says why llama.cpp refuses it."""
    data, why = UNLOADABLE[case]
    read = read_header(data, "model.gguf", size=len(data) + (1 << 20))
    assert obstacle(read) == why
    assert as_llama_cpp_reads(data, tmp_path) is None


def test_a_big_endian_header_is_read_like_any_other(tmp_path: Path) -> None:
    """Numbers, arrays, strings and tensors of a file for IBM Z mean what they mean in a little-endian one."""
    path = tmp_path / "big.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_context_length(4096)
    writer.add_float32("general.scale", 0.1)
    writer.add_token_list(["<s>", "é"])
    writer.add_token_types([3, 1])
    writer.add_token_scores([0.0, -1.5])
    writer.add_tensor_info("token_embd.weight", (2, 32), np.dtype(np.float32), 256)
    writer.add_tensor_info("output_norm.weight", (32,), np.dtype(np.float32), 128)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    read = read_header(path.read_bytes(), "big.gguf")
    assert (read.version, read.architecture, read.number("context_length")) == (3, "llama", 4096)
    assert read.metadata["general.scale"] == 0.1
    arrays = [read.metadata[f"tokenizer.ggml.{key}"] for key in ("tokens", "token_type", "scores")]
    assert [list(each) for each in arrays if isinstance(each, Array)] == [["<s>", "é"], [3, 1], [0.0, -1.5]]
    assert [(t.name, t.shape, t.offset) for t in read.tensors] == [
        ("token_embd.weight", (32, 2), 0),
        ("output_norm.weight", (32,), 256),
    ]
    assert obstacle(read) == "it is big-endian, made for machines such as IBM Z"
    assert as_llama_cpp_reads(path.read_bytes(), tmp_path) is None
    with pytest.raises(ValueError, match="big-endian"):
        minimal_header(read)


def test_the_bytes_of_a_fork_are_counted() -> None:
    """ik_llama.cpp puts a scale before each row: 4 bytes of IQ4_KS, 2 of IQ2_KL; none of IQ4_K."""
    infos = [info("a", (512, 3), IQ4_KS, 0), info("b", (256, 2), 157, 832), info("c", (256,), 139, 1024)]
    read = read_header(tensors(*infos), "model.gguf")
    assert [t.nbytes for t in read.tensors] == [3 * (4 + 2 * 136), 2 * (2 + 86), 144]


def test_behind_a_type_of_a_fork_the_file_tells_where_to_go_on() -> None:
    """Forks change sizes: the offset behind such a tensor is believed, but never one before it or out of line."""
    good = tensors(info("a", (128,), I2_S, 0), info("b", (1,), F32, 96), info("c", (1,), F32, 128))
    assert [t.offset for t in read_header(good, "model.gguf").tensors] == [0, 96, 128]
    for first, second in ((32, 0), (0, 33)):
        bad = tensors(
            info("n", (first // 4 or 1,), F32, 0), info("a", (128,), I2_S, 32), info("b", (1,), F32, second)
        )
        with pytest.raises(NotAModelError, match="after the tensors before it"):
            read_header(bad, "model.gguf")

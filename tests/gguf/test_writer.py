"""Headers that modelsync writes."""

import struct
from pathlib import Path

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.gguf.header import Header
from modelsync.gguf.metadata import Array
from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import minimal_header, vocabulary_size, write_header
from tests.support import model_shapes
from tests.support.raw_header import array, entry, header, info, string

items = st.one_of(
    st.booleans(),
    st.integers(-(1 << 31), (1 << 32) - 1),
    st.floats(width=32, allow_nan=False),
    st.text(max_size=20),
    st.lists(st.text(max_size=8), max_size=5),
    st.lists(st.integers(0, (1 << 32) - 1), max_size=5),
)
keys = st.from_regex(r"[a-z0-9_.]{1,20}", fullmatch=True).filter(lambda key: key != "general.alignment")


@given(st.dictionaries(keys, items, max_size=8))
def test_what_is_written_is_read(metadata: dict[str, object]) -> None:
    """Every value that can be written comes back the same; a float the same as float32."""
    read = read_header(write_header(metadata, []).header, "written").metadata  # type: ignore[arg-type]
    assert {key: comparable(value) for key, value in read.items()} == {
        k: comparable(v) for k, v in metadata.items()
    }


def comparable(value: object) -> object:
    if isinstance(value, Array):
        return list(value)
    return struct.pack("<f", value) if isinstance(value, float) else value


def test_another_reader_reads_it(tmp_path: Path) -> None:
    """gguf-py finds the metadata, the tensors and their places in a header with a hole behind it."""
    file = write_header(
        {"general.architecture": "llama", "llama.block_count": 1},
        [("a.weight", (33,), BY_NAME["F32"]), ("b.weight", (64, 2), BY_NAME["Q8_0"])],
    )
    with open(tmp_path / "model.gguf", "wb") as out:
        out.write(file.header)
        out.truncate(file.size)
    read = gguf.GGUFReader(tmp_path / "model.gguf")
    assert [(t.name, t.shape.tolist(), t.n_bytes) for t in read.tensors] == [
        ("a.weight", [33], 132),
        ("b.weight", [64, 2], 136),
    ]


def test_a_clean_header_keeps_what_decides_memory() -> None:
    """The architecture's own keys and the tensors stay, the vocabulary becomes its size, the rest goes."""
    tokens = b"".join(string(f"t{n}") for n in range(300))
    data = header(
        (
            entry("general.architecture", 8, string("llama")),
            entry("general.name", 8, string("x" * 1000)),
            entry("general.alignment", 4, (4096).to_bytes(4, "little")),
            entry("llama.block_count", 4, bytes([2, 0, 0, 0])),
            entry("llama.vocab_size", 4, bytes([9, 0, 0, 0])),
            entry("llama.attention.head_count_kv", 9, array(4, 2, bytes([1, 0, 0, 0, 2, 0, 0, 0]))),
            entry("llama2.block_count", 4, bytes([7, 0, 0, 0])),
            entry("tokenizer.ggml.tokens", 9, array(8, 300, tokens)),
            entry("tokenizer.ggml.token_type_count", 4, bytes([2, 0, 0, 0])),
            entry("xielu.eps", 6, bytes(4)),
        ),
        (info("a", (8,), 0, 0), info("b", (32, 3), 8, 4096)),
    )
    file = minimal_header(read_header(data, "whole"))
    read = read_header(file.header, "clean", size=file.size)
    assert {key: list(v) if isinstance(v, Array) else v for key, v in read.metadata.items()} == {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "no_vocab",
        "llama.vocab_size": 300,
        "tokenizer.ggml.token_type_count": 2,
        "llama.block_count": 2,
        "llama.attention.head_count_kv": [1, 2],
        "xielu.eps": 0.0,
    }
    assert [(t.name, t.shape, t.type.name, t.offset) for t in read.tensors] == [
        ("a", (8,), "F32", 0),
        ("b", (32, 3), "Q8_0", 32),
    ]


@pytest.mark.parametrize("name", model_shapes.ALL)
def test_clean_headers_are_small(name: str) -> None:
    """Whatever the model, its reduced header has less than 100 KB, and its file just the size of the tensors."""
    whole = model_shapes.ALL[name]().header()
    file = minimal_header(whole)
    assert len(file.header) < 100_000
    assert file.size - len(file.header) < sum(tensor.nbytes + 32 for tensor in whole.tensors)


def test_the_size_of_a_vocabulary_is_found_where_it_is() -> None:
    """The list of tokens, else the key, else the rows of the embedding, else nothing."""
    embedding = [("token_embd.weight", (64, 70), BY_NAME["F32"])]

    def read(metadata: dict[str, object], tensors: list[tuple[str, tuple[int, ...], object]]) -> Header:
        named = {"general.architecture": "llama", **metadata}
        return read_header(write_header(named, tensors).header, "model")  # type: ignore[arg-type]

    tokens: dict[str, object] = {"tokenizer.ggml.tokens": ["a", "b"]}
    stated: dict[str, object] = {"llama.vocab_size": 9}
    rows: list[tuple[str, tuple[int, ...], object]] = [*embedding]
    assert vocabulary_size(read(tokens | stated, rows)) == 2
    assert vocabulary_size(read(stated, rows)) == 9
    assert vocabulary_size(read({}, rows)) == 70
    assert vocabulary_size(read({}, [])) is None


def test_a_header_without_an_architecture_has_no_clean_form() -> None:
    """What llama.cpp could not load is not offered to it."""
    with pytest.raises(ValueError, match="cannot be reduced"):
        minimal_header(read_header(header(), "model"))

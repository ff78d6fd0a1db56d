"""Headers of siblings: from another quant's and two ranges of the file, believed only if all adds up."""

import struct
from collections.abc import Callable

import pytest

from modelsync.gguf.header import Header
from modelsync.gguf.reader import read_header
from modelsync.gguf.sibling import START_BYTES, merged_sibling, sibling, window_of
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import Info, write_header
from tests.support.raw_header import array, entry, header, info, string

VOCABULARY = 40_000


def file_of(quant: str, *more: bytes, tensors: int = 12) -> tuple[bytes, int]:
    """A header with a vocabulary, as a quantizer writes it, and the size of its file."""
    kind = BY_NAME[quant]
    tokens = b"".join(string(f"token {n}") for n in range(VOCABULARY))
    entries = (
        entry("general.architecture", 8, string("llama")),
        entry("tokenizer.ggml.tokens", 9, array(8, VOCABULARY, tokens)),
        entry("general.quantization_version", 4, struct.pack("<I", 2)),
        entry("general.file_type", 4, struct.pack("<I", kind.id)),
        *more,
    )
    infos, offset = [], 0
    for index in range(tensors):
        infos.append(info(f"blk.{index}.ffn_up.weight", (256, 16), kind.id, offset))
        offset += -(-16 * kind.row_bytes(256) // 32) * 32
    data = header(entries, tuple(infos))
    return data, -(-len(data) // 32) * 32 + offset


@pytest.fixture(scope="module")
def reference() -> Header:
    """The one that was read whole."""
    data, size = file_of("Q4_K")
    return read_header(data, "reference", size=size)


def by_ranges(reference: Header, data: bytes, size: int) -> Header | None:
    """What two ranges of a file come to."""
    window = window_of(reference, size)
    assert window.end - window.start < 1 << 17
    return sibling(reference, data[:START_BYTES], window, data[window.start : window.end], size)


IMATRIX = (
    entry("quantize.imatrix.file", 8, string("/models/calibration.dat")),
    entry("quantize.imatrix.entries_count", 5, struct.pack("<i", 224)),
)


@pytest.mark.parametrize("quant", ["Q2_K", "Q4_K", "Q8_0", "F16"])
@pytest.mark.parametrize("more", [(), IMATRIX])
def test_a_siblings_tensors_are_found(reference: Header, quant: str, more: tuple[bytes, ...]) -> None:
    """Whatever the quant, and with a few more keys before the infos: the same tensors as in the header read whole."""
    data, size = file_of(quant, *more)
    found, whole = by_ranges(reference, data, size), read_header(data, quant, size=size)
    assert found is not None
    assert (found.tensors, found.nbytes, found.infos_at) == (whole.tensors, whole.nbytes, whole.infos_at)
    assert found.file_size == size
    assert found.architecture == "llama"


def cut(data: bytes, size: int) -> tuple[bytes, int]:
    return data, size - 32


def grown(data: bytes, size: int) -> tuple[bytes, int]:
    return data, size + 64


def other_offset(data: bytes, size: int) -> tuple[bytes, int]:
    return data[:-8] + struct.pack("<Q", 32), size


def other_type(data: bytes, size: int) -> tuple[bytes, int]:
    return data[:-12] + struct.pack("<I", 99) + data[-8:], size


def other_count(data: bytes, size: int) -> tuple[bytes, int]:
    return data[:8] + struct.pack("<Q", 11) + data[16:], size


def no_gguf(data: bytes, size: int) -> tuple[bytes, int]:
    return b"<htm" + data[4:], size


def another_version(data: bytes, size: int) -> tuple[bytes, int]:
    return data[:4] + struct.pack("<I", 2) + data[8:], size


@pytest.mark.parametrize(
    "change", [cut, grown, other_offset, other_type, other_count, no_gguf, another_version]
)
def test_what_does_not_add_up_is_not_believed(
    reference: Header, change: Callable[[bytes, int], tuple[bytes, int]]
) -> None:
    """A file that ends elsewhere, an offset, a type, a count: each makes that the header is read whole."""
    assert by_ranges(reference, *change(*file_of("Q8_0"))) is None


def test_a_sibling_with_much_more_metadata_is_read_whole(reference: Header) -> None:
    """Infos outside of the window are not looked for."""
    assert by_ranges(reference, *file_of("Q8_0", entry("general.note", 8, string("x" * 100_000)))) is None


def test_infos_that_go_on_past_the_window_are_not_believed(reference: Header) -> None:
    """A window that ends inside an info proves nothing."""
    data, size = file_of("Q8_0")
    window = window_of(reference, size)
    short = data[window.start : len(data) - 10]
    assert sibling(reference, data[:START_BYTES], window, short, size) is None
    assert sibling(reference, data[:10], window, data[window.start :], size) is None


def test_the_parts_of_a_sibling_are_gathered(reference: Header) -> None:
    """Parts whose tensors are the reference's make one header; with one missing, or one twice, they do not."""

    def part(first: int, last: int) -> Header:
        tensors: list[Info] = [
            (f"blk.{index}.ffn_up.weight", (256, 16), BY_NAME["Q8_0"]) for index in range(first, last)
        ]
        file = write_header({}, tensors)
        return read_header(file.header, "part", size=file.size)

    one, two = part(0, 5), part(5, 12)
    found = merged_sibling(reference, [one, two])
    assert found is not None
    assert (len(found.tensors), found.parts) == (12, 2)
    assert found.file_size == (one.file_size or 0) + (two.file_size or 0)
    assert merged_sibling(reference, [one]) is None
    assert merged_sibling(reference, [one, one, two]) is None

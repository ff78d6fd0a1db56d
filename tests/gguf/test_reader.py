"""The header reader: what it reads, and what it refuses with which words."""

import struct
import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import NotAModelError
from modelsync.gguf.bounds import MAX_COUNT, MAX_HEADER
from modelsync.gguf.header import Header
from modelsync.gguf.metadata import Array, plain
from modelsync.gguf.reader import HeaderReader, NeedMore, read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header
from tests.support.raw_header import array, entry, header, info, string

F32, Q4_K = 0, 12
GOOD = write_header(
    {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "llama.context_length": 256,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.tokens": ["<s>", "a", "é"],
        "tokenizer.ggml.scores": [0.0, -1.5, -2.0],
    },
    [("token_embd.weight", (256, 3), BY_NAME["Q4_K"]), ("output_norm.weight", (256,), BY_NAME["F32"])],
)


def fed(pieces: Iterable[bytes], size: int | None = None) -> Header | NeedMore:
    """What the reader says after the last of the pieces that it needs."""
    reader = HeaderReader("model.gguf", size=size)
    answer: Header | NeedMore = NeedMore(1)
    for piece in pieces:
        answer = reader.feed(piece)
        if isinstance(answer, Header):
            break
    return answer


def test_a_header_is_read_whole() -> None:
    """Metadata, tensors, where the data begins: all as they were written."""
    read = read_header(GOOD.header, "model.gguf", size=GOOD.size)
    assert read.architecture == "llama"
    assert plain(read.metadata) == {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "llama.context_length": 256,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.tokens": {"type": "string", "length": 3, "head": ["<s>", "a", "é"]},
        "tokenizer.ggml.scores": {"type": "float32", "length": 3, "head": [0.0, -1.5, -2.0]},
    }
    assert [(t.name, t.shape, t.type.name, t.offset, t.nbytes) for t in read.tensors] == [
        ("token_embd.weight", (256, 3), "Q4_K", 0, 432),
        ("output_norm.weight", (256,), "F32", 448, 1024),
    ]
    assert (read.version, read.alignment, read.nbytes) == (3, 32, len(GOOD.header))
    assert read.data_at + 448 + 1024 == GOOD.size


def test_a_file_of_another_writer_is_read(tiny_gguf: Path) -> None:
    """gguf-py's files are read as gguf-py reads them."""
    data = tiny_gguf.read_bytes()
    read = read_header(data, tiny_gguf.name, size=len(data))
    theirs = gguf.GGUFReader(tiny_gguf)
    assert [(t.name, t.shape, t.nbytes, read.data_at + t.offset) for t in read.tensors] == [
        (t.name, tuple(t.shape.tolist()), t.n_bytes, t.data_offset) for t in theirs.tensors
    ]
    assert set(read.metadata) == {key for key in theirs.fields if not key.startswith("GGUF.")}
    for key, value in read.metadata.items():
        assert (list(value) if isinstance(value, Array) else value) == pytest.approx(
            theirs.fields[key].contents()
        )


@given(st.lists(st.integers(0, len(GOOD.header)), max_size=6))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    """However the bytes come, the header is the same, and no piece before the last brings it."""
    edges = [0, *sorted(cuts), len(GOOD.header)]
    answer = fed(GOOD.header[a:b] for a, b in pairwise(edges))
    assert isinstance(answer, Header)
    assert plain(answer.metadata) == plain(read_header(GOOD.header, "whole").metadata)


def test_a_need_is_never_too_large() -> None:
    """Byte for byte, the reader never asks for more than the header has, and always for one byte at least."""
    reader = HeaderReader("model.gguf")
    for place, byte in enumerate(GOOD.header[:-1], 1):
        answer = reader.feed(bytes([byte]))
        assert isinstance(answer, NeedMore)
        assert 1 <= answer.bytes <= len(GOOD.header) - place
    assert isinstance(reader.feed(GOOD.header[-1:]), Header)


def test_what_follows_a_header_is_left_alone() -> None:
    """A chunk that goes on into the data neither confuses the reader nor stays in memory."""
    read = read_header(GOOD.header + b"\xff" * 4096, "model.gguf")
    assert read.nbytes == len(GOOD.header)
    assert len(read.metadata.encoded("general.name")) == 8 + 12 + 4 + 8 + 4


def entries(*parts: bytes) -> bytes:
    return header(parts)


def tensors(*parts: bytes) -> bytes:
    return header((), parts)


ALIGNMENT = "general.alignment"
BAD = {
    "version 1": (header(version=1), "version 1 of the format"),
    "version 1, big-endian": (b"GGUF" + struct.pack(">IQQ", 1, 0, 0), "version 1 of the format"),
    "version 0": (header(version=0), "version 0"),
    "a later version": (header(version=4), "version 4"),
    "too many tensors": (header(counts=(MAX_COUNT + 1, 0)), "65537 tensors"),
    "too many entries": (header(counts=(0, 1 << 63)), "9223372036854775808 metadata entries"),
    "an empty key": (entries(entry("", 4, bytes(4))), "a key has 0 bytes"),
    "a long key": (entries(string(b"k" * 65536)), "a key has 65536 bytes"),
    "long keys": (entries(*(entry(f"{n:065535}", 7, b"\1") for n in range(65))), "keys take more than 4 MiB"),
    "a key twice": (entries(entry("k", 4, bytes(4)), entry("k", 4, bytes(4))), "the key `k` twice"),
    "an unknown value type": (entries(entry("k", 13, bytes(4))), "`k` has the unknown value type 13"),
    "an array of arrays": (entries(entry("k", 9, array(9, 1, array(4, 0, b"")))), "arrays hold no arrays"),
    "an array of nothing known": (entries(entry("k", 9, array(77, 1, b""))), "unknown value type 77"),
    "an endless array": (
        entries(entry("k", 9, array(4, 1 << 62, b""))),
        "says it has 4611686018427387904 items",
    ),
    "an endless string": (entries(entry("k", 8, struct.pack("<Q", 1 << 60))), "at most 64 MiB"),
    "an endless token": (entries(entry("k", 9, array(8, 2, string("a") + b"\xff" * 8))), "at most 64 MiB"),
    "an alignment of 12": (entries(entry(ALIGNMENT, 4, struct.pack("<I", 12))), "is 12, not a power of two"),
    "an alignment of 0": (entries(entry(ALIGNMENT, 4, bytes(4))), "is 0, not a power of two"),
    "an alignment in words": (entries(entry(ALIGNMENT, 8, string("32"))), "is a string, not a uint32"),
    "endless tensor names": (
        tensors(*(info(f"{n:0262144}", (1,), F32, 32 * n) for n in range(17))),
        "names of its tensors take more than 4 MiB",
    ),
    "a tensor twice": (tensors(info("t", (1,), F32, 0), info("t", (1,), F32, 32)), "the tensor `t` twice"),
    "nine dimensions": (tensors(info("t", (1,) * 9, F32, 0)), "9 dimensions"),
    "a negative dimension": (tensors(info("t", (0, (1 << 64) - 1), F32, 0)), "more than can be counted"),
    "a scalar in blocks": (tensors(info("t", (), Q4_K, 0)), "rows of 1, not whole blocks of 256"),
    "a boundless tensor": (tensors(info("t", (1 << 32, 1 << 32), F32, 0)), "more than can be counted"),
    "a tensor over a PiB": (tensors(info("t", (1 << 32, 1 << 20), F32, 0)), "no file has over"),
    "half a block": (tensors(info("t", (128,), Q4_K, 0)), "rows of 128, not whole blocks of 256 (Q4_K)"),
    "an unknown type": (tensors(info("t", (1,), 99, 0)), "unknown type 99"),
    "an offset that skips": (
        tensors(info("t", (1,), F32, 32)),
        "should begin at offset 0, after the tensors before it, and says 32",
    ),
    "an offset that overlaps": (
        tensors(info("t", (8,), F32, 0), info("u", (1,), F32, 0)),
        "should begin at offset 32, after the tensors before it, and says 0",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_every_bound_has_words_of_its_own(case: str) -> None:
    """A header that breaks a bound is refused, and the message says which."""
    data, words = BAD[case]
    with pytest.raises(NotAModelError, match=r"model\.gguf is not a good GGUF file") as caught:
        read_header(data, "model.gguf")
    assert words in caught.value.message


NOT_GGUF = {
    b"<!DOCTYPE html><html><body>Sign in": "web page",
    b"\n <html>": "web page",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:": "Git LFS pointer",
    b"tjgg\1\0\0\0": "from before GGUF",
    b"PK\3\4": "archive",
    b"": "it is empty",
    b"GG": "begins with b'GG'",
}


@pytest.mark.parametrize("data", NOT_GGUF)
@pytest.mark.parametrize("sized", [True, False])
def test_what_is_no_gguf_is_told_apart(data: bytes, sized: bool) -> None:
    """A login page, an LFS pointer, an old format, an archive, nothing: each is called by its name."""
    with pytest.raises(NotAModelError, match=r"model\.gguf is not a GGUF model") as caught:
        read_header(data, "model.gguf", size=len(data) if sized else None)
    assert NOT_GGUF[data] in caught.value.message


@pytest.mark.parametrize("length", range(4, len(GOOD.header), 7))
@pytest.mark.parametrize("sized", [True, False])
def test_a_truncated_header_says_so(length: int, sized: bool) -> None:
    """Wherever it ends, the message says that it ends inside, and the hint to fetch it again."""
    with pytest.raises(NotAModelError, match=r"inside its header|can hold") as caught:
        read_header(GOOD.header[:length], "model.gguf", size=length if sized else None)
    assert caught.value.hint == "fetch the file again: it looks truncated"


def test_truncated_data_is_seen_in_the_header() -> None:
    """A header whose tensors end past the file's end tells how many bytes are missing."""
    with pytest.raises(NotAModelError, match=r"its tensors at .*: 7 bytes are missing"):
        read_header(GOOD.header, "model.gguf", size=GOOD.size - 7)


def test_a_hostile_name_cannot_write_on_a_terminal() -> None:
    """Control characters of a key or a file come out escaped."""
    with pytest.raises(NotAModelError) as caught:
        read_header(entries(entry("k\x1b[2J", 13, b"")), "m\x1b[31m.gguf")
    assert "\x1b" not in caught.value.message


def test_floats_are_as_short_as_they_can_be() -> None:
    """A float32 comes out as the decimal that was meant, and NaN and infinity stay what they are."""
    values = struct.pack("<5f", 1e-5, 10000.0, 0.1, float("inf"), float("nan"))
    read = read_header(entries(entry("k", 9, array(6, 5, values))), "model.gguf").metadata["k"]
    assert isinstance(read, Array)
    assert str(list(read)) == "[1e-05, 10000.0, 0.1, inf, nan]"


MEASURED = """
import resource, sys
from pathlib import Path
from modelsync.gguf.reader import read_header

def peak():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024

data = Path(sys.argv[1]).read_bytes()
before = peak()
read = read_header(data, "model.gguf")
print(peak() - before, len(read.metadata), len(read.tensors))
"""


def memory_to_read(data: bytes, folder: Path) -> tuple[int, int, int]:
    """Bytes that a process's memory grows by as it reads a header; how many entries and tensors it found."""
    (folder / "header").write_bytes(data)
    command = [sys.executable, "-c", MEASURED, str(folder / "header")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    grown, keys, infos = map(int, done.stdout.split())
    return grown, keys, infos


@pytest.mark.skipif(sys.platform == "win32", reason="`resource` tells a process's peak on POSIX alone")
def test_a_vocabulary_costs_its_bytes_alone(tmp_path: Path) -> None:
    """Half a million strings take what the reader keeps of the file, and hardly more."""
    tokens = b"".join(string(f"token {n}") for n in range(500_000))
    data = entries(entry("tokenizer.ggml.tokens", 9, array(8, 500_000, tokens)))
    grown, _, _ = memory_to_read(data, tmp_path)
    assert grown < len(data) + (4 << 20)


@pytest.mark.skipif(sys.platform == "win32", reason="`resource` tells a process's peak on POSIX alone")
def test_the_most_that_a_header_may_hold_fits(tmp_path: Path) -> None:
    """As many entries and tensors as there may be take less than 64 MiB over the bytes."""
    keys = tuple(entry(f"{n:040}\N{LLAMA}", 8, string("value")) for n in range(MAX_COUNT))
    infos = tuple(info(f"{n:059}\N{LLAMA}", (1,) * 8, F32, 32 * n) for n in range(MAX_COUNT))
    data = header(keys, infos)
    grown, *counts = memory_to_read(data, tmp_path)
    assert counts == [MAX_COUNT, MAX_COUNT]
    assert grown < len(data) + (64 << 20)


def test_a_header_over_64_mib_is_refused_before_it_is_there() -> None:
    """The reader does not wait for what it would not take."""
    start = header((string("k") + struct.pack("<IQ", 8, MAX_HEADER),), counts=(0, 1))
    with pytest.raises(NotAModelError, match="at most 64 MiB"):
        read_header(start, "model.gguf")

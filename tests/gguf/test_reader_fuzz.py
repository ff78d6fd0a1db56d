"""No input may crash the reader, keep it busy, or take much memory."""

import struct
import tracemalloc
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.errors import NotAModelError
from modelsync.gguf.header import Header
from modelsync.gguf.metadata import plain
from modelsync.gguf.reader import HeaderReader, NeedMore
from tests.support.raw_header import array, entry, header, info, string

EXTREMES = (
    0,
    1,
    2,
    7,
    8,
    9,
    12,
    31,
    63,
    64,
    255,
    65535,
    65536,
    1 << 31,
    (1 << 32) - 1,
    1 << 62,
    (1 << 64) - 1,
)
TENSOR_BYTES = {0: 32, 2: 32, 8: 64, 12: 160, 99: 0}

numbers = st.one_of(st.sampled_from(EXTREMES), st.integers(0, (1 << 64) - 1))
names = st.one_of(st.binary(max_size=70), st.text(max_size=12).map(str.encode), st.sampled_from([b"a", b"b"]))
kinds = st.one_of(st.integers(0, 13), st.integers(0, (1 << 32) - 1))
values = st.one_of(
    st.binary(max_size=24),
    names.map(string),
    st.builds(array, kinds, numbers, st.binary(max_size=64)),
    st.lists(names, max_size=5).map(lambda items: array(8, len(items), b"".join(map(string, items)))),
)
entries = st.builds(entry, names, kinds, values)
infos = st.builds(
    info,
    names,
    st.lists(numbers, max_size=5).map(tuple),
    st.one_of(st.sampled_from([*TENSOR_BYTES]), kinds),
    numbers,
    st.one_of(st.none(), st.integers(0, (1 << 32) - 1)),
)
built = st.builds(
    header,
    st.lists(entries, max_size=6).map(tuple),
    st.lists(infos, max_size=4).map(tuple),
    version=st.one_of(st.sampled_from([2, 3]), st.integers(0, (1 << 32) - 1)),
    counts=st.one_of(st.none(), st.tuples(numbers, numbers)),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A header that was good, with some of its bytes written over, cut or doubled."""
    words = [f"token {n}" for n in range(draw(st.integers(0, 40)))]
    data = bytearray(
        header(
            (
                entry("general.architecture", 8, string("llama")),
                entry("tokenizer.ggml.tokens", 9, array(8, len(words), b"".join(map(string, words)))),
                entry("tokenizer.ggml.scores", 9, array(6, 3, bytes(12))),
                entry("llama.block_count", 4, struct.pack("<I", 2)),
            ),
            (info("token_embd.weight", (256, 2), 12, 0), info("output.weight", (32, 2), 8, 288)),
        )
    )
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        what = draw(st.sampled_from(["byte", "number", "cut", "double"]))
        if what == "byte":
            data[at] = draw(st.integers(0, 255))
        elif what == "number":
            data[at : at + 8] = struct.pack("<Q", draw(numbers))
        elif what == "cut":
            del data[at : at + draw(st.integers(1, 30))]
        else:
            data[at:at] = data[at : at + 30]
        if not data:
            break
    return bytes(data)


@settings(
    max_examples=400,
    deadline=timedelta(seconds=2),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.one_of(st.binary(max_size=300), built, damaged()), st.data())
def test_no_input_harms_the_reader(data: bytes, draw: st.DataObject) -> None:
    """Any bytes, in any pieces, with any size told: a header, a need or an error with words; and soon, and small."""
    size = draw.draw(st.one_of(st.none(), st.just(len(data)), numbers))
    cut = draw.draw(st.integers(0, len(data)))
    tracemalloc.start()
    try:
        reader = HeaderReader("model.gguf", size=size)
        answer = reader.feed(data[:cut])
        if isinstance(answer, NeedMore):
            assert answer.bytes > 0
            answer = reader.feed(data[cut:])
        if isinstance(answer, Header):
            assert answer.nbytes <= len(data)
            plain(answer.metadata)
        else:
            reader.end()
    except NotAModelError as error:
        assert error.message.isprintable()  # noqa: PT017 - an error is one of three good answers
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < len(data) + (64 << 20)

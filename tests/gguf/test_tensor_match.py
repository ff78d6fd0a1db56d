"""Lining up the tensors of a new file with those of older ones."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modelsync.gguf.header import Header, Tensor, padded
from modelsync.gguf.metadata import Metadata
from modelsync.gguf.tensor_match import match_tensors
from modelsync.gguf.types import BY_NAME

KINDS = [BY_NAME[name] for name in ("F32", "F16", "Q8_0")]


def header(names: list[tuple[str, int, int]], alignment: int = 32, nbytes: int = 100) -> Header:
    """A header of tensors by name, kind and rows of 64."""
    tensors, offset = [], 0
    for name, kind, rows in names:
        tensor = Tensor(name, (64, rows), KINDS[kind], offset)
        tensors.append(tensor)
        offset += padded(tensor.nbytes, alignment)
    size = padded(nbytes, alignment) + offset
    return Header(3, Metadata(memoryview(b""), {}), tuple(tensors), alignment, 0, nbytes, size)


FILES = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.integers(1, 9)),
    max_size=6,
    unique_by=lambda t: t[0],
)
ALIGNMENTS = st.sampled_from([8, 32, 64])


@given(FILES, st.lists(FILES, max_size=3), ALIGNMENTS, ALIGNMENTS, st.integers(50, 300))
def test_what_lines_up_is_alike_and_lies_within_its_files(
    names: list[tuple[str, int, int]],
    others: list[list[tuple[str, int, int]]],
    alignment: int,
    its_alignment: int,
    nbytes: int,
) -> None:
    """Each tensor that some older file has is found there, in each of them; no two overlap; padding is in both."""
    new = header(names, alignment, nbytes)
    old = [header(other, its_alignment) for other in others]
    found = match_tensors(new, old)
    tensors = {new.data_at + tensor.offset: tensor for tensor in new.tensors}
    shared = [name for name in names if any(name in other for other in others)]
    assert sorted(tensors[one.at].name for one in found) == sorted(name for name, *_ in shared)
    for one in found:
        mine = tensors[one.at]
        assert mine.nbytes <= one.nbytes <= padded(mine.nbytes, min(alignment, its_alignment))
        key = (mine.name, KINDS.index(mine.type), mine.shape[1])
        assert [index for index, _ in one.places] == [n for n, other in enumerate(others) if key in other]
        for index, at in one.places:
            theirs = next(tensor for tensor in old[index].tensors if tensor.name == mine.name)
            assert (mine.type, mine.shape) == (theirs.type, theirs.shape)
            assert at == old[index].data_at + theirs.offset
            assert at + one.nbytes <= (old[index].file_size or 0)
    assert all(one.at + one.nbytes <= other.at for one, other in pairwise(found))


def test_a_file_that_was_cut_off_gives_what_it_has() -> None:
    """No place is named that is not in the file."""
    whole = header([("a", 0, 1), ("b", 0, 1)])
    assert whole.file_size is not None
    cut = whole._replace(file_size=whole.file_size - 256)
    assert [one.places for one in match_tensors(whole, [cut])] == [((0, 128),)]
    assert match_tensors(whole, [header([("c", 0, 1)])]) == ()

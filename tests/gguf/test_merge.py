"""The headers of a split model."""

from pathlib import Path

import pytest

from modelsync.errors import NotAModelError
from modelsync.gguf.header import Header
from modelsync.gguf.merge import merge
from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import write_header
from tests.support.gguf_files import split


@pytest.fixture
def parts(tiny_gguf: Path, tmp_path: Path) -> list[Header]:
    """Headers of the tiny model, cut in three."""
    return [read(path) for path in split(tiny_gguf, 3, tmp_path)]


def read(path: Path) -> Header:
    data = path.read_bytes()
    return read_header(data, path.name, size=len(data))


def test_parts_become_the_model_that_was_cut(parts: list[Header], tiny_gguf: Path) -> None:
    """Merged, the parts have the metadata and the tensors of the whole, and their sizes are added."""
    whole, merged = read(tiny_gguf), merge(parts, "tiny")
    assert [t[:3] for t in merged.tensors] == [t[:3] for t in whole.tensors]
    assert {key: str(merged.metadata[key]) for key in whole.metadata} == {
        k: str(v) for k, v in whole.metadata.items()
    }
    assert merged.parts == 3
    assert merged.file_size == sum(part.file_size or 0 for part in parts)
    assert merged.nbytes == sum(part.nbytes for part in parts)


def test_a_whole_file_is_its_own_merger(tiny_gguf: Path) -> None:
    """What was never cut comes out as it went in."""
    whole = read(tiny_gguf)
    assert merge([whole], "tiny") is whole


def test_parts_that_do_not_belong_together_are_refused(parts: list[Header]) -> None:
    """One missing, one twice, the order wrong: each is an error that says so."""
    one, two, three = parts
    for chosen, words in (
        ([one, two], "there are 3 parts, and there are 2"),
        ([one], "there are 3 parts, and there are 1"),
        ([one, three, two], r"part 2 of 3 says it is `split\.no` 2 of 3"),
        ([one, two, three._replace(tensors=two.tensors)], "two of its parts have the tensor"),
        ([one, two, three._replace(tensors=())], "tensors together, and say"),
    ):
        with pytest.raises(NotAModelError, match=words):
            merge(chosen, "tiny")


def test_a_part_of_unknown_size_leaves_the_sum_unknown(parts: list[Header]) -> None:
    """A sum of what is partly unknown is unknown."""
    assert merge([parts[0]._replace(file_size=None), *parts[1:]], "tiny").file_size is None


def test_a_later_part_needs_no_count() -> None:
    """Of a later part llama.cpp reads its number alone: one without `split.count` is taken, in its own place."""

    def part(name: str, **keys: int) -> Header:
        said = {f"split.{key.replace('_', '.')}": value for key, value in keys.items()}
        file = write_header(said, [(name, (4,), BY_NAME["F32"])])
        return read_header(file.header, "part", size=file.size)

    first, second = part("a", no=0, count=2, tensors_count=2), part("b", no=1)
    assert [tensor.name for tensor in merge([first, second], "m").tensors] == ["a", "b"]
    with pytest.raises(NotAModelError, match=r"`split\.no` None"):
        merge([first, part("b")], "m")

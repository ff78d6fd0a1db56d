"""Split models and pieces, as their names tell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import RefusedError
from modelsync.spec.parts import MAX_PARTS, joined_name, part_of, siblings, together


def test_a_split_model_is_named_by_any_part() -> None:
    """From one part follow all, in order, folders included."""
    expected = tuple(f"Q8/m-0000{number}-of-00003.gguf" for number in (1, 2, 3))
    for part in expected:
        assert siblings(part) == expected
        assert joined_name(part) is None


def test_pieces_are_joined_into_their_file() -> None:
    """From one piece follow all, and the name of the file that they are."""
    assert siblings("m.Q8_0.gguf.part2of2") == ("m.Q8_0.gguf.part1of2", "m.Q8_0.gguf.part2of2")
    assert joined_name("m.Q8_0.gguf.part2of2") == "m.Q8_0.gguf"
    assert len(siblings("m.gguf.part1of12")) == 12


@pytest.mark.parametrize(
    "path",
    [
        *(
            "m.gguf",
            "m-00000-of-00003.gguf",
            "m-00004-of-00003.gguf",
            "m-1-of-3.gguf",
            "m-00001-of-00003.bin",
        ),
        *(
            "-00001-of-00003.gguf",
            "m.gguf.part0of2",
            "m.gguf.part3of2",
            "m.gguf.part01of2",
            "m.bin.part1of2",
            "of",
            "",
        ),
        "m-\uff100001-of-00003.gguf",
    ],
)
def test_other_names_are_files_of_their_own(path: str) -> None:
    """What only looks like a part is none."""
    assert part_of(path) is None
    assert siblings(path) == (path,)
    assert joined_name(path) is None


@pytest.mark.parametrize("path", ["m-00001-of-99999.gguf", "m.gguf.part1of9999"])
def test_an_absurd_count_is_not_believed(path: str) -> None:
    """A name cannot make the program think of a hundred thousand files."""
    with pytest.raises(RefusedError, match="parts"):
        siblings(path)


@given(
    st.integers(1, MAX_PARTS),
    st.integers(1, MAX_PARTS),
    st.sampled_from(["m", "a/b", "m-00001-of-00002.gguf"]),
)
def test_each_sibling_knows_its_place(one: int, other: int, prefix: str) -> None:
    """Number and total are read back from each name, for parts and for pieces."""
    number, total = min(one, other), max(one, other)
    for path in (f"{prefix}-{number:05d}-of-{total:05d}.gguf", f"{prefix}.gguf.part{number}of{total}"):
        part = part_of(path)
        assert part is not None
        assert (part.number, part.total) == (number, total)
        assert siblings(path)[number - 1] == path
        assert len(siblings(path)) == total


@given(
    *[
        st.builds(
            str.format,
            st.sampled_from(["{}-{:05d}-of-{:05d}.gguf", "{}.gguf.part{}of{}", "{}.gguf"]),
            st.sampled_from(["m", "a/m", "m-00001-of-00002.gguf"]),
            st.integers(0, 4),
            st.integers(1, 4),
        )
    ]
    * 2
)
def test_two_names_belong_together_if_each_is_among_the_siblings_of_the_other(one: str, two: str) -> None:
    """Told without making the names of all of them."""
    assert together(one, two) == (one in siblings(two)) == (two in siblings(one))


def test_belonging_together_needs_no_list_of_all_parts() -> None:
    """A lock of a thousand parts compares each with the request: a list for each would be a million names."""
    assert together("m-00001-of-99999.gguf", "m-99999-of-99999.gguf")  # of so many, no list is made at all

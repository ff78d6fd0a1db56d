"""The two sides of a lock that git could not merge."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import LockfileError
from modelsync.spec.lock.conflict import conflicted, sides

LINES = st.lists(
    st.sampled_from(["a = 1", "[[model]]", "", '  { x = "<<<<<<<" },', "<<<<<<", "========"]), max_size=4
)


def joined(lines: list[str]) -> str:
    """Each with its end."""
    return "".join(f"{line}\n" for line in lines)


@given(st.lists(st.tuples(LINES, LINES, LINES, st.none() | LINES), min_size=1, max_size=4), LINES)
def test_each_side_is_put_together_again(
    parts: list[tuple[list[str], list[str], list[str], list[str] | None]], end: list[str]
) -> None:
    """What is between the markers belongs to one side, all else to both; a common ancestor to neither."""
    text = ours = theirs = ""
    for common, left, right, ancestor in parts:
        base = "" if ancestor is None else f"||||||| 1234567\n{joined(ancestor)}"
        text += f"{joined(common)}<<<<<<< HEAD\n{joined(left)}{base}=======\n{joined(right)}>>>>>>> topic\n"
        ours += joined(common + left)
        theirs += joined(common + right)
    found = sides(text + joined(end))
    assert found is not None
    assert found == (ours + joined(end), theirs + joined(end), ("HEAD", "topic"))


@given(LINES)
def test_a_text_without_markers_has_no_sides(lines: list[str]) -> None:
    """Signs in the middle of a line, or of another length, are no markers."""
    assert not conflicted(joined(lines))
    assert sides(joined(lines)) is None


@given(st.lists(st.sampled_from(["<<<<<<< a", "||||||| b", "=======", ">>>>>>> c", "x"]), max_size=8))
def test_any_order_of_markers_is_read_or_refused(lines: list[str]) -> None:
    """Both sides together have no marker left, or it is an error with words."""
    with suppress(LockfileError):
        found = sides(joined(lines))
        assert found is None or not conflicted(found.ours + found.theirs)


def test_lines_may_end_as_on_windows() -> None:
    """A checkout that turned the ends of lines is read like any other."""
    assert sides("<<<<<<< HEAD\r\na\r\n=======\r\nb\r\n>>>>>>> x\r\n") == ("a\r\n", "b\r\n", ("HEAD", "x"))


def test_a_label_cannot_reach_the_terminal() -> None:
    """What stands beside a marker may be anybody's."""
    found = sides("<<<<<<< \x1b[2J\n=======\n>>>>>>> " + "x" * 500 + "\n")
    assert found is not None
    assert "\x1b" not in found.labels[0]
    assert len(found.labels[1]) < 100


def test_an_end_without_a_beginning_is_told() -> None:
    """With the line."""
    with pytest.raises(LockfileError, match=r"models\.lock:2: "):
        sides("a\n>>>>>>> x\n")

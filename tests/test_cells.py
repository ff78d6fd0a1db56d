"""Columns on a terminal: what tables, sentences and carets are laid out by."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from modelsync import cells

CHINESE, ACCENTED, EMOJI = "千问模型", "cafe\u0301", "model 💾"


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), (CHINESE, 8), (ACCENTED, 4), (EMOJI, 8), ("ﾓﾃﾞﾙ", 4), ("모델", 4)]
)
def test_a_character_takes_none_one_or_two_columns(text: str, width: int) -> None:
    """Chinese and emoji two, an accent that is drawn over another character none; the bars count the same."""
    assert cells.width(text) == width == cell_len(text)
    assert cells.width(cells.ljust(text, 10)) == cells.width(cells.rjust(text, 10)) == 10


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "Mn", "N", "P", "So", "Zs"])), st.integers(1, 30)
)
def test_what_is_shortened_fits_and_keeps_its_ends(text: str, columns: int) -> None:
    """Never more columns than there are; no accent without its character begins the end."""
    short = cells.shortened(text, columns)
    assert cells.width(short) <= columns
    if short != text:
        before, dots, after = short.partition("…") if "…" not in text else (short, "…", "")
        assert dots
        assert not after or unicodedata.category(after[0]) not in cells.NONE
        assert text.startswith(before) or "…" in text


def test_names_are_shortened_in_the_middle() -> None:
    """Wide characters count twice, and none is cut in half."""
    assert cells.shortened("abcdef", 5) == "ab…ef"
    assert cells.shortened("千问模型千问模型", 9) == "千问…模型"
    assert cells.shortened("千问模型千问模型", 8) == "千…模型"
    assert cells.shortened(CHINESE, 8) == CHINESE

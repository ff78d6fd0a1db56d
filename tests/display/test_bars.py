"""How progress is laid out: pure values."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from modelsync.display.bars import GAP, PERCENT, Bars, ColumnWidths, joined, shortened
from modelsync.transfer.progress import Event, Phase
from tests.support.units import MiB


@given(st.integers(1, 400), st.integers(0, 300), st.integers(0, 19))
def test_a_row_is_never_wider_than_the_terminal(width: int, name: int, amount: int) -> None:
    """Amounts go first where room is short, then bars; a name stays."""
    layout = ColumnWidths.fit(width, name, amount)
    parts = [part for part in (layout.name, layout.bar, PERCENT, layout.amount) if part]
    assert layout.name >= 1
    assert sum(parts) + GAP * (len(parts) - 1) <= max(width, PERCENT + GAP + 1)
    assert layout.bar == 0 or 8 <= layout.bar <= 50


@given(st.text(max_size=60), st.integers(1, 80))
def test_a_shortened_name_fits_and_keeps_its_ends(text: str, width: int) -> None:
    """Wide characters count for two; what fits is left alone."""
    short = shortened(text, width)
    assert cell_len(short) <= width
    if cell_len(text) <= width:
        assert short == text
    elif width >= 10:
        assert "…" in short


def test_names_are_shortened_in_the_middle() -> None:
    """The model's name and the quant are at the ends."""
    name = "llama3: Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"
    assert shortened(name, 30).startswith("llama3: Met")
    assert shortened(name, 30).endswith("ruct-Q4_K_M.gguf")
    assert shortened(name, 9, "...").count("...") == 1


def test_only_whole_words_are_said() -> None:
    """Where a summary does not fit, its last parts are left out, not cut."""
    words = ["2 of 5", "41.2 MiB/s", "2:31 left"]
    assert joined(words) == "2 of 5, 41.2 MiB/s, 2:31 left"
    assert joined(words, 20) == "2 of 5, 41.2 MiB/s"
    assert joined(words, 5) == ""


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_picture_is_bounded(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred files at once: eight bars, how many more there are, and one line for all."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm")
    picture = io.StringIO()
    bars = Bars(io.StringIO(), color=False)
    try:
        for number in range(100):
            phase: Phase = "fetching" if number < 60 else "waiting"
            bars.hear(Event(phase, f"model-{number}: 通义千问-{number}-Q4_K_M.gguf", number * MiB, 100 * MiB))
        Console(file=picture, width=columns).print(bars.draw())
    finally:
        bars.close()
    lines = picture.getvalue().splitlines()
    assert len(lines) == (9 if columns == 20 else 10)
    assert max(map(cell_len, lines)) <= columns
    assert lines[0].startswith("model")
    assert "52 more at work" in lines[-2] or columns == 20
    assert lines[-1].startswith("0 of 100")

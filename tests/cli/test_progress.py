"""What progress knows and how it is laid out: pure values, and plain lines into a text."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from modelsync.display import progress, units
from modelsync.display.bars import GAP, PERCENT, Bars, ColumnWidths, joined, shortened
from modelsync.transfer.progress import Event, Phase

MIB = 1 << 20

# --- the layout --------------------------------------------------------------------------------------


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
            bars.hear(Event(phase, f"model-{number}: 通义千问-{number}-Q4_K_M.gguf", number * MIB, 100 * MIB))
        Console(file=picture, width=columns).print(bars.draw())
    finally:
        bars.close()
    lines = picture.getvalue().splitlines()
    assert len(lines) == (9 if columns == 20 else 10)
    assert max(map(cell_len, lines)) <= columns
    assert lines[0].startswith("model")
    assert "52 more at work" in lines[-2] or columns == 20
    assert lines[-1].startswith("0 of 100")


# --- plain lines -------------------------------------------------------------------------------------


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the plain lines."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_plain_lines_are_few(clock: Clock) -> None:
    """The start, each quarter but at most one line in ten seconds, one in a minute at least, and the end."""
    out = io.StringIO()
    with progress.listener(out) as tell:
        assert tell is not None
        tell(Event("waiting", "a: x.gguf", 0, 1000 * MIB))
        for second in range(401):
            clock.now = 1000.0 + second
            tell(
                Event(
                    "fetching",
                    "a: x.gguf",
                    min(second * 2, 300) * MIB + max(0, second - 200) * MIB,
                    1000 * MIB,
                )
            )
        tell(Event("checking", "a: x.gguf", 900 * MIB, 1000 * MIB))
        tell(Event("done", "a: x.gguf", 1000 * MIB, 1000 * MIB))
        tell(Event("done", "a: x.gguf", 1000 * MIB, 1000 * MIB))
    lines = out.getvalue().splitlines()
    assert lines[0] == "fetching a: x.gguf  1000.0 MiB"
    assert re.fullmatch(r"fetched a: x.gguf  1000.0 MiB in 6 min 40 s, [\d.]+ \w+/s", lines[-1])
    assert all(re.fullmatch(r"fetching a: x.gguf  \d+ %  [\d.]+ \w+/s", line) for line in lines[1:-1])
    assert 4 <= len(lines) - 2 <= 10
    assert "\x1b" not in out.getvalue()


def test_a_small_file_is_two_lines_and_a_failed_one_says_so(clock: Clock) -> None:
    """Quarters of a file that comes at once are not told."""
    out = io.StringIO()
    with progress.listener(out) as tell:
        assert tell is not None
        for done in range(0, 101, 5):
            tell(Event("fetching", "a: x.gguf", done, 100))
        tell(Event("done", "a: x.gguf", 100, 100))
        tell(Event("fetching", "b: y.gguf", 0, None))
        tell(Event("failed", "b: y.gguf", 50, None))
    assert out.getvalue() == (
        "fetching a: x.gguf  100 B\nfetched a: x.gguf  100 B\nfetching b: y.gguf\nfailed b: y.gguf\n"
    )


def test_what_is_only_checked_is_not_called_fetched(clock: Clock) -> None:
    """`verify` hashes what is here; a file that was fetched and is then hashed was fetched."""
    out = io.StringIO()
    with progress.listener(out) as tell:
        assert tell is not None
        for phase, label in (
            ("checking", "a"),
            ("fetching", "b"),
            ("checking", "b"),
            ("done", "a"),
            ("done", "b"),
        ):
            tell(Event(phase, label, 0 if phase == "fetching" else 100, 200))  # type: ignore[arg-type]
    assert out.getvalue().splitlines() == [
        "checking a  200 B", "fetching b  200 B", "checked a  200 B", "fetched b  200 B",
    ]  # fmt: skip


def test_where_nothing_is_to_be_shown_there_is_no_listener() -> None:
    """`show=False`; or no terminal, where only bars are wanted."""
    out = io.StringIO()
    with progress.listener(out, show=False) as tell:
        assert tell is None
    with progress.listener(out, lines=False) as tell:
        assert tell is None
    with progress.listener(out):
        pass
    assert out.getvalue() == ""


def test_a_stream_that_is_gone_stops_no_transfer() -> None:
    """Nobody reads any more: the listener goes on taking events."""
    out = io.StringIO()
    with progress.listener(out) as tell:
        assert tell is not None
        out.close()
        tell(Event("fetching", "a", 0, 100))


# --- numbers -----------------------------------------------------------------------------------------


def test_durations_and_clocks() -> None:
    """As people say them, and as they fit into a bar."""
    assert [units.duration(s) for s in (0.04, 9.94, 9.96, 59.4, 59.6, 151, 3599.6, 11_100)] == [
        "0.0 s", "9.9 s", "10 s", "59 s", "1 min 00 s", "2 min 31 s", "1 h 00 min", "3 h 05 min",
    ]  # fmt: skip
    assert [units.clock(s) for s in (0.4, 42, 725, 11_100, 1e9)] == [
        "0:00",
        "0:42",
        "12:05",
        "3:05:00",
        "99:00:00",
    ]
    assert [units.count(n, "file") for n in (0, 1, 2_000)] == ["0 files", "1 file", "2,000 files"]

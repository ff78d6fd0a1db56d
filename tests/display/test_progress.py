"""Plain lines of progress into a text."""

import io
import re

import pytest

from modelsync.display import progress
from modelsync.transfer.progress import Event
from tests.support.units import MiB


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
        tell(Event("waiting", "a: x.gguf", 0, 1000 * MiB))
        for second in range(401):
            clock.now = 1000.0 + second
            tell(
                Event(
                    "fetching",
                    "a: x.gguf",
                    min(second * 2, 300) * MiB + max(0, second - 200) * MiB,
                    1000 * MiB,
                )
            )
        tell(Event("checking", "a: x.gguf", 900 * MiB, 1000 * MiB))
        tell(Event("done", "a: x.gguf", 1000 * MiB, 1000 * MiB))
        tell(Event("done", "a: x.gguf", 1000 * MiB, 1000 * MiB))
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

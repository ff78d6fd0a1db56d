"""Durations and counts in words."""

from modelsync.display import units


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

"""Byte counts as people write and read them: sizes, rates, and how far a transfer is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.sizes import parse, parse_rate, progress, size

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@given(
    st.integers(1000, 10**6),
    st.sampled_from(sorted(UNITS)),
    st.booleans(),
    st.sampled_from(["", "B", "/s", "B/s"]),
    st.sampled_from(["", " "]),
)
def test_a_rate_is_a_number_with_a_unit(number: int, unit: str, small: bool, end: str, gap: str) -> None:
    """`5M`, `5MB`, `5 MiB/s`, `5m`: thousands, or 1024s with an i; bytes a second whether that is said or not."""
    prefix = unit[:1].lower() + unit[1:] if small else unit
    assert parse_rate(f" {number}{gap}{prefix}{end} ") == number * UNITS[unit]


@pytest.mark.parametrize(
    ("text", "rate"), [("2.5MiB/s", 2_621_440), ("800K", 800_000), ("1000", 1000), ("0.5G", 500_000_000)]
)
def test_rates(text: str, rate: int) -> None:
    """Fractions too."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "5Mb",
        "5Mbit",
        "5Mbps",
        "-5M",
        "1e6",
        "5 i",
        "5iB",
        "5M/h",
        "inf",
        "nan",
        "\N{ARABIC-INDIC DIGIT FIVE}M",
        "5T",
    ],
)
def test_what_is_no_rate_is_told_what_one_looks_like(text: str) -> None:
    """Bits, which are an eighth of bytes, most of all."""
    with pytest.raises(ValueError, match="is no rate; 5MB, 800K and "):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0", "999", "0.5K", "5B"])
def test_a_rate_that_meant_another_unit_is_too_low(text: str) -> None:
    """`--max-rate 5` is no limit that anyone wants."""
    with pytest.raises(ValueError, match="too low a rate; 1K is the lowest"):
        parse_rate(text)


@given(
    st.integers(1, 999),
    st.sampled_from(sorted(UNITS)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", " "]),
)
def test_a_size_is_a_number_with_a_unit(number: int, unit: str, byte: bool, small: bool, gap: str) -> None:
    """`24GB`, `24G` and `24 gb` are decimal; `24GiB` and `24Gi` binary, as rates are."""
    suffix = f"{unit}B" if byte or not unit else unit
    assert parse(f" {number}{gap}{suffix.lower() if small else suffix} ") == number * UNITS[unit]


def test_a_size_means_what_a_rate_means() -> None:
    """The same text is the same number of bytes in every flag."""
    for text in ("24GB", "24GiB", "1.5M", "800 K", "4096B"):
        assert parse(text) == parse_rate(text)
    assert parse("1.5TiB") == 3 << 39
    assert parse("2TB") == 2 * 10**12


@pytest.mark.parametrize("text", ["24", " 24 ", "0", "25769803776", "1.5"])
def test_a_size_without_a_unit_is_told_what_to_write(text: str) -> None:
    """Nobody means 24 bytes of memory, and GB and GiB differ by 7 %."""
    word = text.strip()
    with pytest.raises(ValueError, match=f"has no unit; write {word}GB or {word}GiB$"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lots",
        "24 apples",
        "-1G",
        "1e9",
        "24iB",
        "24GiBB",
        "inf",
        "9000000TB",
        "\N{ARABIC-INDIC DIGIT FIVE}G",
    ],
)
def test_what_is_no_size_is_told_what_one_looks_like(text: str) -> None:
    """With both units."""
    with pytest.raises(ValueError, match="is no size; 24GB and 24GiB are"):
        parse(text)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_524, "1023.9 KiB"),
        (1_048_575, "1.0 MiB"),
        (4_920_739_232, "4.6 GiB"),
        (2**42, "4.0 TiB"),
        (2**52, "4.0 PiB"),
        (1 << 62, "4096.0 PiB"),
    ],
)
def test_printed_sizes(count: int, words: str) -> None:
    """Binary units, one decimal, never 1024.0 of one."""
    assert size(count) == words


def test_how_far_a_transfer_is() -> None:
    """Both numbers in the unit of the total."""
    assert progress(2_254_857_830, 4_920_739_232) == "2.1/4.6 GiB"
    assert progress(0, 0) == "0/0 B"

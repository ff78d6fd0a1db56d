"""What the environment says: rates as people write them, endpoints, folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import ConfigError
from modelsync.settings import bytes_a_second, from_environment

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
    assert bytes_a_second(f" {number}{gap}{prefix}{end} ") == number * UNITS[unit]


@pytest.mark.parametrize(
    ("text", "rate"), [("2.5MiB/s", 2_621_440), ("800K", 800_000), ("1000", 1000), ("0.5G", 500_000_000)]
)
def test_rates(text: str, rate: int) -> None:
    """Fractions too."""
    assert bytes_a_second(text) == rate


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
        bytes_a_second(text)


@pytest.mark.parametrize("text", ["0", "999", "0.5K", "5B"])
def test_a_rate_that_meant_another_unit_is_too_low(text: str) -> None:
    """`--max-rate 5` is no limit that anyone wants."""
    with pytest.raises(ValueError, match="too low a rate; 1K is the lowest"):
        bytes_a_second(text)


def test_the_variable_of_a_rate() -> None:
    """Empty is unset; what is no rate names the variable and says how to have no limit."""
    assert from_environment({"MODELSYNC_MAX_RATE": "5MB"}).max_rate == 5_000_000
    assert from_environment({"MODELSYNC_MAX_RATE": " "}).max_rate is None
    with pytest.raises(ConfigError, match="MODELSYNC_MAX_RATE: '5Mb' is no rate") as raised:
        from_environment({"MODELSYNC_MAX_RATE": "5Mb"})
    assert raised.value.hint == "unset MODELSYNC_MAX_RATE for no limit"


@pytest.mark.parametrize("name", ["MODEL_ENDPOINT", "HF_ENDPOINT"])
def test_an_endpoint_holds_no_login(name: str) -> None:
    """It would be shown in errors; the error about it does not show it."""
    with pytest.raises(ConfigError, match=f"^{name} holds a user or a password") as raised:
        from_environment({name: "https://me:hidden@hub.example/a"})
    assert "hidden" not in f"{raised.value} {raised.value.hint}"
    assert from_environment({name: "https://hub.example/a@b"}).endpoint == "https://hub.example/a@b"


@pytest.mark.parametrize(
    "name", ["MODELSYNC_STORE", "MODELSYNC_READONLY_STORES", "MODELSYNC_CONFIG", "HF_HOME", "HF_TOKEN_PATH"]
)
def test_a_home_that_is_not_known_is_named(name: str) -> None:
    """`~someone` who is nobody here is a mistake of the variable's."""
    with pytest.raises(ConfigError, match=f"^{name}='~no-such-user/x' is in a home folder that is not known"):
        from_environment({name: "~no-such-user/x"})

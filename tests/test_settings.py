"""What the environment says: rates, endpoints, folders."""

import pytest

from modelsync.errors import ConfigError
from modelsync.settings import check_endpoint, from_environment


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
    ("said", "meant"),
    [
        ("hf-mirror.example", "https://hf-mirror.example"),
        ("hf-mirror.example:8443/hub", "https://hf-mirror.example:8443/hub"),
        ('"https://hf-mirror.example"', "https://hf-mirror.example"),
        ("' hf-mirror.example '", "https://hf-mirror.example"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("localhost.example", "https://localhost.example"),
    ],
)
def test_an_endpoint_without_a_scheme_or_in_quotes_is_understood(said: str, meant: str) -> None:
    """As an `--env-file` leaves it, and as people type it: over TLS, but to this machine."""
    assert from_environment({"HF_ENDPOINT": said}).endpoint == meant
    assert check_endpoint("--endpoint", said) == meant


def test_quotes_around_any_variable_are_no_part_of_it() -> None:
    """A token in them would be refused by the hub."""
    found = from_environment({"HF_TOKEN": '"hf_abc"', "MODELSYNC_STORE": "'/data'", "HF_HUB_OFFLINE": '"1"'})
    assert (found.token, str(found.store), found.offline) == ("hf_abc", "/data", True)


def test_the_hub_tools_timeouts_count_where_ours_is_not_set() -> None:
    """`HF_HUB_ETAG_TIMEOUT` for metadata, `HF_HUB_DOWNLOAD_TIMEOUT` for files, `MODELSYNC_HTTP_TIMEOUT` for both."""
    theirs = {"HF_HUB_ETAG_TIMEOUT": "30", "HF_HUB_DOWNLOAD_TIMEOUT": "40"}

    def timeouts(environ: dict[str, str]) -> tuple[float, float]:
        found = from_environment(environ)
        return found.http_timeout, found.body_timeout

    assert timeouts({}) == (10, 10)
    assert timeouts(theirs) == (30, 40)
    assert timeouts({"HF_HUB_DOWNLOAD_TIMEOUT": "40"}) == (10, 40)
    assert timeouts({**theirs, "MODELSYNC_HTTP_TIMEOUT": "5"}) == (5, 5)


@pytest.mark.parametrize(
    "name", ["MODELSYNC_STORE", "MODELSYNC_READONLY_STORES", "MODELSYNC_CONFIG", "HF_HOME", "HF_TOKEN_PATH"]
)
def test_a_home_that_is_not_known_is_named(name: str) -> None:
    """`~someone` who is nobody here is a mistake of the variable's."""
    with pytest.raises(ConfigError, match=f"^{name}='~no-such-user/x' is in a home folder that is not known"):
        from_environment({name: "~no-such-user/x"})

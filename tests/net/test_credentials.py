"""Credentials: where they come from, whom they are told, and that nothing else ever shows them."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import ConfigError, UsageError
from modelsync.net.config import UserConfig
from modelsync.net.credentials import Credentials, Rule, gather
from modelsync.net.origin import Origin, is_loopback
from modelsync.settings import Settings, from_environment
from tests.support.strategies import ORIGINS

TOKEN = "hf_abcdefghijkl"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def environment(**variables: str) -> Settings:
    return from_environment(variables)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@given(ORIGINS, ORIGINS)
def test_a_credential_goes_to_its_own_origin_and_nowhere_else(home: Origin, other: Origin) -> None:
    """For every origin: its own token comes over TLS or on loopback, another's never."""
    credentials = Credentials([Rule(home.host, home.port, home.scheme, BEARER, "test")])
    safe = home.scheme == "https" or is_loopback(home.host)
    assert credentials.headers_for(f"{home}/any/path?query") == (BEARER if safe else {})
    if other != home:
        assert credentials.headers_for(f"{other}/any/path") == {}


@given(ORIGINS, st.none() | st.integers(1, 65535), st.none() | st.sampled_from(["http", "https"]))
def test_nothing_goes_over_plain_http_but_to_loopback(
    one: Origin, port: int | None, scheme: str | None
) -> None:
    """However a rule is written, no header of it goes over plain http to another machine."""
    headers = Credentials([Rule(one.host, port, scheme, BEARER, "test")]).headers_for(f"{one}/x")
    assert headers == {} or one.scheme == "https" or is_loopback(one.host)


def test_the_token_belongs_to_the_hub() -> None:
    """HF_TOKEN goes to huggingface.co, and to no mirror, CDN or look-alike."""
    credentials = gather(environment(HF_TOKEN=TOKEN), UserConfig())
    assert credentials.headers_for("https://huggingface.co/api/models/x") == BEARER
    for url in (
        "http://huggingface.co/x",
        "https://huggingface.co:8443/x",
        "https://cdn-lfs.huggingface.co/x",
        "https://huggingface.co.evil.example/x",
        "https://evil.example/huggingface.co",
        "https://huggingface.co@evil.example/x",
    ):
        assert credentials.headers_for(url) == {}


@pytest.mark.parametrize("variable", ["HF_ENDPOINT", "MODEL_ENDPOINT"])
def test_the_token_belongs_to_the_environments_own_endpoint(variable: str) -> None:
    """Where the environment names a hub, its token goes there and not to huggingface.co."""
    settings = environment(HF_TOKEN=TOKEN, **{variable: "https://hub.corp.example/hf/"})
    credentials = gather(settings, UserConfig(), endpoint="https://flag.example")
    assert credentials.headers_for("https://hub.corp.example/api/x") == BEARER
    assert credentials.headers_for("https://huggingface.co/x") == {}
    assert credentials.headers_for("https://flag.example/x") == {}


def test_an_explicit_token_belongs_to_the_explicit_endpoint() -> None:
    """A token that a caller gives goes where the caller says, before the environment's."""
    settings = environment(HF_TOKEN="hf_other", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    there = gather(settings, UserConfig(), token=TOKEN, endpoint="https://flag.example")
    assert there.headers_for("https://flag.example/x") == BEARER
    assert there.headers_for("https://huggingface.co/x") == {}
    here = gather(environment(HF_TOKEN="hf_other"), UserConfig(), token=TOKEN)
    assert here.headers_for("https://huggingface.co/x") == BEARER


def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    """HF_TOKEN_PATH, else $HF_HOME/token, where no variable holds it."""
    named, home = tmp_path / "named", tmp_path / "home"
    home.mkdir()
    named.write_text(TOKEN + "\n")
    (home / "token").write_text("hf_of_home")
    hub = "https://huggingface.co/x"
    settings = environment(HF_TOKEN_PATH=str(named), HF_HOME=str(home))
    assert gather(settings, UserConfig()).headers_for(hub) == BEARER
    settings = environment(HF_HOME=str(home))
    assert gather(settings, UserConfig()).headers_for(hub) == {"Authorization": "Bearer hf_of_home"}
    settings = environment(HF_HOME=str(home), HF_TOKEN=TOKEN)
    assert gather(settings, UserConfig()).headers_for(hub) == BEARER
    settings = environment(HF_HOME=str(tmp_path / "nowhere"))
    assert gather(settings, UserConfig()).headers_for(hub) == {}


def test_no_token_is_sent_unasked_where_that_is_forbidden(tmp_path: Path) -> None:
    """HF_HUB_DISABLE_IMPLICIT_TOKEN keeps the variable and the file at home."""
    (tmp_path / "token").write_text(TOKEN)
    settings = environment(HF_TOKEN=TOKEN, HF_HOME=str(tmp_path), HF_HUB_DISABLE_IMPLICIT_TOKEN="yes")
    assert gather(settings, UserConfig()).headers_for("https://huggingface.co/x") == {}


def test_a_token_that_is_none_is_refused_without_showing_it() -> None:
    """A token with a line break or a blank in it would be a header of its own; the error does not repeat it."""
    for bad in ("hf_a\nX-Evil: 1", "hf_a b", "hf_ä€"):
        with pytest.raises(ConfigError) as error:
            gather(Settings(), UserConfig(), token=bad)
        assert "hf_" not in str(error.value)


def test_the_users_headers_go_to_their_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in a header is expanded when it is sent, and only for that host and port."""
    config = UserConfig(
        {
            "files.corp.example": {"Authorization": "Bearer ${TEAM_TOKEN}", "X-Team": "red"},
            "files.corp.example:8443": {"X-Port": "8443"},
            "127.0.0.1:8080": {"X-Local": "${TEAM_TOKEN}${TEAM_TOKEN}"},
        }
    )
    credentials = gather(Settings(), config)
    monkeypatch.setenv("TEAM_TOKEN", "t0ps3cret")
    url = "https://files.corp.example/x"
    assert credentials.headers_for(url) == {"Authorization": "Bearer t0ps3cret", "X-Team": "red"}
    assert credentials.headers_for("https://files.corp.example:8443/x") == {"X-Port": "8443"}
    assert credentials.headers_for("http://127.0.0.1:8080/x") == {"X-Local": "t0ps3crett0ps3cret"}
    assert credentials.headers_for("http://127.0.0.1:8081/x") == {}
    assert credentials.headers_for("http://files.corp.example/x") == {}


def test_a_variable_that_is_missing_hurts_only_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other hosts are asked as ever; asking this one says which variable is missing, or holds nonsense."""
    config = UserConfig({"a.example": {"X-A": "${NOT_SET}"}, "b.example": {"X-B": "b"}}, path=Path("my.toml"))
    credentials = gather(Settings(), config)
    assert credentials.headers_for("https://b.example/") == {"X-B": "b"}
    with pytest.raises(ConfigError, match=r"my\.toml.*a\.example.*NOT_SET"):
        credentials.headers_for("https://a.example/")
    monkeypatch.setenv("NOT_SET", "secret\r\nX-Evil: 1")
    with pytest.raises(ConfigError) as error:
        credentials.headers_for("https://a.example/")
    assert "secret" not in str(error.value)


def test_netrc_logins_go_to_their_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login of .netrc goes to that machine over TLS; a default entry is nobody's, so it goes to nobody."""
    (home / ".netrc").write_text(
        "machine Files.example login me password pw\ndefault login any password all\n"
    )
    credentials = gather(Settings(), UserConfig())
    assert credentials.headers_for("https://files.example:8443/x") == basic("me", "pw")
    assert credentials.headers_for("http://files.example/x") == {}
    assert credentials.headers_for("https://other.example/x") == {}
    other = home / "other"
    other.write_text("machine other.example login you password pw\n")
    monkeypatch.setenv("NETRC", str(other))
    assert gather(Settings(), UserConfig()).headers_for("https://other.example/x") == basic("you", "pw")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices and pipes by name")
def test_a_netrc_or_a_token_without_an_end_is_not_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device, a pipe or a huge file in their place ends at once, by its name; the null device is an empty file."""
    os.mkfifo(home / "pipe")
    with (home / "huge").open("wb") as file:
        file.truncate(1 << 40)
    for path in ("/dev/zero", str(home / "pipe"), str(home / "huge")):
        monkeypatch.setenv("NETRC", path)
        with pytest.raises(ConfigError, match=path):
            gather(Settings(), UserConfig())
        monkeypatch.setenv("NETRC", os.devnull)
        credentials = gather(Settings(token_path=Path(path), implicit_token=True), UserConfig())
        assert credentials.headers_for("https://huggingface.co/x") == {}


def test_a_broken_netrc_is_an_error_with_its_line(home: Path) -> None:
    """A .netrc that cannot be read is not passed over as if there were no logins."""
    (home / ".netrc").write_text("machine a.example\nlogin\nfoo bar\n")
    with pytest.raises(ConfigError, match=r"\.netrc:\d+"):
        gather(Settings(), UserConfig())


def test_a_flags_header_goes_to_the_origin_it_is_given_with() -> None:
    """--header is for the URI's own origin, and comes before everything else."""
    flags = [
        ("https://huggingface.co/x", "authorization:  Bearer hf_flag"),
        ("http://127.0.0.1:9/x", "X-A: 1: 2"),
    ]
    credentials = gather(environment(HF_TOKEN=TOKEN), UserConfig(), headers=flags)
    assert credentials.headers_for("https://huggingface.co/y") == {"authorization": "Bearer hf_flag"}
    assert credentials.headers_for("http://127.0.0.1:9/y") == {"X-A": "1: 2"}
    assert credentials.headers_for("http://127.0.0.1:10/y") == {}


@pytest.mark.parametrize("header", ["secret", "X A: secret", "X: sec\nret", "Range: bytes=0-", ": secret"])
def test_a_malformed_header_is_refused_without_showing_it(header: str) -> None:
    """What is no header is a usage error, and its value is not repeated."""
    with pytest.raises(UsageError) as error:
        gather(Settings(), UserConfig(), headers=[("https://a.example/", header)])
    assert "ret" not in str(error.value).replace("`secret`", "")


def test_secrets_are_in_no_repr_and_can_be_blacked_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor a redacted text shows a token, a password or a header that is configured."""
    monkeypatch.setenv("TEAM_TOKEN", "t0ps3cret")
    (home / ".netrc").write_text("machine n.example login me password hunter22\n")
    config = UserConfig(
        {"c.example": {"Authorization": "Bearer ${TEAM_TOKEN}"}, "d.example": {"X-D": "${NOT_SET}"}}
    )
    credentials = gather(
        environment(HF_TOKEN=TOKEN), config, headers=[("https://f.example/", "X-Key: k3y-of-flag")]
    )
    login = basic("me", "hunter22")["Authorization"].removeprefix("Basic ")
    secrets = [TOKEN, "t0ps3cret", "k3y-of-flag", login]
    assert not any(secret in repr(credentials) for secret in secrets)
    redacted = credentials.redact(f"a {TOKEN} b Bearer t0ps3cret c k3y-of-flag d {login} e")
    assert redacted == "a *** b *** c *** d *** e"

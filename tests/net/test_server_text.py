"""What a server says is shown without the secrets that it repeats."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import HttpStatusError
from modelsync.net.client import Client
from modelsync.net.credentials import Credentials, Rule
from modelsync.net.server_text import server_text
from tests.hub import Hub, Status


def test_a_url_that_a_server_repeats_is_shown_without_its_signature(hub: Hub) -> None:
    """A CDN puts the address that was asked into `X-Error-Message`: the signature is in no message."""
    words = "cannot serve https://u:pw1234@cdn.example/m.gguf?X-Amz-Signature=5ecret&Expires=9 today"
    url = hub.file("/m.gguf", b"GGUF")
    hub.misbehave(Status(403, {"X-Error-Message": words, "X-Error-Code": "Signature=5ecret"}), where="plain")
    with Client() as client, pytest.raises(HttpStatusError) as error:
        client.get_json(url)
    shown = f"{error.value.message} {error.value.hint} {error.value.error_code} {error.value.error_message}"
    assert "5ecret" not in shown
    assert "pw1234" not in shown
    assert "cannot serve https://cdn.example/m.gguf" in shown
    assert shown.count("today") == 2


@given(
    st.sampled_from(["?", "%3F", "&", " "]),
    st.sampled_from(["Signature", "X-Amz-Security-Token", "sig-token"]),
)
def test_no_signature_is_shown(before: str, name: str) -> None:
    """In a query, quoted in another address, or alone."""
    text = f"https://cdn.example/x{before}{name}=5ecretValue"
    assert "5ecretValue" not in server_text(text)


def test_a_password_of_a_netrc_is_known() -> None:
    """The login's pair, its Base64 and its password: none is shown."""
    coded = base64.b64encode(b"user:hunter22").decode()
    rules = [Rule("h.example", None, None, {"Authorization": f"Basic {coded}"}, ".netrc")]
    said = Credentials(rules).redact(f"user:hunter22 / hunter22 / {coded}")
    assert "hunter22" not in said
    assert coded not in said


def test_a_long_text_is_looked_at_in_bounded_time() -> None:
    """A header of nothing but question marks: the time does not grow with its square."""
    assert server_text("?" * 1_000_000).startswith("???")

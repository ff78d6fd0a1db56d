"""Digests and validators, brought to one form."""

import pytest

from modelsync.errors import UsageError
from modelsync.spec.digest import etag, sha256_hex

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), f"sha256:{HEX}", f"SHA256:{HEX}", f"sha256-{HEX}", f" {HEX}\n"]
)
def test_a_sha256_has_one_form(text: str) -> None:
    """However hubs, registries and people write it, it is 64 lower-case digits."""
    assert sha256_hex(text) == HEX


@pytest.mark.parametrize("text", ["", HEX[:-1], HEX + "0", "g" * 64, f"md5:{HEX}", "sha256:", "\uff10" * 64])
def test_what_is_no_sha256_is_refused(text: str) -> None:
    """The error names what it was to be the hash of."""
    with pytest.raises(UsageError, match=r"^model\.gguf: .* no SHA-256"):
        sha256_hex(text, "model.gguf")


@pytest.mark.parametrize(
    ("header", "value"),
    [('"abc"', "abc"), ('W/"abc"', "abc"), ("abc", "abc"), ('""', None), ("", None), (None, None)],
)
def test_an_etag_is_its_value(header: str | None, value: str | None) -> None:
    """Neither quotes nor the weak mark are part of it."""
    assert etag(header) == value

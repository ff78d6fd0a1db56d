"""Mirrors as they are written: what is one, in which form it is kept, and where a digest is there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import UriError
from modelsync.spec.mirror import read

DIGEST = "ab" + "0" * 62
HERE = Path("/srv")


@pytest.mark.parametrize(
    ("text", "kind", "kept", "place"),
    [
        ("https://m.example/{sha256}", "web", "https://m.example/{sha256}", f"https://m.example/{DIGEST}"),
        ("https://M.example/", "web", "https://m.example", f"https://m.example/{DIGEST}"),
        (
            "https://m.example/{sha256:2}/{sha256}.blob",
            "web",
            "https://m.example/{sha256:2}/{sha256}.blob",
            f"https://m.example/ab/{DIGEST}.blob",
        ),
        (
            "https://m.example/x{sha256:2}",
            "web",
            "https://m.example/x{sha256:2}",
            f"https://m.example/xab/{DIGEST}",
        ),
        ("models", "folder", "/srv/models", f"/srv/models/{DIGEST}"),
        ("file:///srv/my%20models/{sha256}", "folder", "/srv/my models/{sha256}", f"/srv/my models/{DIGEST}"),
        ("file://localhost/m", "folder", "/m", f"/m/{DIGEST}"),
    ],
)
def test_a_mirror_is_read(text: str, kind: str, kept: str, place: str) -> None:
    """Its kind, its canonical form, and where a file is."""
    mirror = read(text, HERE)
    assert (mirror.kind, mirror.text, mirror.place_of(DIGEST)) == (kind, kept, place)
    assert read(kept, HERE) == mirror


@pytest.mark.parametrize("text", ["oci://r.example:5000/team/models", "oci://r.example:5000/team/models/"])
def test_a_registry_is_one(text: str) -> None:
    """Its repository, without a tag or a digest."""
    assert read(text).repository == ("r.example:5000", "team/models")


@pytest.mark.parametrize(
    "text",
    [
        "oci://r.example/team/models:v1",
        f"oci://r.example/team/models@sha256:{DIGEST}",
        "oci://r.example",
        "https://m.example/{sha512}",
        "https://{sha256}.m.example/",
        "https://me:pw@m.example/{sha256}",
        "ftp://m.example/",
        "file://other/m",
        "",
        "a\0b",
    ],
)
def test_what_is_no_mirror_is_told(text: str) -> None:
    """With what one is; a password in it is not repeated."""
    with pytest.raises(UriError) as error:
        read(text, HERE)
    assert "pw@" not in str(error.value)


@pytest.mark.parametrize("text", ["/srv/models", "file:///srv/models", "./models", "models"])
def test_a_manifest_names_no_folder(text: str) -> None:
    """Where no folder is allowed, none is read."""
    with pytest.raises(UriError):
        read(text)


@given(st.text(max_size=60) | st.text("{}sha256:/.oci-htps", max_size=40))
def test_any_text_is_a_mirror_or_an_error(text: str) -> None:
    """No crash; what is one reads the same again, and has one place for each digest."""
    try:
        mirror = read(text, HERE)
    except UriError:
        return
    assert read(mirror.text, HERE) == mirror
    if mirror.kind != "oci":
        assert mirror.place_of(DIGEST) != mirror.place_of("c" * 64)

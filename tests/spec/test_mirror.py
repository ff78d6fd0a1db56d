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
    ("text", "words"),
    [
        ("https://m.example:99999/{sha256}", "has the port `99999`"),
        ("https://m.example:0/{sha256}", "has the port `0`"),
        ("https://m.example:https/{sha256}", "has the port `https`"),
        ("https://m.example:/{sha256}", "has the port ``"),
        ("oci://r.example:99999/team/models", "has the port `99999`"),
        ("oci://[::1]:x/team/models", "has the port `x`"),
        ("https:///{sha256}", "names no host"),
        ("https://m..example/{sha256}", "names no host"),
        ("https://127.1/{sha256}", "names no host"),
        ("oci://1.2.3.4.5/team/models", "names no host"),
        ("https://me:pw@m.example/{sha256}", "holds a user or a password"),
        ("https://me:pw@m.example/{md5}", "holds a user or a password"),
        ("oci://me:pw@r.example/team/models", "holds a user or a password"),
        ("https://m.example/{sha256}?sig=pw@x", "has a `?` or a `#`"),
        ("https://m.example/{sha256}#x", "has a `?` or a `#`"),
        ("oci://r.example/team/models?x=1", "has a `?` or a `#`"),
        ("https://m.example/{sha512}", "has braces that mean nothing"),
        ("https://m.example/{sha256:0}/{sha256}", "has braces that mean nothing"),
        ("https://m.example/{sha256:65}/{sha256}", "has braces that mean nothing"),
        ("https://m.example/{sha256", "has braces that mean nothing"),
        ("/srv/{sha256:3}/{sha256}", "has braces that mean nothing"),
        ("/srv/{digest}", "has braces that mean nothing"),
        ("https://{sha256}.m.example/", "has the digest in its host"),
        ("https://m.example/a/../{sha256}", "has a path with a part `.` or `..`"),
        ("https://m.example/a b/{sha256}", "is not written as a URL"),
        ("oci://r.example/team/models:v1", "has a tag or a digest"),
        (f"oci://r.example/team/models@sha256:{DIGEST}", "has a tag or a digest"),
        ("oci://r.example", "names no repository"),
        ("oci://r.example/{sha256}", "names no repository"),
        ("oci://r.example/Team/models", "has capital letters"),
        ("ftp://m.example/", "is of no kind that can be a mirror"),
        ("s3://bucket/{sha256}", "is of no kind that can be a mirror"),
        ("docker:team/models", "is of no kind that can be a mirror"),
        ("file://other/m", "names another machine"),
        ("", "is an empty text"),
        (" https://m.example/{sha256}", "begins or ends with a blank"),
        ("a\0b", "has an invisible character"),
    ],
)
def test_what_is_no_mirror_is_told(text: str, words: str) -> None:
    """As it was written, with what is wrong and what is right; a password in it is not repeated."""
    with pytest.raises(UriError) as error:
        read(text, HERE)
    assert words in error.value.message
    assert error.value.hint
    assert "pw" not in str(error.value)
    assert "000" not in error.value.message.replace(DIGEST, "")


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

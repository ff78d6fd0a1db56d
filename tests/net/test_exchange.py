"""What is asked for an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import UriError
from modelsync.net.exchange import request_url
from modelsync.net.origin import of
from tests.support.strategies import ORIGINS


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_target_is_always_fit_to_be_sent(path: str, query: str) -> None:
    """Whatever stands in an address, what goes on the request line is printable ASCII without spaces."""
    try:
        sent = request_url(f"https://host.example/{path}?{query}").raw_path
    except UriError:  # a control character
        return
    assert sent.startswith(b"/")
    assert sent.isascii()
    assert sent.decode().isprintable()
    assert b" " not in sent


def test_what_is_quoted_already_stays_so() -> None:
    """A signed address is sent byte by byte as it came."""
    url = "https://h/a%2Fb%20c?x=%2B&sig=a+b/c=~"
    assert request_url(url).raw_path == b"/a%2Fb%20c?x=%2B&sig=a+b/c=~"


@given(ORIGINS, st.sampled_from(["", "/x", "?q", "/x?q#f", "#f"]))
def test_a_request_goes_to_the_origin_that_its_address_is_judged_by(origin: object, rest: str) -> None:
    """One reading of an address decides about credentials, another about the connection: they agree."""
    assert of(str(request_url(f"{origin}{rest}"))) == origin


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://me:pw@Host.example./x", "https://host.example/x"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://a.example\\@b.example/x", "https://b.example/x"),
        ("https://a.example%2fb.example/x", None),
        ("https://a.example/" + "x" * 70_000, None),
    ],
)
def test_a_host_is_read_once(url: str, asked: str | None) -> None:
    """A user is dropped, a name is made ASCII, and all that follows is of that one reading."""
    if asked is None:
        with pytest.raises(UriError):
            request_url(url)
    else:
        assert str(request_url(url)) == asked

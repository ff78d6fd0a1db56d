"""Origins: what is one, and which are of the open Internet."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import UriError
from modelsync.net import origin
from modelsync.net.origin import Origin
from tests.support.strategies import ORIGINS


@given(ORIGINS)
def test_an_origin_reads_as_it_is_written(one: Origin) -> None:
    """What `str` writes of an origin, `of` reads, and nothing behind it matters."""
    assert origin.of(str(one)) == one
    assert origin.of(f"{str(one).upper()}/Some/Path?query#fragment") == one


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://HuggingFace.co/x", ("https", "huggingface.co", 443)),
        ("http://localhost:8080", ("http", "localhost", 8080)),
        ("https://user:secret@host.example/", ("https", "host.example", 443)),
        ("https://host.example./x", ("https", "host.example", 443)),
        ("https://[::1]:8443/x", ("https", "::1", 8443)),
        ("https://bücher.example/x", ("https", "xn--bcher-kva.example", 443)),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, expected: tuple[str, str, int]) -> None:
    """Case, a user, a path and the root's dot do not count; a default port is filled in."""
    assert origin.of(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "host.example/x",
        "https:///x",
        "https://host:0/",
        "https://host:99999/",
        "https://host:port/",
        "https://ho st/",
        "https://ho\nst/",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://a..b/",
        f"https://{'a' * 254}/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """An address without a scheme, host or port that can be asked is an error, not a guess."""
    with pytest.raises(UriError):
        origin.of(url)


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3", "10.0.0.0x1"])
def test_a_number_in_disguise_is_no_host(host: str) -> None:
    """Spellings of IPv4 that only the C library understands cannot slip past a check of the address."""
    with pytest.raises(UriError):
        origin.of(f"http://{host}/")


def test_an_address_is_shown_without_its_secrets() -> None:
    """User, query and fragment are never shown, and control characters are escaped."""
    assert origin.public_url("https://me:pw@host.example/a\x1b/b?X-Amz-Signature=abc#f") == (
        "https://host.example/a\\x1b/b"
    )
    assert "pw" not in origin.public_url("ftp://me:pw@host.example/a?sig=abc")
    with pytest.raises(UriError) as error:
        origin.of("ftp://me:pw@host.example/a?sig=abc")
    assert "pw" not in str(error.value)
    assert "abc" not in str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:c0a8:101::1", "64:ff9b::10.0.0.1", "nonsense",
    ],
)  # fmt: skip
def test_addresses_of_this_machine_and_network_are_not_public(address: str) -> None:
    """Loopback, link-local, private, shared and multicast addresses are not public, also wrapped in IPv6."""
    assert not origin.is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    """A global address is public, also wrapped in IPv6."""
    assert origin.is_public(address)
    assert not origin.is_loopback(address)


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_changes_nothing(address: ipaddress.IPv4Address) -> None:
    """An IPv4 address is as public written as IPv6, and loopback in no other wrapping than the socket's own."""
    public = origin.is_public(str(address))
    assert origin.is_public(f"::ffff:{address}") == public
    assert origin.is_loopback(f"::ffff:{address}") == origin.is_loopback(str(address)) == address.is_loopback
    assert not origin.is_loopback(f"64:ff9b::{address}")


@pytest.mark.parametrize("host", ["localhost", "hub.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_known_by_name_and_address(host: str) -> None:
    """localhost, the names under it, and the loopback addresses mean this machine."""
    assert origin.is_loopback(host)
    assert origin.is_local(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "notlocalhost", "127.0.0.1.example", "2002:7f00:1::", "0.0.0.0"]
)
def test_what_only_resembles_loopback_is_not(host: str) -> None:
    """A name that begins or ends like loopback is not, and gets no credential over plain http."""
    assert not origin.is_loopback(host)

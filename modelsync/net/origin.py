"""Origins: scheme, host and port. What a credential belongs to, and what a redirect may cross."""

from typing import NamedTuple


class Origin(NamedTuple):
    """Scheme, host and port of an http(s) address; host in lower case, IPv6 without brackets."""

    scheme: str
    host: str
    port: int


def of(url: str) -> Origin:
    """The origin of an absolute http(s) address.

    Raises:
        UriError: the address has no host, another scheme, or an impossible port.
    """
    raise NotImplementedError


def public_url(url: str) -> str:
    """The address as it may be shown: without user, query and fragment, cleaned of control characters."""
    raise NotImplementedError

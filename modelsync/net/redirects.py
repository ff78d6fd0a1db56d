"""Which addresses may be requested, and which redirects followed. Pure: no name is resolved here."""

import re
from urllib.parse import urljoin, urlsplit

from modelsync.errors import RefusedError, UriError
from modelsync.net.origin import Origin, is_local, is_loopback, of, public_url
from modelsync.net.retry import FinalNetworkError

MAX_REDIRECTS = 5
_LONGEST = 32 * 1024  # characters of an address
STATUSES = frozenset({301, 302, 303, 307, 308})


def check_scheme(url: str, insecure_hosts: frozenset[str]) -> Origin:
    """The origin of an address that may be asked: over TLS, on loopback, or on one of the insecure hosts.

    Raises:
        UriError: it is no http(s) address.
        RefusedError: it is plain http to another host.
    """
    origin = of(url)
    if origin.scheme == "https" or is_loopback(origin.host):
        return origin
    if insecure_hosts & {origin.bare_host, f"{origin.bare_host}:{origin.port}"}:
        return origin
    raise RefusedError(
        f"{public_url(url)} is plain http: anyone on the way could read and change it",
        hint=f'use https, or add `insecure-hosts = ["{origin.authority}"]` to your own config.toml',
    )


def location(here: str, header: str) -> str:
    """The absolute address that a `Location` header means, without its fragment.

    Args:
        here: The address that gave it.
        header: Its bytes as Latin-1, as headers are decoded; what is not ASCII in it is percent-encoded.

    Raises:
        FinalNetworkError: it is none that can be asked.
    """
    header = re.sub(r"[\x80-\xff]", lambda byte: f"%{ord(byte[0]):02X}", header.strip())
    try:
        there = urljoin(here, header).partition("#")[0]
        of(there)
        if len(there) > _LONGEST:
            raise UriError("too long")
        if not header.isprintable() or "@" in urlsplit(there).netloc:  # urljoin drops a tab without a word
            raise UriError("a control character, or a user")
    except (ValueError, UriError):
        raise FinalNetworkError(
            f"{public_url(here)} redirects to `{public_url(header)}`, which is no address to follow"
        ) from None
    return there


def check_redirect(
    here: str, there: str, *, from_public: bool, insecure_hosts: frozenset[str] = frozenset()
) -> Origin:
    """Whether a redirect may be followed, as far as its address alone tells.

    Args:
        here: The address that redirected.
        there: The absolute address that it redirects to.
        from_public: Whether this or an earlier one on the way was a host of the open Internet.
        insecure_hosts: Hosts that the user lets be asked over plain http.

    Returns:
        The origin to ask next.

    Raises:
        RefusedError: it leads from https to http, to plain http elsewhere than to loopback and the insecure
            hosts, or from the open Internet to a host whose name says that it is none of it.
    """
    if of(here).scheme == "https" and of(there).scheme == "http":
        raise RefusedError(f"{_step(here, there)}: from https to plain http is not followed")
    origin = check_scheme(there, insecure_hosts)
    if from_public and is_local(origin.host):
        raise RefusedError(f"{_step(here, there)}: from a public host into this network is not followed")
    return origin


def _step(here: str, there: str) -> str:
    return f"{public_url(here)} redirects to {public_url(there)}"

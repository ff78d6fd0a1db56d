"""Origins: scheme, host and port. What a credential belongs to, and what a redirect may cross."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from modelsync.errors import UriError
from modelsync.spec.names import printable

DEFAULT_PORTS = {"http": 80, "https": 443}

_END = re.compile(r"[/?#]")  # of an authority
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
# What inet_aton reads as an address though it does not look like one: `127.1`, `0x7f000001`, `2130706433`.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NAT64 = IPv6Network("64:ff9b::/96")


class Origin(NamedTuple):
    """Scheme, host and port of an http(s) address; host in lower case, IPv6 without brackets.

    `str()` is the origin as people write it, without a default port.
    """

    scheme: str
    host: str
    port: int

    @property
    def bare_host(self) -> str:
        """The host as it stands in an address: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own: what a `Host` header says."""
        own = self.port == DEFAULT_PORTS[self.scheme]
        return self.bare_host if own else f"{self.bare_host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def of(url: str) -> Origin:
    """The origin of an absolute http(s) address.

    Raises:
        UriError: the address has no host, another scheme, or an impossible port.
    """
    if _CONTROL.search(url):  # urlsplit would drop some of them without a word
        raise UriError(f"`{_shown(url)}` has control characters in it")
    scheme, slashes, rest = url.partition("//")
    authority = _END.split(rest, maxsplit=1)[0].rpartition("@")[2]
    try:
        return _origin(f"{scheme}{slashes}{authority}")
    except ValueError as error:
        raise UriError(f"`{_shown(url)}` {error}") from None


@lru_cache(maxsize=64)  # one request asks some ten times; of no address is more kept than its origin
def _origin(bare: str) -> Origin:
    """The origin of an address that is nothing more; raises ValueError that says what the address is not."""
    try:
        parts = urlsplit(bare)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"is not an address: {printable(str(error))}") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("is not an http or https address")
    checked = _checked_host(host)
    if checked is None or port == 0:
        raise ValueError("names no host that can be asked")
    return Origin(parts.scheme, checked, port or DEFAULT_PORTS[parts.scheme])


def public_url(url: str) -> str:
    """The address as it may be shown: without user, query and fragment, cleaned of control characters."""
    try:
        return printable(f"{of(url)}{urlsplit(url).path}", limit=500)
    except UriError:
        return _shown(url)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address says that it is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    ip = _address(host)
    return ip is not None and ((isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip).is_loopback


def is_safe(origin: Origin) -> bool:
    """Whether a credential may be sent there: over TLS, or to this machine."""
    return origin.scheme == "https" or is_loopback(origin.host)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet: not loopback, link-local, private, shared or multicast."""
    ip = _address(address)
    if isinstance(ip, IPv6Address):
        ip = _wrapped(ip) or ip
    return ip is not None and ip.is_global and not ip.is_multicast


def is_local(host: str) -> bool:
    """Whether a host's name alone, unresolved, says that it is not one of the open Internet."""
    return is_loopback(host) or (_address(host) is not None and not is_public(host))


@lru_cache(maxsize=256)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _wrapped(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4 or NAT64."""
    nat64 = IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None
    return ip.ipv4_mapped or ip.sixtofour or nat64


def _checked_host(host: str) -> str | None:
    """A host as it is compared and asked for; None for what is none."""
    if ":" in host:
        return host if "%" not in host and _address(host) is not None else None
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not _HOST.fullmatch(host) or ".." in host:
        return None
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and _address(host) is None:
        return None
    return host


def _shown(url: str) -> str:
    """An address that could not be read, without what may be a secret in it."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return printable(re.sub(r"//[^/]*@", "//", bare))

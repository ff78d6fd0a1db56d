"""The proxy that the environment, or the system's settings, name for an address."""

import ipaddress
import urllib.request
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from modelsync.errors import ConfigError
from modelsync.net.origin import Origin, is_loopback
from modelsync.spec.names import printable

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Proxy(NamedTuple):
    """A proxy. `str()` leaves out its user and password, and so does `repr()`."""

    scheme: str
    host: str
    port: int
    auth: tuple[str, str] | None = None

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS5."""
        return self.scheme.startswith("socks5")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def __repr__(self) -> str:
        return f"Proxy({self})"


class Proxies:
    """`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` (or the system's), as they are at the moment.

    This machine itself is never asked through a proxy: what is sent to loopback may be a secret, and to a proxy
    "localhost" is another machine.
    """

    def __init__(self) -> None:
        self._by_scheme = urllib.request.getproxies()

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The proxy to ask this origin through, or None.

        Raises:
            ConfigError: the setting that applies is not a proxy's address.
        """
        which = origin.scheme if self._by_scheme.get(origin.scheme) else "all"
        setting = self._by_scheme.get(which)
        if not setting or is_loopback(origin.host) or self._exempt(origin):
            return None
        return _parsed(setting, f"{which.upper()}_PROXY")

    def _exempt(self, origin: Origin) -> bool:
        patterns = self._by_scheme.get("no", "").lower().split(",")
        if any(_fits(pattern.strip(), origin) for pattern in patterns):
            return True
        return bool(urllib.request.proxy_bypass(origin.host))  # knows the exceptions of Windows and macOS


def _fits(pattern: str, origin: Origin) -> bool:
    """Whether one entry of NO_PROXY means this origin: `*`, a network, or a domain with or without a port."""
    if pattern in {"", "*"}:
        return pattern == "*"
    try:
        return ipaddress.ip_address(origin.host) in ipaddress.ip_network(pattern.strip("[]"), strict=False)
    except ValueError:
        pass
    host, colon, port = pattern.rpartition(":")
    if colon and port.isdecimal() and int(port) != origin.port:
        return False
    name = (host if colon and port.isdecimal() else pattern).removeprefix("*").removeprefix(".").strip("[]")
    return origin.host == name or origin.host.endswith("." + name)


def _parsed(setting: str, variable: str) -> Proxy:
    try:
        parts = urlsplit(setting if "://" in setting else f"http://{setting}")
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        scheme, host, port, parts = "", None, None, None
    if scheme not in _PORTS or not host or parts is None:
        bare = printable(setting.rpartition("@")[2])
        raise ConfigError(
            f"{variable} is `{bare}`, which is no proxy", hint=f"for example {variable}=http://proxy:3128"
        )
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Proxy(scheme, host, port or _PORTS[scheme], auth)

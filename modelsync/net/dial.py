"""From a route to a channel that leads to its server: a socket, a proxy's tunnel, TLS."""

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from ssl import SSLContext
from typing import NamedTuple

import h11
import httpx2

from modelsync.net.channels import ByteChannel, TlsChannel
from modelsync.net.connect import Connector
from modelsync.net.deadline import Floor, TooSlowError
from modelsync.net.http1 import LONGEST_HEAD, ExcessError, FramedBody
from modelsync.net.origin import Origin
from modelsync.net.proxies import Proxy

Timeouts = Mapping[str, float | None]  # seconds by `connect`, `read` and `write`, as httpx2 has them

_SOCKS_REPLIES = (
    "succeeded",
    "general failure",
    "connection not allowed by ruleset",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "TTL expired",
    "command not supported",
    "address type not supported",
)


class Route(NamedTuple):
    """How a server is reached.

    Attributes:
        origin: The server.
        proxy: The proxy on the way, or None.
        public_only: Whether only addresses of the open Internet may be connected to. A proxy resolves names itself and
            may be anywhere, so with one this is False.
    """

    origin: Origin
    proxy: Proxy | None
    public_only: bool

    @property
    def forwarded(self) -> bool:
        """Whether the proxy reads the request and passes it on, as it does with plain http."""
        return self.proxy is not None and not self.proxy.is_socks and self.origin.scheme == "http"


def dial(
    route: Route, cancel: threading.Event, context: Callable[[], SSLContext], timeouts: Timeouts
) -> ByteChannel:
    """Connects, through the proxy if there is one, and makes TLS where the scheme says so.

    Args:
        route: Where to.
        cancel: Once set, every wait ends with CancelledError.
        context: For TLS; called where it is spoken.
        timeouts: Seconds.

    Raises:
        httpx2.ProxyError: the proxy does not connect.
        OSError, httpx2.TransportError: there is no connection.
        RefusedError: the host has no address that may be connected to.
        ConfigError: the certificates cannot be read.
    """
    origin, proxy, timeout = route.origin, route.proxy, timeouts.get("connect")
    encrypts = "https" in (origin.scheme, proxy and proxy.scheme)
    trusted = context() if encrypts else None  # before anything connects: they may be missing
    connector = Connector(cancel, public_only=route.public_only)
    channel: ByteChannel = connector.connect_tcp(*(proxy or origin)[1:3], timeout)
    floor = Floor()  # it counts nothing: all handshakes together have one window
    with _closed_on_error(channel):
        channel.hold_to(floor)
        if trusted and proxy is not None and proxy.scheme == "https":
            channel = TlsChannel(channel, trusted, proxy.host, timeout)
        if proxy is not None and proxy.is_socks:
            _through_socks(channel, proxy, origin, timeouts)
        elif proxy is not None and not route.forwarded:
            _through_http(channel, proxy, origin, timeouts)
            channel.hold_to(floor)
        if trusted and origin.scheme == "https":
            channel = TlsChannel(channel, trusted, origin.host, timeout)
        channel.hold_to(None)
    return channel


def proxy_authorization(proxy: Proxy) -> list[tuple[bytes, bytes]]:
    """The header that tells an http proxy its user and password; none where it has none."""
    if proxy.auth is None:
        return []
    pair = base64.b64encode(":".join(proxy.auth).encode())
    return [(b"Proxy-Authorization", b"Basic " + pair)]


@contextlib.contextmanager
def _closed_on_error(channel: ByteChannel) -> Iterator[None]:
    try:
        yield
    except BaseException:
        channel.close()
        raise


def _through_http(channel: ByteChannel, proxy: Proxy, origin: Origin, timeouts: Timeouts) -> None:
    """Has an http proxy connect to the server (CONNECT)."""
    target = f"{origin.bare_host}:{origin.port}".encode()
    protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * LONGEST_HEAD)
    headers = [(b"Host", target), (b"Accept", b"*/*"), *proxy_authorization(proxy)]
    request = protocol.send(h11.Request(method=b"CONNECT", target=target, headers=headers))
    channel.write((request or b"") + (protocol.send(h11.EndOfMessage()) or b""), timeouts.get("write"))
    try:
        head = FramedBody(protocol, channel, timeouts.get("read")).head(Floor())
    except (ExcessError, TooSlowError) as error:
        raise httpx2.ProxyError(str(error)) from error
    if not 200 <= head.status_code < 300:
        raise httpx2.ProxyError(f"{head.status_code} {head.reason.decode('ascii', 'ignore')}")


def _through_socks(channel: ByteChannel, proxy: Proxy, origin: Origin, timeouts: Timeouts) -> None:
    """Has a SOCKS5 proxy connect to the server (RFC 1928; RFC 1929 for the password). It resolves the name."""
    write, read = timeouts.get("write"), timeouts.get("read")
    wanted = 2 if proxy.auth else 0
    channel.write(bytes([5, 1, wanted]), write)
    version, method = _exactly(channel, 2, read)
    if version != 5:
        raise httpx2.ProxyError("it speaks no SOCKS5")
    if method != wanted:
        offered = "a username and password" if proxy.auth else "no username and password"
        raise httpx2.ProxyError(f"it does not accept {offered}")
    if proxy.auth:
        user, password = (word.encode()[:255] for word in proxy.auth)
        channel.write(bytes([1, len(user)]) + user + bytes([len(password)]) + password, write)
        if _exactly(channel, 2, read)[1] != 0:
            raise httpx2.ProxyError("it does not accept the username and password")
    channel.write(bytes([5, 1, 0]) + _socks_address(origin.host) + origin.port.to_bytes(2, "big"), write)
    _, reply, _, kind = _exactly(channel, 4, read)
    if reply != 0:
        said = _SOCKS_REPLIES[reply] if reply < len(_SOCKS_REPLIES) else f"reply {reply}"
        raise httpx2.ProxyError(said)
    _exactly(channel, {1: 4, 4: 16}.get(kind) or _exactly(channel, 1, read)[0], read)
    _exactly(channel, 2, read)


def _socks_address(host: str) -> bytes:
    try:
        packed = ip_address(host).packed
    except ValueError:
        name = host.encode()
        return bytes([3, len(name)]) + name
    return bytes([1 if len(packed) == 4 else 4]) + packed


def _exactly(channel: ByteChannel, size: int, timeout: float | None) -> bytes:
    data = memoryview(bytearray(size))
    filled = 0
    while filled < size:
        count = channel.read_into(data[filled:], timeout)
        if not count:
            raise httpx2.ProxyError("it hung up")
        filled += count
    return bytes(data)

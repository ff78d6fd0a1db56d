"""From a host's name to a connected socket, with the addresses checked.

Names are resolved here, and only an address that was checked is connected to: no second answer of a name server can
lead elsewhere. A host's addresses are tried a quarter of a second apart, so that a dead IPv6 route costs no timeout
(RFC 8305).
"""

import contextlib
import errno
import os
import selectors
import socket
import threading
import time
from typing import Any, NamedTuple, cast

import httpx2

from modelsync.errors import RefusedError
from modelsync.net.channels import SocketChannel
from modelsync.net.deadline import Clock
from modelsync.net.origin import is_loopback, is_public

_HEAD_START = 0.25  # seconds that an address has before the next one is tried as well


class Address(NamedTuple):
    """One of a host's addresses, as `socket` takes them."""

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """The IP address."""
        return str(self.sockaddr[0])


class Connector:
    """Resolves, checks and connects.

    Args:
        cancel: Once set, every wait ends with CancelledError.
        public_only: Connect to hosts of the open Internet alone: where a redirect from one of them leads.
    """

    def __init__(self, cancel: threading.Event, *, public_only: bool = False) -> None:
        self._cancel = cancel
        self._public_only = public_only

    def connect_tcp(self, host: str, port: int, timeout: float | None = None) -> SocketChannel:
        """Connects to one of the host's addresses.

        Raises:
            RefusedError: it has none that may be connected to.
            socket.gaierror: it has none at all.
            OSError: none of them answers; the last one's.
            httpx2.ConnectTimeout: none has answered in time.
        """
        clock = Clock(timeout, self._cancel)
        try:
            addresses = self.allowed(host, resolve(host, port, clock))
            sock = connect(addresses, clock)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("no answer") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketChannel(sock, self._cancel)

    def allowed(self, host: str, addresses: list[Address]) -> list[Address]:
        """Those of a host's addresses that may be connected to.

        Raises:
            RefusedError: there are none.
        """
        hint = None
        if self._public_only:
            kept = [address for address in addresses if is_public(address.ip)]
            why = "a public host redirects to it, and its address is not a public one"
            hint = "if this network has its own copy of the hub, name that as the endpoint: HF_ENDPOINT=https://…"
        elif is_loopback(host):
            kept = [address for address in addresses if is_loopback(address.ip)]
            why = "its name says that it is this machine, and its address that it is not"
        else:
            return addresses
        if not kept:
            found = ", ".join(address.ip for address in addresses)
            raise RefusedError(f"{host} ({found}) is not asked: {why}", hint=hint)
        return kept


def resolve(host: str, port: int, clock: Clock) -> list[Address]:
    """A host's addresses in the system's order of preference.

    Raises:
        socket.gaierror: there are none.
        TimeoutError, CancelledError: of the clock.
    """
    with contextlib.suppress(socket.gaierror):
        return _addresses(host, port, socket.AI_NUMERICHOST)
    answer: list[list[Address] | OSError] = []

    def ask() -> None:
        try:
            answer.append(_addresses(host, port))
        except OSError as error:
            answer.append(error)

    # The resolver cannot be interrupted. A daemon is left behind with it: no exit waits for it either.
    thread = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(clock.tick())
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]


def _addresses(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM, flags=flags)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


def connect(addresses: list[Address], clock: Clock) -> socket.socket:
    """A non-blocking socket to the first of the addresses that answers.

    Raises:
        OSError: none does; what the last one said.
        TimeoutError, CancelledError: of the clock.
    """
    waiting = list(reversed(addresses))
    begun: set[socket.socket] = set()
    failure = OSError("it has no address")
    next_start = 0.0
    try:
        with selectors.DefaultSelector() as selector:
            while waiting or begun:
                if waiting and (not begun or time.monotonic() >= next_start):
                    next_start = time.monotonic() + _HEAD_START
                    try:
                        sock = _begin(waiting.pop())
                    except OSError as error:
                        failure = error
                        continue
                    begun.add(sock)
                    selector.register(sock, selectors.EVENT_WRITE)
                for key, _ in selector.select(clock.tick()):
                    sock = cast("socket.socket", key.fileobj)
                    selector.unregister(sock)
                    begun.remove(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return sock
                    sock.close()
                    failure = OSError(code, os.strerror(code))
    finally:
        for sock in begun:
            sock.close()
    raise failure


def _begin(address: Address) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address.sockaddr)
        if code not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK}:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock

"""Sockets as httpcore2 wants them: its `NetworkStream`, with large reads that can be cancelled.

`read_into` is for who has a buffer: the bytes of a body are not touched between the socket, or the cipher, and the
file. A `read`, which httpcore2 does through a proxy, gives what is there, up to `READ` bytes, whatever the smaller
number that it asks for: a gigabyte in pieces of 64 KiB, or in the 16 KiB of a TLS record, costs Python a second more.
"""

import contextlib
import functools
import selectors
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import httpcore2

from modelsync.net.deadline import Clock, Selector

READ = 256 * 1024  # bytes
CIPHERTEXT = 256 * 1024  # bytes taken from the socket at once; what they become stays in a core's own cache

T = TypeVar("T")


class Stream(httpcore2.NetworkStream, ABC):
    """A stream that can also fill a buffer."""

    @property
    @abstractmethod
    def waited(self) -> float:
        """Seconds that its reads have waited for bytes so far."""

    @abstractmethod
    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        """Waits for bytes and fills `buffer` with those that are there; 0: the other side has finished."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Reads what is there, at least a byte unless the other side has finished."""
        buffer = memoryview(bytearray(max(max_bytes, READ)))
        return bytes(buffer[: self.read_into(buffer, timeout)])


class SocketStream(Stream):
    """A connected TCP socket."""

    def __init__(self, sock: socket.socket, cancel: threading.Event) -> None:
        self._sock = sock
        self._cancel = cancel
        self._waited = 0.0
        self._peer = sock.getpeername()  # now: of a connection that was reset it cannot be asked

    @property
    def waited(self) -> float:
        """Seconds that its reads have waited for bytes so far."""
        return self._waited

    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        """Waits for bytes and fills `buffer` with those that are there; 0: the other side has finished."""
        clock = Clock(timeout, self._cancel)
        try:
            while True:
                try:
                    return self._sock.recv_into(buffer)
                except BlockingIOError:
                    begun = time.monotonic()
                    clock.until_ready(self._sock, selectors.EVENT_READ)
                    self._waited += time.monotonic() - begun
        except TimeoutError as error:
            raise httpcore2.ReadTimeout from error
        except OSError as error:
            raise httpcore2.ReadError(error) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Writes all of it."""
        clock = Clock(timeout, self._cancel)
        view = memoryview(buffer)
        try:
            while view:
                try:
                    view = view[self._sock.send(view) :]
                except BlockingIOError:
                    clock.until_ready(self._sock, selectors.EVENT_WRITE)
        except TimeoutError as error:
            raise httpcore2.WriteTimeout from error
        except OSError as error:
            raise httpcore2.WriteError(error) from error

    def close(self) -> None:
        """Closes the socket."""
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "TlsStream":
        """TLS over this stream, its handshake done and the certificate verified."""
        return TlsStream(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore2 asks for: whether an idle connection has something to read, addresses, the socket."""
        if info == "is_readable":
            return self._readable()
        if info == "server_addr":
            return self._peer
        if info == "client_addr":
            return self._sock.getsockname()
        return self._sock if info == "socket" else None

    def _readable(self) -> bool:
        if self._sock.fileno() < 0:
            return True
        with Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(0))


class TlsStream(Stream):
    """TLS over any other stream, TLS included (an https proxy).

    It decrypts in memory rather than on the socket: one system call then fetches many records, and the handshake waits
    as every other read does.
    """

    def __init__(
        self,
        below: Stream,
        context: ssl.SSLContext,
        hostname: str | None,
        timeout: float | None,
    ) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ciphertext = memoryview(bytearray(CIPHERTEXT))
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        try:
            self._perform(self._tls.do_handshake, timeout)
        except BaseException:
            with contextlib.suppress(Exception):  # the alert that says why
                below.write(self._outgoing.read(), timeout)
            below.close()
            raise

    @property
    def waited(self) -> float:
        """As of the stream below."""
        return self._below.waited

    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        """Waits for a record and fills `buffer` from those that are there; 0: the other side has finished."""
        try:
            return self._perform(functools.partial(self._decrypt, buffer), timeout)
        except ssl.SSLError as error:
            raise httpcore2.ReadError(error) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Writes all of it."""
        view = memoryview(buffer)
        try:
            while view:
                view = view[self._perform(functools.partial(self._tls.write, view), timeout) :]
        except ssl.SSLError as error:
            raise httpcore2.WriteError(error) from error

    def close(self) -> None:
        """Closes the stream below."""
        self._below.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "TlsStream":
        """TLS inside this TLS."""
        return TlsStream(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """As of the stream below, and the TLS object."""
        if info == "ssl_object":
            return self._tls
        if info == "is_readable" and self._incoming.pending:
            return True
        return self._below.get_extra_info(info)

    def _decrypt(self, buffer: memoryview) -> int:
        """Fills the buffer from what has arrived; 0 is the other side's proper end."""
        filled, size, read = 0, len(buffer), self._tls.read
        try:
            while filled < size and (count := read(size - filled, buffer[filled:])):
                filled += int(count)
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError:
            if not filled:  # else these bytes first: what is wrong will be so again at the next read
                raise
        return filled

    def _perform(self, step: Callable[[], T], timeout: float | None) -> T:
        """One step of TLS, with the bytes carried that it wants to send or to see."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._send(timeout)
                count = self._below.read_into(self._ciphertext, timeout)
                if count:
                    self._incoming.write(self._ciphertext[:count])
                else:
                    self._incoming.write_eof()
            else:
                self._send(timeout)
                return result

    def _send(self, timeout: float | None) -> None:
        if self._outgoing.pending:
            self._below.write(self._outgoing.read(), timeout)

"""Sockets, plain and under TLS, with large reads that can be cancelled.

`read_into` fills a buffer of the caller's: the bytes of a body are not copied between the socket, or the cipher, and
the file.
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
from typing import TypeVar

import httpx2

from modelsync.net.deadline import Clock, Floor, Selector

CIPHERTEXT = 256 * 1024  # bytes taken from the socket at once; what they become stays in a core's own cache

T = TypeVar("T")


class ByteChannel(ABC):
    """Bytes to and from another machine."""

    @property
    @abstractmethod
    def waited(self) -> float:
        """Seconds that its reads have waited for bytes so far."""

    @property
    @abstractmethod
    def peer(self) -> str:
        """The IP address at the other end."""

    @property
    @abstractmethod
    def readable(self) -> bool:
        """Whether a read would return at once: of an idle connection, that the other side has hung up."""

    @abstractmethod
    def hold_to(self, floor: Floor | None) -> None:
        """Sets the least speed of the reads from now on; None: any."""

    @abstractmethod
    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        """Waits for bytes and fills `buffer` with those that are there.

        Returns:
            How many; 0: the other side has finished.

        Raises:
            httpx2.ReadTimeout, httpx2.ReadError: none came.
            TooSlowError: as of `hold_to`.
            CancelledError: the cancel event was set.
        """

    @abstractmethod
    def write(self, data: bytes, timeout: float | None = None) -> None:
        """Writes all of it.

        Raises:
            httpx2.WriteTimeout, httpx2.WriteError: not all could be written.
            CancelledError: the cancel event was set.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the connection."""


class SocketChannel(ByteChannel):
    """A connected TCP socket."""

    def __init__(self, sock: socket.socket, cancel: threading.Event) -> None:
        self._sock = sock
        self._cancel = cancel
        self._waited = 0.0
        self._floor: Floor | None = None
        self._peer = str(sock.getpeername()[0])  # now: a connection that was reset no longer knows

    @property
    def waited(self) -> float:
        """Seconds that its reads have waited for bytes so far."""
        return self._waited

    def hold_to(self, floor: Floor | None) -> None:
        """Sets the least speed of the reads from now on; None: any."""
        self._floor = floor

    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        """Waits for bytes and fills `buffer` with those that are there; 0: the other side has finished."""
        clock = Clock(timeout, self._cancel)
        try:
            while True:
                clock.tick()  # a server that always has more to say would never be waited for
                try:
                    count = self._sock.recv_into(buffer)
                except BlockingIOError:
                    begun = time.monotonic()
                    clock.until_ready(self._sock, selectors.EVENT_READ)
                    self._waited += time.monotonic() - begun
                else:
                    if self._floor is not None:
                        self._floor.check()
                    return count
        except TimeoutError as error:
            raise httpx2.ReadTimeout("nothing came") from error
        except OSError as error:
            raise httpx2.ReadError(str(error)) from error

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """Writes all of it."""
        clock = Clock(timeout, self._cancel)
        view = memoryview(data)
        try:
            while view:
                clock.tick()
                try:
                    view = view[self._sock.send(view) :]
                except BlockingIOError:
                    clock.until_ready(self._sock, selectors.EVENT_WRITE)
        except TimeoutError as error:
            raise httpx2.WriteTimeout("nothing could be sent") from error
        except OSError as error:
            raise httpx2.WriteError(str(error)) from error

    def close(self) -> None:
        """Closes the socket."""
        self._sock.close()

    @property
    def peer(self) -> str:
        """The IP address at the other end."""
        return self._peer

    @property
    def readable(self) -> bool:
        """Whether a read would return at once; of an idle connection: that the other side has hung up."""
        if self._sock.fileno() < 0:
            return True
        with Selector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(0))


class TlsChannel(ByteChannel):
    """TLS over any other channel, TLS included (an https proxy).

    It decrypts in memory rather than on the socket: one system call then fetches many records, and the handshake waits
    as every other read does.
    """

    def __init__(
        self,
        below: ByteChannel,
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
        """As of the channel below."""
        return self._below.waited

    def hold_to(self, floor: Floor | None) -> None:
        """As of the channel below."""
        self._below.hold_to(floor)

    def read_into(self, buffer: memoryview, timeout: float | None = None) -> int:
        """Waits for a record and fills `buffer` from those that are there; 0: the other side has finished."""
        try:
            return self._perform(functools.partial(self._decrypt, buffer), timeout)
        except ssl.SSLError as error:
            raise httpx2.ReadError(str(error)) from error

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """Writes all of it."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._perform(functools.partial(self._tls.write, view), timeout) :]
        except ssl.SSLError as error:
            raise httpx2.WriteError(str(error)) from error

    def close(self) -> None:
        """Closes the channel below."""
        self._below.close()

    @property
    def peer(self) -> str:
        """As of the channel below."""
        return self._below.peer

    @property
    def readable(self) -> bool:
        """As of the channel below, or a record is here that was not decrypted yet."""
        return bool(self._incoming.pending) or self._below.readable

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

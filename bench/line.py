"""A line of so many bytes a second, all connections together, to a server on this machine; it counts both ways."""

import contextlib
import socket
import threading

from modelsync.transfer.rate_limit import RateLimit

BUFFER = 64 * 1024
STREAMS = 16  # that share it at most


class Line:
    """Accepts connections and carries them on, what the server sends no faster than the line allows.

    Args:
        to: The server's port.
        rate: Bytes a second.

    Attributes:
        port: Its own.
        sent: Bytes that the server has sent, heads of answers among them.
        received: Bytes that it was sent, heads of requests among them.
        free: Whether there is no limit just now.
    """

    def __init__(self, to: int, rate: int) -> None:
        self._to = to
        self._limit = RateLimit(rate, STREAMS)
        self._lock = threading.Lock()
        self._closed = False
        self.sent = 0
        self.received = 0
        self.free = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections; those that are there end with their server."""
        self._closed = True
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, source: socket.socket, to: socket.socket, answers: bool) -> None:
        buffer = memoryview(bytearray(BUFFER))
        with contextlib.suppress(OSError):
            while count := source.recv_into(buffer):
                with self._lock:
                    if answers:
                        self.sent += count
                    else:
                        self.received += count
                if answers and not self.free:
                    self._limit.pay(count, lambda: self._closed)
                to.sendall(buffer[:count])
        for one in (source, to):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

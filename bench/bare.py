"""A verified download over TLS at its plainest, in Python: decrypt, write, hash. A contender, and no client.

One thread decrypts what one connection brings and writes it; another reads it back for SHA-256 and BLAKE3. Nothing is
resumed, retried, recorded, synced or published, so it tells how much of modelsync's time is its own.

    python bare.py URL CERTIFICATES
"""

import hashlib
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from blake3 import blake3

PIECE = 256 << 10  # bytes

T = TypeVar("T")


class Tls:
    """A connection, decrypted in memory, many records at a time."""

    def __init__(self, host: str, port: int, certificates: str) -> None:
        self._socket = socket.create_connection((host, port))
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=certificates or None)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._taken = memoryview(bytearray(PIECE))
        self._step(self._tls.do_handshake)

    def write(self, data: bytes) -> None:
        self._tls.write(data)

    def read(self) -> bytes:
        return self._step(self._tls.read)

    def fill(self, buffer: memoryview) -> None:
        filled = 0
        while filled < len(buffer):
            rest = buffer[filled:]
            filled += int(self._step(partial(self._tls.read, len(rest), rest)))

    def _step(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                count = self._socket.recv_into(self._taken)
                if not count:
                    raise RuntimeError("the server hung up") from None
                self._incoming.write(self._taken[:count])


class Follower(threading.Thread):
    """Hashes a file as it is written."""

    def __init__(self, file: int, size: int) -> None:
        super().__init__()
        self._file, self._size = file, size
        self._written = 0
        self._news = threading.Semaphore(0)

    def go_on_to(self, written: int) -> None:
        self._written = written
        self._news.release()

    def run(self) -> None:
        whole, seal, at = hashlib.sha256(), blake3(), 0
        buffer = memoryview(bytearray(PIECE))
        while at < self._size:
            while at >= self._written:
                self._news.acquire()
            part = buffer[: min(os.preadv(self._file, [buffer], at), self._written - at)]
            whole.update(part)
            seal.update(part)
            at += len(part)


def main() -> None:
    url = urlsplit(sys.argv[1])
    tls = Tls(url.hostname or "", url.port or 443, sys.argv[2])
    tls.write(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += tls.read()
    head, _, early = head.partition(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length:")[1].split()[0])
    file = os.open("m.gguf", os.O_RDWR | os.O_CREAT)
    written = os.pwrite(file, early, 0)
    follower = Follower(file, size)
    follower.start()
    buffer = memoryview(bytearray(PIECE))
    while written < size:
        part = buffer[: size - written]
        tls.fill(part)
        os.pwrite(file, part, written)
        written += len(part)
        follower.go_on_to(written)
    follower.join()


if __name__ == "__main__":
    main()

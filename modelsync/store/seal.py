"""Hashes of files: the seal, which finds rot, and the sha256, which decides.

A thread reads ahead of the hashing: that is as fast as mapping the file, and what cannot be read is an error. A mapped
file's unreadable sector, or a network share that went away, is a signal that ends the whole process.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

OnBytes = Callable[[int], None]

_CHUNK = 4 << 20
_AHEAD = 2  # chunks: one is read while the other is hashed


def blake3_of(path: Path, *, on_bytes: OnBytes | None = None) -> str:
    """The BLAKE3 of a file in hex, on all cores.

    Args:
        path: The file.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the work.

    Raises:
        OSError: the file cannot be read.
    """
    from blake3 import blake3

    digest = blake3(max_threads=blake3.AUTO)
    for chunk in _chunks(path, on_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path, *, on_bytes: OnBytes | None = None) -> str:
    """The sha256 of a file in hex. Arguments and errors as with `blake3_of`."""
    digest = hashlib.sha256()
    for chunk in _chunks(path, on_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def both_of(path: Path, *, on_bytes: OnBytes | None = None) -> tuple[str, str]:
    """The sha256 and the BLAKE3 of a file in hex, read once. Arguments and errors as with `blake3_of`."""
    from blake3 import blake3

    sha256, seal = hashlib.sha256(), blake3(max_threads=blake3.AUTO)
    for chunk in _chunks(path, on_bytes):
        sha256.update(chunk)
        seal.update(chunk)
    return sha256.hexdigest(), seal.hexdigest()


def _chunks(path: Path, on_bytes: OnBytes | None) -> Iterator[memoryview]:
    """The bytes of a file. A chunk is good until the next one is asked for."""
    empty: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
    read: queue.SimpleQueue[tuple[memoryview, int] | OSError] = queue.SimpleQueue()

    def read_ahead() -> None:
        try:
            with path.open("rb", buffering=0) as file:
                while (buffer := empty.get()) is not None:
                    read.put((buffer, file.readinto(buffer)))
        except OSError as error:
            read.put(error)

    size = max(1, min(_CHUNK, path.stat().st_size))
    for _ in range(_AHEAD):
        empty.put(memoryview(bytearray(size)))
    reader = threading.Thread(target=read_ahead, name="modelsync-read", daemon=True)
    reader.start()
    try:
        while True:
            item = read.get()
            if isinstance(item, OSError):
                raise item
            buffer, count = item
            if count == 0:
                return
            yield buffer[:count]
            if on_bytes is not None:
                on_bytes(count)
            empty.put(buffer)
    finally:
        empty.put(None)
        reader.join()

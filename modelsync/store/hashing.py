"""Hashes of files: the blocks', which find rot, and the sha256, which decides.

Files are read, not mapped: what cannot be read is an error. A mapped file's unreadable sector, or a network share that
went away, is a signal that ends the whole process.
"""

import errno
import hashlib
import mmap
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Self

from modelsync.spec.blocks import UNREADABLE, Blocks, Hasher, Span, spans

OnBytes = Callable[[int], None]

_READ = (
    1 << 20
)  # bytes read at once, by each thread: few enough to be in a core's cache still when they are hashed
_PART = 1 << 18  # bytes read at once where two hashes are made of them
_HANDED = (
    2 << 20
)  # bytes that the second thread is given at once: a thread that waits for each part waits too often
_BEHIND = 2  # how many times as many the hashes of the blocks may be behind the sha256
_THREADS = 32  # at most: they are short of memory's speed before
_TELL_EVERY = 0.05  # seconds


def blocks_of(path: Path, *, length: int | None = None, on_bytes: OnBytes | None = None) -> Blocks:
    """The hashes of a file's blocks, made on all cores. A block that the disk cannot give is `UNREADABLE`.

    Args:
        path: The file.
        length: Hash no more than so many of its first bytes; None: all.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the work.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    effort = _Effort(path, size if length is None else min(size, length))
    threads = [
        threading.Thread(target=effort.work, args=(number,), name="modelsync-hash", daemon=True)
        for number in range(len(effort.read))
    ]
    for thread in threads:
        thread.start()
    told = 0
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(_TELL_EVERY)
                told = effort.tell(told, on_bytes)
    finally:
        effort.stopped = True
        for thread in threads:
            thread.join()
    effort.tell(told, on_bytes)
    if effort.error is not None:
        raise effort.error
    return Blocks(effort.size, b"".join(effort.hashes))


def sha256_of(path: Path, *, on_bytes: OnBytes | None = None) -> str:
    """The sha256 of a file in hex.

    Args:
        path: The file.
        on_bytes: As with `blocks_of`.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    for chunk in _chunks(path, on_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def both_of(path: Path, *, on_bytes: OnBytes | None = None) -> tuple[str, Blocks]:
    """The sha256 of a file in hex, and the hashes of its blocks, read once.

    Arguments and errors as with `sha256_of`.
    """
    sha256, blocks = hashlib.sha256(), Hasher()
    if path.stat().st_size <= _HANDED:
        for chunk in _chunks(path, on_bytes):
            sha256.update(chunk)
            blocks.update(chunk)
        return sha256.hexdigest(), blocks.blocks
    with _Beside() as beside, path.open("rb", buffering=0) as file:
        while True:
            room = beside.room()
            filled = 0
            while part := room[filled : filled + _PART]:
                count = file.readinto(part)
                if not count:
                    break
                sha256.update(part[:count])
                filled += count
            if not filled:
                break
            beside.take(room, filled)
            if on_bytes is not None:
                on_bytes(filled)
    return sha256.hexdigest(), beside.blocks


def whole_of(path: Path, *, on_bytes: OnBytes | None = None) -> tuple[str, Blocks]:
    """The BLAKE3 of a whole file in hex, as older receipts have it, and the hashes of its blocks, read once.

    Arguments and errors as with `sha256_of`.
    """
    from blake3 import blake3

    whole, blocks = blake3(max_threads=blake3.AUTO), Hasher(blake3.AUTO)
    for chunk in _chunks(path, on_bytes):
        whole.update(chunk)
        blocks.update(chunk)
    return whole.hexdigest(), blocks.blocks


class _Beside:
    """Hashes the blocks of a file in a thread of its own, a little behind the one that reads it and makes its sha256.

    What is read is hashed by both while it is in a core's cache, and read once.
    """

    def __init__(self) -> None:
        self._hasher = Hasher()
        self._error: BaseException | None = None
        self._rooms: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._given: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="modelsync-hash", daemon=True)

    def __enter__(self) -> Self:
        for _ in range(_BEHIND + 1):
            self._rooms.put(_buffer(_HANDED))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given.put(None)
        self._thread.join()

    def room(self) -> memoryview:
        """Memory for the next bytes."""
        return self._rooms.get()

    def take(self, room: memoryview, filled: int) -> None:
        """Takes so many bytes in a room."""
        self._given.put((room, filled))

    @property
    def blocks(self) -> Blocks:
        """The hashes of all bytes that were taken, after the end."""
        if self._error is not None:
            raise self._error
        return self._hasher.blocks

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            room, filled = given
            try:
                self._hasher.update(room[:filled])
            except BaseException as error:  # noqa: BLE001 - raised where the blocks are asked for
                self._error = error
            self._rooms.put(room)


class _Effort:
    """One file whose blocks several threads hash."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.todo = deque(enumerate(spans(size)))
        self.hashes = [UNREADABLE] * len(self.todo)
        self.read = [0] * min(_cores(), _THREADS, len(self.todo))  # bytes, by thread
        self.error: OSError | None = None
        self.stopped = False

    def tell(self, told: int, on_bytes: OnBytes | None) -> int:
        """Tells how many bytes more than `told` were read; returns how many there were."""
        read = sum(self.read)
        if on_bytes is not None and read > told:
            on_bytes(read - told)
        return read

    def work(self, thread: int) -> None:
        """Hashes blocks until none is left."""
        buffer = _buffer(_READ)
        try:
            with self.path.open("rb", buffering=0) as file:
                while not self.stopped:
                    number, span = self.todo.popleft()
                    self._hash(file, buffer, thread, number, span)
        except IndexError:
            return
        except OSError as error:
            self.error = error
            self.stopped = True

    def _hash(self, file: FileIO, buffer: memoryview, thread: int, number: int, span: Span) -> None:
        from blake3 import blake3

        digest = blake3()
        left = span[1] - file.seek(span[0])
        try:
            while left and not self.stopped:
                count = file.readinto(buffer if left >= _READ else buffer[:left])
                if not count:
                    break  # it became shorter
                digest.update(buffer if count == _READ else buffer[:count])
                left -= count
                self.read[thread] += count
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        else:
            self.hashes[number] = digest.digest()


def _buffer(size: int) -> memoryview:
    """Memory that begins with a page: a file's pages are copied there a third faster than to some bytes further on."""
    return memoryview(mmap.mmap(-1, size))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunks(path: Path, on_bytes: OnBytes | None) -> Iterator[memoryview]:
    """The bytes of a file. A chunk is good until the next one is asked for."""
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        buffer = _buffer(max(1, min(_READ, os.fstat(file.fileno()).st_size)))
        while count := file.readinto(buffer):
            yield buffer[:count]
            if on_bytes is not None:
                on_bytes(count)

"""Bodies whose length nobody has said: they may be endless, so they fill no disk and leave nothing behind."""

import socket
import threading
from pathlib import Path

import pytest

from modelsync.errors import CancelledError, DiskFullError, NetworkError
from modelsync.system import disks
from tests.support.servers import Listener, pouring, read_head
from tests.support.transfers import Lab
from tests.support.units import MiB

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"100000\r\n" + bytes(MiB) + b"\r\n"
END = b"0\r\n\r\n"


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("data"))


def test_it_stops_before_the_disk_is_full(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reserve stays free, and what had come is removed."""
    most: list[int] = []

    def free_bytes(_: Path) -> int:
        most.append(written(lab.folder))
        return disks.RESERVE + 20 * MiB - most[-1]

    monkeypatch.setattr(disks, "free_bytes", free_bytes)
    with pouring(CHUNKED, CHUNK, times=64, then=END) as server:
        outcome = lab.run(lab.job(f"http://127.0.0.1:{server.port}/x.gguf"))
    assert isinstance(outcome.error, DiskFullError)
    assert 0 < max(most) <= 20 * MiB
    assert list(lab.folder.rglob("*")) == []


def test_what_breaks_off_leaves_nothing(lab: Lab) -> None:
    """No later run could go on with it."""
    with pouring(CHUNKED, CHUNK, times=9) as server:
        outcome = lab.run(lab.job(f"http://127.0.0.1:{server.port}/x.gguf"), tries=2)
    assert isinstance(outcome.error, NetworkError)
    assert list(lab.folder.rglob("*")) == []


def test_what_is_interrupted_is_kept(lab: Lab) -> None:
    """Of a file with a digest: the next run may be told its length."""
    cancel = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(CHUNKED + CHUNK * 9)
        connection.recv(1)

    with Listener(serve) as server:
        job = lab.job(f"http://127.0.0.1:{server.port}/x.gguf", digest="0" * 64)
        stop = lambda event: cancel.set() if event.done else None  # noqa: E731
        with pytest.raises(CancelledError):
            lab.run(job, cancel=cancel, listener=stop, timeout=60)
    assert written(lab.folder)

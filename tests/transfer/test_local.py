"""`file:` segments: regular files of this machine, read as if a server gave them."""

import os
from pathlib import Path

import pytest

from modelsync.errors import ModelsyncError, NotFoundError, RefusedError, StoreError
from modelsync.transfer.local import LocalResponse, LocalSource, path_of
from modelsync.transfer.responses import ChangedError


def everything(answer: LocalResponse) -> bytes:
    buffer = memoryview(bytearray(7))
    return b"".join(bytes(buffer[:count]) for count in iter(lambda: answer.read_into(buffer), 0))


def read(
    path: Path, start: int = 0, end: int | None = None, if_range: str | None = None
) -> tuple[int, bytes]:
    with LocalSource(path.as_uri()).open(start, end, if_range) as answer:
        assert answer.total == path.stat().st_size
        return answer.status, everything(answer)


def test_ranges_of_a_file(tmp_path: Path) -> None:
    """The whole, a part, and the whole again where the version asked for is not there any more."""
    path = tmp_path / "ä model#1.gguf"
    path.write_bytes(bytes(range(100)))
    assert read(path) == (200, bytes(range(100)))
    assert read(path, 10, 20) == (206, bytes(range(10, 20)))
    assert read(path, 90, None) == (206, bytes(range(90, 100)))
    assert read(path, 90, 200) == (206, bytes(range(90, 100)))
    assert read(path, 10, 20, '"another"') == (200, bytes(range(100)))


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """Folders, pipes and devices, at once: no pipe is waited for."""
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(RefusedError, match="not a regular file"):
            read(place)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    """With the path in the message, its control characters escaped."""
    with pytest.raises(NotFoundError) as caught:
        read(tmp_path / "a\x1b[31m.gguf")
    assert "\x1b" not in caught.value.message
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(tmp_path: Path) -> None:
    """A file of somebody else's."""
    path = tmp_path / "theirs"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(StoreError, match="theirs"):
        read(path)


def test_a_file_that_is_written_to_meanwhile_is_noticed(tmp_path: Path) -> None:
    """What was read of it is of no version."""
    path = tmp_path / "growing"
    path.write_bytes(bytes(100))
    with LocalSource(path.as_uri()).open(0, None, None) as answer:
        assert answer.read_into(memoryview(bytearray(7))) == 7
        path.write_bytes(b"x" * 100)
        with pytest.raises(ChangedError, match="growing"):
            everything(answer)


@pytest.mark.parametrize(
    "url", ["file://host/path", "file:relative", "file:///a%00b", "file:", "file://localhost.evil/etc"]
)
def test_only_absolute_paths_of_this_machine(url: str) -> None:
    """Nothing else is a file here."""
    with pytest.raises(RefusedError):
        path_of(url)


def test_localhost_is_this_machine() -> None:
    """As RFC 8089 says; escapes are undone once."""
    assert path_of("file://localhost/a%2520b") == "/a%20b"
    assert issubclass(ChangedError, ModelsyncError)

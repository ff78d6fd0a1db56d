"""Hashes of files."""

import hashlib
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec.blocks import SIZE, UNREADABLE
from modelsync.store import hashing
from tests.support.store import blocks

CHUNK = hashing._READ
HANDED = hashing._HANDED


@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        HANDED,
        HANDED + 1,
        3 * HANDED + 5,
        SIZE,
        SIZE + 1,
        2 * SIZE,
        3 * SIZE + 7,
    ],
)
def test_hashes_are_those_of_the_whole_file(tmp_path: Path, size: int) -> None:
    """Files shorter and longer than what is read at once have the hashes that the libraries give their bytes."""
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    path = tmp_path / "file"
    path.write_bytes(data)
    told: list[int] = []
    assert hashing.sha256_of(path) == hashlib.sha256(data).hexdigest()
    assert hashing.blocks_of(path, on_bytes=told.append) == blocks(data)
    assert hashing.both_of(path) == (hashing.sha256_of(path), blocks(data))
    assert hashing.whole_of(path) == (blake3(data).hexdigest(), blocks(data))
    assert sum(told) == size


@given(data=st.binary(max_size=2000))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever the bytes, both hashes are of them."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert hashing.both_of(path) == (hashlib.sha256(data).hexdigest(), blocks(data))


def test_a_check_can_be_ended(tmp_path: Path) -> None:
    """What the listener raises ends the hashing at once."""
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * CHUNK))
    told: list[int] = []

    def enough(count: int) -> None:
        told.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hashing.blocks_of(path, on_bytes=enough)
    assert len(told) == 1


@pytest.mark.parametrize("read", [hashing.sha256_of, hashing.blocks_of, hashing.both_of, hashing.whole_of])
def test_what_cannot_be_read_is_an_error(tmp_path: Path, read: object) -> None:
    """A file that is not there, or a folder, is an OSError and not a crash."""
    assert callable(read)
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=str(path)):
            read(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that answers with EIO")
def test_a_block_that_the_disk_cannot_give_is_told_apart(tmp_path: Path) -> None:
    """An input/output error spoils its block alone; its place is taken by what no bytes hash to."""
    effort = hashing._Effort(Path("/proc/self/mem"), 2 * SIZE)  # nothing is mapped where it begins
    effort.work(0)
    assert effort.error is None
    assert effort.hashes == [UNREADABLE, UNREADABLE]
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE + 1))
    assert UNREADABLE not in (hashing.blocks_of(path).hashes[:32], hashing.blocks_of(path).hashes[32:])


def test_a_file_is_hashed_only_so_far(tmp_path: Path) -> None:
    """What stands behind the length that is asked for is not looked at."""
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE + 9))
    assert hashing.blocks_of(path, length=SIZE + 3) == blocks(bytes(SIZE + 3))
    assert hashing.blocks_of(path, length=3 * SIZE) == blocks(bytes(SIZE + 9))

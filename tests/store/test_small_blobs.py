"""Small blobs that are published together: each as whole and as safe as one that is published alone."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from modelsync.errors import DiskFullError
from modelsync.store import blobs, receipts, verify
from modelsync.store.layout import Store
from modelsync.store.receipts import BlobOrigin
from modelsync.store.small_blobs import SmallBlob, SmallBlobs
from tests.support.content import damage, sha256
from tests.support.processes import finish, python
from tests.support.store import blocks, publish

FILES = [b"GGUF" + bytes([number]) * 900 for number in range(40)]
HERE = BlobOrigin("m.gguf", "u/m", "a" * 40, "https://hub.example/m.gguf")


def small(data: bytes, origin: BlobOrigin = HERE) -> SmallBlob:
    return SmallBlob(sha256(data), data, blocks(data), origin)


def test_what_is_published_is_here_and_read_only(store: Store) -> None:
    """Each has its digest, a receipt that fits, a seal, an origin and mode 0444, whatever the umask."""
    before = os.umask(0o077)
    try:
        with SmallBlobs(store) as publisher:
            publisher.publish([small(data) for data in FILES[:30]])
            publisher.publish([small(data) for data in FILES[30:]])
    finally:
        os.umask(before)
    for data in FILES:
        path = blobs.find(store, sha256(data), len(data))
        assert path is not None
        assert path.read_bytes() == data
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert verify.verify(store, sha256(data)).state == "good"
        receipt = receipts.read(store.root, sha256(data))
        assert receipt is not None
        assert receipt.origins == (HERE,)
    assert list((store.root / "tmp-v1").iterdir()) == []


def test_what_is_here_stays_and_learns_the_origin(store: Store) -> None:
    """A blob that another process has published meanwhile is not replaced; twice the same file is one blob."""
    path = publish(store, FILES[0])
    before = path.stat()
    with SmallBlobs(store) as publisher:
        publisher.publish([small(FILES[0]), small(FILES[1]), small(FILES[1])])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    receipt = receipts.read(store.root, sha256(FILES[0]))
    assert receipt is not None
    assert receipt.origins == (HERE,)
    assert blobs.find(store, sha256(FILES[1]), len(FILES[1])) is not None


def test_a_damaged_one_is_replaced(store: Store) -> None:
    """What stands in the store and is suspect gives way, and its receipt too."""
    damage(publish(store, FILES[0]), 7, drift=True)
    with SmallBlobs(store) as publisher:
        publisher.publish([small(FILES[0])])
    path = blobs.find(store, sha256(FILES[0]), len(FILES[0]))
    assert path is not None
    assert path.read_bytes() == FILES[0]


def test_half_a_receipt_from_a_kill_is_replaced(store: Store) -> None:
    """A receipt is begun under its own name: what a kill left of it counts as none."""
    receipt = store.receipt_path(sha256(FILES[0]))
    receipt.parent.mkdir(parents=True)
    receipt.write_bytes(b'{"size": 9')
    with SmallBlobs(store) as publisher:
        publisher.publish([small(FILES[0])])
    assert blobs.find(store, sha256(FILES[0]), len(FILES[0])) is not None


def test_a_full_disk_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is told in words; no blob, no file on its way."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError), SmallBlobs(store) as publisher:
        publisher.publish([small(data) for data in FILES])
    assert {blobs.state(store, sha256(data)) for data in FILES} == {"missing"}
    assert list((store.root / "tmp-v1").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_bytes_are_synced_before_their_name_and_folders_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a name has its bytes; a folder is waited for once, however many calls put names there."""
    synced: list[str] = []
    sync, rename = os.fsync, Path.replace
    named_early: list[Path] = []

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    def replace(self: Path, target: Path) -> Path:
        if str(self) not in synced:
            named_early.append(target)
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with SmallBlobs(store) as publisher:
        publisher.publish([small(data) for data in FILES[:20]])
        publisher.publish([small(data) for data in FILES[20:]])
        assert len(synced) == len(FILES)
    assert not named_early
    folders = {str(store.blob_path(sha256(data)).parent) for data in FILES}
    assert sorted(synced[len(FILES) :]) == sorted(folders)


# Kills itself before its nth effect on the disk, for every n, each time in a fork.
EVERY_STEP = """
import sys
from pathlib import Path
from tests.store.test_small_blobs import FILES, small
from tests.support.killed import before_each_step
from modelsync.store.layout import Store
from modelsync.store.small_blobs import SmallBlobs

def work(n):
    def publish():
        with SmallBlobs(Store(Path(sys.argv[1]) / str(n))) as publisher:
            publisher.publish([small(data) for data in FILES[:3]])
    return publish

before_each_step(work)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_killed_before_each_step(tmp_path: Path) -> None:
    """Before each single effect on the disk: each blob is whole or missing, and publishing again mends all."""
    (steps,) = finish(python(EVERY_STEP, tmp_path))
    assert int(steps) > 9
    seen: set[str] = set()
    for n in range(1, int(steps) + 1):
        store = Store(tmp_path / str(n))
        states = [blobs.state(store, sha256(data), len(data)) for data in FILES[:3]]
        assert set(states) <= {"here", "missing"}
        seen |= set(states)
        with SmallBlobs(store) as publisher:
            publisher.publish([small(data) for data in FILES[:3]])
        assert {verify.verify(store, sha256(data), full=True).state for data in FILES[:3]} == {"good"}
    assert seen == {"here", "missing"}

"""A blob has the digest of its name, whatever happens to it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from modelsync.errors import StoreError
from modelsync.spec.blocks import Blocks
from modelsync.store import atomic, blobs, hashing, receipts, verify
from modelsync.store.layout import Store
from modelsync.store.receipts import BlobOrigin
from tests.support.content import damage, sha256
from tests.support.store import arrive, blocks, publish

DATA = b"GGUF" + bytes(range(256)) * 40
SHA = sha256(DATA)


def test_what_is_published_is_here(store: Store) -> None:
    """A published blob is found by its digest, read-only, with a receipt and its origin; the partial is gone."""
    origin = BlobOrigin(
        "a.gguf", "user/model", "0" * 40, "https://huggingface.co/user/model/resolve/0/a.gguf"
    )
    path = publish(store, DATA, origin)
    assert path == store.blob_path(SHA) == blobs.find(store, SHA, len(DATA)) == blobs.find(store, SHA)
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o444
    assert blobs.state(store, SHA, len(DATA)) == "here"
    receipt = receipts.read(store.root, SHA)
    assert receipt == receipts.Receipt(
        len(DATA), path.stat().st_mtime_ns, blake3(DATA).hexdigest(), (origin,)
    )
    assert list((store.root / "partials-v1").iterdir()) == []
    assert list((store.root / "tmp-v1").iterdir()) == []


def test_what_is_not_here_is_missing(store: Store) -> None:
    """Looking into a store that is not there is no error."""
    assert blobs.look(store, SHA, 1) == ("missing", None)
    assert blobs.find(store, SHA) is None
    assert verify.recheck(store, SHA).state == "missing"
    assert verify.verify(store, SHA).state == "missing"


def test_a_folder_or_another_size_is_not_a_blob(store: Store) -> None:
    """What has a blob's name and not its size is suspect; what is no file at all is nothing."""
    store.blob_path(SHA).mkdir(parents=True)
    assert blobs.state(store, SHA) == "missing"
    store.blob_path(SHA).rmdir()
    publish(store, DATA)
    assert blobs.state(store, SHA, len(DATA) + 1) == "suspect"
    assert blobs.find(store, SHA, len(DATA) + 1) is None


@pytest.mark.parametrize(
    "receipt", [b"", b"{", b"[]", b'{"size": "1"}', b'{"size":1,"mtime_ns":2,"blake3":3}', b"\xff"]
)
def test_a_blob_without_a_receipt_is_suspect(store: Store, receipt: bytes) -> None:
    """A missing or senseless receipt makes a blob suspect; a check finds it good and writes a new one."""
    path = publish(store, DATA)
    store.receipt_path(SHA).write_bytes(receipt)
    assert blobs.look(store, SHA, len(DATA)) == ("suspect", path)
    assert blobs.find(store, SHA, len(DATA)) is None
    assert verify.recheck(store, SHA).path == path
    assert blobs.state(store, SHA, len(DATA)) == "here"
    store.receipt_path(SHA).unlink()
    assert blobs.state(store, SHA, len(DATA)) == "suspect"
    assert verify.verify(store, SHA).state == "good"
    assert blobs.state(store, SHA, len(DATA)) == "here"


def test_a_blob_whose_time_drifted_is_checked_again(store: Store) -> None:
    """Another time makes a blob suspect; if its bytes are as they were, it is good again and keeps its origins."""
    path = publish(store, DATA, BlobOrigin("a.gguf", "user/model"))
    os.utime(path, ns=(1, 1))
    assert blobs.state(store, SHA, len(DATA)) == "suspect"
    told: list[int] = []
    assert verify.recheck(store, SHA, on_bytes=told.append).path == path
    assert sum(told) == len(DATA)
    receipt = receipts.read(store.root, SHA)
    assert receipt is not None
    assert (receipt.mtime_ns, receipt.origins) == (1, (BlobOrigin("a.gguf", "user/model"),))


def test_a_blob_that_was_written_to_is_not_returned(store: Store) -> None:
    """Other bytes under a blob's name are found, and removed so that the right ones can be fetched."""
    path = publish(store, DATA)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"!")
    assert blobs.state(store, SHA, len(DATA)) == "suspect"
    finding = verify.recheck(store, SHA)
    assert (finding.state, finding.found) == ("damaged", sha256(DATA[:-1] + b"!"))
    assert blobs.look(store, SHA) == ("missing", None)
    assert list((store.root / "tmp-v1").iterdir()) == []
    publish(store, DATA)
    assert blobs.state(store, SHA, len(DATA)) == "here"


def test_the_seal_finds_rot(store: Store) -> None:
    """A flipped bit that neither size nor time tells is found by verify; the blob is suspect from then on."""
    path = publish(store, DATA)
    assert verify.verify(store, SHA).state == "good"
    damage(path, 0)
    assert blobs.state(store, SHA, len(DATA)) == "here"  # this is why verify exists
    told: list[int] = []
    assert verify.verify(store, SHA, on_bytes=told.append).state == "damaged"
    assert sum(told) == len(DATA)
    assert blobs.state(store, SHA, len(DATA)) == "suspect"
    assert path.exists()
    assert verify.recheck(store, SHA).state == "damaged"
    assert not path.exists()


def test_a_forged_seal_does_not_stand_the_full_check(store: Store) -> None:
    """`full` asks the name, not the seal: who can write the store can write both blob and seal."""
    path = publish(store, DATA)
    damage(path, 0)
    seen = path.stat()
    forged = receipts.Receipt(seen.st_size, seen.st_mtime_ns, blake3(path.read_bytes()).hexdigest())
    receipts.write(store, SHA, forged)
    assert verify.verify(store, SHA).state == "good"
    assert verify.verify(store, SHA, full=True).state == "damaged"
    assert blobs.state(store, SHA) == "suspect"


def test_publishing_again_keeps_the_blob_and_learns_the_origin(store: Store) -> None:
    """A blob that is here stays the file it is, and remembers the second place it came from; once each."""
    first, second = BlobOrigin("a.gguf", "user/one"), BlobOrigin("b.gguf", "user/two")
    before = publish(store, DATA, first).stat()
    for _ in range(2):
        after = publish(store, DATA, second).stat()
    assert os.path.samestat(before, after)
    receipt = receipts.read(store.root, SHA)
    assert receipt is not None
    assert receipt.origins == (first, second)
    assert list((store.root / "partials-v1").iterdir()) == []


def test_publishing_replaces_a_suspect_blob(store: Store) -> None:
    """What was just verified takes the place of what nobody knows."""
    path = publish(store, DATA)
    path.chmod(0o644)
    path.write_bytes(b"something else")
    publish(store, DATA)
    assert path.read_bytes() == DATA
    assert blobs.state(store, SHA, len(DATA)) == "here"


def test_data_of_another_size_is_not_published(store: Store) -> None:
    """A file that is longer than what was hashed is refused, and stays where it is."""
    data = arrive(store, DATA)
    with pytest.raises(StoreError):
        blobs.publish(store, data, sha256=SHA, blocks=blocks(DATA[:-1]))
    assert data.exists()
    assert blobs.state(store, SHA) == "missing"


def test_a_discarded_blob_is_gone(store: Store) -> None:
    """Discarding removes blob and receipt; what is not there is no error."""
    publish(store, DATA)
    blobs.discard(store, SHA)
    blobs.discard(store, SHA)
    assert blobs.state(store, SHA) == "missing"
    assert not store.receipt_path(SHA).exists()


# --- read-only stores --------------------------------------------------------------------------------


@pytest.fixture
def team(tmp_path: Path) -> Store:
    """A store that another one only reads."""
    team = Store(tmp_path / "team")
    publish(team, DATA)
    return team


def test_readonly_stores_are_searched(store: Store, team: Store) -> None:
    """A blob of a read-only store is here; the own store, which is not even made, comes first."""
    both = Store(store.root, (team.root,))
    assert blobs.find(both, SHA, len(DATA)) == team.blob_path(SHA)
    assert not store.root.exists()
    publish(both, DATA)
    assert blobs.find(both, SHA, len(DATA)) == store.blob_path(SHA)


def test_a_readonly_store_is_never_written(store: Store, team: Store) -> None:
    """What is found out about a blob of a read-only store is noted in the own one: good or damaged."""
    both = Store(store.root, (team.root,))
    team.receipt_path(SHA).unlink()
    before = snapshot(team.root)
    assert blobs.state(both, SHA) == "suspect"
    assert verify.recheck(both, SHA).path == team.blob_path(SHA)
    assert blobs.find(both, SHA, len(DATA)) == team.blob_path(SHA)
    assert snapshot(team.root) == before

    damage(team.blob_path(SHA), 0)
    before = snapshot(team.root)
    assert verify.verify(both, SHA).state == "damaged"
    assert blobs.state(both, SHA) == "suspect"
    assert verify.recheck(both, SHA).state == "damaged"
    blobs.discard(both, SHA)
    assert snapshot(team.root) == before


def test_damage_in_a_readonly_store_is_mended_in_the_own(store: Store, team: Store) -> None:
    """A damaged blob that a receipt of the read-only store vouches for counts no more; a fetched one does."""
    both = Store(store.root, (team.root,))
    damage(team.blob_path(SHA), 0)
    assert verify.verify(both, SHA).state == "damaged"
    assert blobs.find(both, SHA) is None
    assert publish(both, DATA) == blobs.find(both, SHA) == store.blob_path(SHA)
    assert verify.verify(both, SHA, full=True).state == "good"


def test_a_damaged_own_blob_does_not_hide_a_good_one(store: Store, team: Store) -> None:
    """Where the own copy is bad, the check goes on to the read-only stores."""
    both = Store(store.root, (team.root,))
    path = publish(both, DATA)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"!")
    assert blobs.look(both, SHA, len(DATA)) == ("here", team.blob_path(SHA))
    assert verify.recheck(both, SHA).path == team.blob_path(SHA)
    assert not path.exists()


def test_a_store_that_went_through_an_archive_is_known(store: Store, tmp_path: Path) -> None:
    """Archives and image layers cut times to whole seconds: that alone does not make a blob suspect."""
    publish(store, DATA)
    shutil.copytree(store.root, tmp_path / "image")
    image = Store(tmp_path / "image")
    seconds = store.blob_path(SHA).stat().st_mtime_ns // 10**9
    os.utime(image.blob_path(SHA), (seconds, seconds))
    assert blobs.state(image, SHA, len(DATA)) == "here"
    os.utime(image.blob_path(SHA), (seconds - 1, seconds - 1))
    assert blobs.state(image, SHA, len(DATA)) == "suspect"


def test_a_better_blob_that_came_meanwhile_is_not_cast_out(store: Store) -> None:
    """While a damaged blob is hashed, another process may publish: its blob is the one that is checked, and stays."""
    path = publish(store, DATA)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"!")

    def another_publishes(_: int) -> None:
        if blobs.state(store, SHA, len(DATA)) == "suspect":
            publish(store, DATA)

    assert verify.recheck(store, SHA, on_bytes=another_publishes).path == path
    assert path.read_bytes() == DATA
    assert blobs.state(store, SHA, len(DATA)) == "here"


@pytest.mark.parametrize("write", [atomic.write, atomic.put])
def test_a_half_written_small_file_is_never_seen(
    tmp_path: Path, write: Callable[[Store, Path, bytes], None]
) -> None:
    """A write that fails leaves neither the target nor the temporary file."""
    atomic.prepare(Store(tmp_path))
    target = tmp_path / "folder-in-the-way"
    target.mkdir()
    (target / "x").touch()
    with pytest.raises(StoreError), atomic.told("cannot write"):
        write(Store(tmp_path), target, b"{}")
    assert list((tmp_path / "tmp-v1").iterdir()) == []


@pytest.mark.parametrize("write", [atomic.write, atomic.put])
def test_a_small_file_needs_no_folder_to_be_there(
    tmp_path: Path, write: Callable[[Store, Path, bytes], None]
) -> None:
    """The store is made when something is first written, and again when somebody removed it."""
    store = Store(tmp_path / "store")
    for data in (b"{}", b"[]"):
        target = store.root / "some" / "file"
        write(store, target, data)
        assert target.read_bytes() == data
        shutil.rmtree(store.root)


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """Every file below `root`: inode, size and time."""
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
    }


@pytest.mark.parametrize("check", [verify.recheck, verify.verify])
def test_a_blob_that_is_replaced_while_it_is_hashed_vouches_for_itself_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, check: Callable[[Store, str], object]
) -> None:
    """The damaged file of before, which a view may still show, is not believed for the good one in its place."""
    path = publish(store, DATA)
    damage(path, 0)
    os.utime(path, ns=(1, 1))
    before = path.stat()
    both_of = hashing.both_of

    def replaced(hashed: Path, *, on_bytes: hashing.OnBytes | None = None) -> tuple[str, Blocks]:
        if path.stat().st_ino == before.st_ino:  # another process mends it at this moment
            (store.root / "good").write_bytes(DATA)
            (store.root / "good").replace(path)
        return both_of(hashed, on_bytes=on_bytes)

    monkeypatch.setattr(hashing, "both_of", replaced)
    check(store, SHA)
    receipt = receipts.read(store.root, SHA)
    assert receipt is not None
    assert not receipt.fits(before)
    assert receipt.fits(path.stat())


def test_a_blob_that_is_written_to_all_the_time_is_not_hashed_for_ever(store: Store) -> None:
    """After a few times it counts as damaged, whatever was read."""
    path = publish(store, b"bytes" * 1000)
    name = path.name
    store.receipt_path(name).unlink()
    times = 0

    def touch(count: int) -> None:
        nonlocal times
        times += 1
        assert times < 10
        os.utime(path, ns=(0, times))

    finding = verify.recheck(store, name, on_bytes=touch)
    assert finding.state == "damaged"
    assert "written to" in finding.found

"""Roots: who needs which digests, and what a URI meant."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec.lock.model import LockedFile, Piece
from modelsync.store import pulled, roots
from modelsync.store.layout import Store
from modelsync.store.roots import LockSeen, Root
from modelsync.system import disks
from tests.support.content import sha256
from tests.support.store import ONE, THREE, TWO, locked, write_lock

URI = "hf:user/model:Q4_K_M#main"


def test_a_root_says_what_a_lock_needs(store: Store, tmp_path: Path) -> None:
    """A root holds the lock's absolute path and the digests; one that is known is not written again."""
    lock = tmp_path / "project" / "models.lock"
    digests = write_lock(lock, ONE, TWO)
    roots.write(store, lock, digests)
    ((key, root),) = roots.read_all(store).items()
    assert root == Root(digests, lock=str(lock), place=disks.place_id())
    before = store.root_path(key).stat()
    roots.write(store, lock, sorted(digests))
    after = store.root_path(key).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_each_set_of_digests_has_a_root(store: Store, tmp_path: Path) -> None:
    """Another lock, and another set of digests of the same lock, have roots of their own."""
    digests = write_lock(tmp_path / "models.lock", ONE, TWO)
    roots.write(store, tmp_path / "models.lock", digests)
    roots.write(store, tmp_path / "models.lock", {sha256(ONE)})
    roots.write(store, tmp_path / "other.lock", digests)
    assert len(roots.read_all(store)) == 3


def test_a_lock_that_moves_on_is_noticed(store: Store, tmp_path: Path) -> None:
    """Writing the root of a new version notes since when older roots are needed no more; coming back undoes that."""
    lock = tmp_path / "models.lock"
    old = write_lock(lock, ONE, TWO)
    roots.write(store, lock, old)
    roots.write(store, lock, {sha256(ONE)})
    before = time.time()
    new = write_lock(lock, ONE, THREE)
    roots.write(store, lock, new)
    missed = {root.digests: root.missed for root in roots.read_all(store).values() if root is not None}
    assert missed[new] is None
    assert missed[frozenset({sha256(ONE)})] is None  # the new version names it too
    assert before <= (missed[old] or 0) <= time.time()
    first = missed[old]
    roots.write(store, lock, write_lock(lock, THREE))
    missed = {root.digests: root.missed for root in roots.read_all(store).values() if root is not None}
    assert missed[old] == first  # the days count from the first time
    write_lock(lock, ONE, TWO)
    roots.write(store, lock, old)
    missed = {root.digests: root.missed for root in roots.read_all(store).values() if root is not None}
    assert missed[old] is None


def test_a_lock_as_it_is_now(tmp_path: Path) -> None:
    """A lock is gone, names digests, or cannot be read; one that cannot be read may need anything."""
    lock = tmp_path / "models.lock"
    digests = write_lock(lock, ONE, TWO)
    assert roots.look_at_lock(str(lock)) == LockSeen(True, digests)
    assert roots.look_at_lock(str(tmp_path / "gone.lock")) == LockSeen(False)
    assert roots.look_at_lock(str(lock / "not-a-folder")) == LockSeen(False)
    root = Root(frozenset({sha256(THREE)}), lock=str(lock))
    for text in (b"<<<<<<< HEAD\n", b"\xff\xfe", b"version = 99\n"):
        lock.write_bytes(text)
        assert roots.look_at_lock(str(lock)) == LockSeen(True, None)
        assert roots.look_at_lock(str(lock)).needs(root)


def test_a_uri_means_what_it_meant(store: Store) -> None:
    """What a URI meant is remembered whole, and replaced when it means something else."""
    assert pulled.recall(store, URI) is None
    pieces = (
        Piece("a.part1of2", "https://x.example/1", 1, sha256(ONE), "e"),
        Piece("b", "https://x.example/2", 0, sha256(TWO)),
    )
    files = (
        LockedFile(
            "model", "sub/model.gguf", 1, sha256(ONE), "https://x.example/m", "etag", "user/model", "0" * 40
        ),
        LockedFile("lora", "adapter.gguf", 0, sha256(TWO), pieces=pieces),
    )
    pulled.remember(store, URI, files)
    assert pulled.recall(store, URI) == files
    assert pulled.recall(store, f"{URI}x") is None
    pulled.remember(store, URI, files[:1])
    assert pulled.recall(store, URI) == files[:1]
    assert [root.digests for root in roots.read_all(store).values() if root] == [{sha256(ONE)}]


def test_a_readonly_stores_memory_is_asked(store: Store, tmp_path: Path) -> None:
    """What was pulled into a read-only store is known; the own memory comes first."""
    pulled.remember(store, URI, [locked(ONE)])
    mine = Store(tmp_path / "mine", (store.root,))
    assert pulled.recall(mine, URI) == (locked(ONE),)
    assert not mine.root.exists()
    pulled.remember(mine, URI, [locked(TWO)])
    assert pulled.recall(mine, URI) == (locked(TWO),)
    assert pulled.recall(store, URI) == (locked(ONE),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"digests": 5}',
        '{"digests": ["xyz"], "uri": "u"}',
        '{"digests": [], "uri": "u", "files": [{"role": "model"}]}',
        '{"digests": [], "uri": "u", "files": [{"role": "evil", "path": "a", "size": 1, "sha256": "%s"}]}'
        % ("0" * 64),
        '{"digests": [], "uri": "u", "files": [{"role": "model", "path": "../a", "size": 1, "sha256": "%s"}]}'
        % ("0" * 64),
        '{"digests": [], "uri": "u", "files": [{"role": "model", "path": "a", "size": "1", "sha256": "%s"}]}'
        % ("0" * 64),
        '{"digests": [], "lock": "l", "uri": "u"}',
        '{"digests": [], "lock": 5}',
        '{"digests": [], "lock": "l", "missed": "never"}',
    ],
)
def test_a_root_that_makes_no_sense_is_none(store: Store, text: str) -> None:
    """A root that is damaged, or leads out of its folder, is told apart from one that is good."""
    pulled.remember(store, URI, [locked(ONE)])
    (key,) = roots.read_all(store)
    store.root_path(key).write_text(text)
    assert roots.read(store.root, key) is None
    assert pulled.recall(store, URI) is None
    assert roots.read_all(store) == {key: None}
    pulled.remember(store, URI, [locked(ONE)])
    assert pulled.recall(store, URI) == (locked(ONE),)


_DIGESTS = st.frozensets(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=5)


@given(
    digests=_DIGESTS,
    missed=st.none() | st.floats(1, 1e10),
    lock=st.none()
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).map("/x{}".format),
)
def test_a_root_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, digests: frozenset[str], missed: float | None, lock: str | None
) -> None:
    """Whatever the path or the digests, a root survives being written down."""
    store = Store(tmp_path_factory.getbasetemp() / "roots")
    root = Root(digests, lock, None if lock else "hf:u/m", (), missed)
    roots.save(store, "0" * 16, root)
    assert roots.read(store.root, "0" * 16) == root


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_paths_that_are_no_text_can_be_roots(store: Store, tmp_path: Path) -> None:
    """A folder whose name is no UTF-8 has a root like any other."""
    lock = tmp_path / os.fsdecode(b"\xff\xfe") / "models.lock"
    digests = write_lock(lock, ONE)
    roots.write(store, lock, digests)
    ((_, root),) = roots.read_all(store).items()
    assert root is not None
    assert root.lock == str(lock)
    assert roots.look_at_lock(root.lock).needs(root)

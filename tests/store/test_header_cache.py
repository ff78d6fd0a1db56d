"""Headers in the store: kept, found again, bounded, and removed with everything else."""

import os
import time
from pathlib import Path

import pytest

from modelsync.store import header_cache, prune, roots
from modelsync.store.layout import Store, header_in
from tests.support.content import sha256
from tests.support.store import DAY, publish, write_lock

NAME = sha256(b"a model")


def age(store: Store, name: str, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(header_in(store.root, name), (then, then))


def test_a_header_is_found_again(store: Store, tmp_path: Path) -> None:
    """By the digest of its file; in a read-only store too; where there is none, None is the answer."""
    assert header_cache.recall(store, NAME) is None
    header_cache.keep(store, NAME, b"GGUF...")
    assert header_cache.recall(store, NAME) == b"GGUF..."
    assert header_cache.recall(Store(tmp_path / "own", (store.root,)), NAME) == b"GGUF..."


def test_what_no_reader_takes_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header over the bound is neither kept nor, where somebody put it there, recalled."""
    monkeypatch.setattr(header_cache, "MAX_BYTES", 10)
    header_cache.keep(store, NAME, bytes(11))
    assert header_cache.recall(store, NAME) is None
    header_cache.keep(store, NAME, bytes(10))
    with open(header_in(store.root, NAME), "ab") as file:
        file.write(b"!")
    assert header_cache.recall(store, NAME) is None


def test_headers_have_so_much_room_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they would take more, the oldest go."""
    monkeypatch.setattr(header_cache, "ROOM", 250)
    names = [sha256(bytes([number])) for number in range(4)]
    for days, name in zip((3, 2, 1, 0), names, strict=True):
        header_cache.keep(store, name, bytes(100))
        age(store, name, days)
    assert [header_cache.recall(store, name) is not None for name in names] == [False, False, True, True]


def test_a_store_that_cannot_be_written_keeps_nothing_and_says_nothing(tmp_path: Path) -> None:
    """What is kept spares requests; that it cannot be kept is no reason to fail."""
    (tmp_path / "file").write_text("in the way")
    header_cache.keep(Store(tmp_path / "file"), NAME, b"GGUF")
    assert header_cache.recall(Store(tmp_path / "file"), NAME) is None


def test_prune_keeps_headers_that_may_be_asked_for(store: Store, tmp_path: Path) -> None:
    """One that a lock needs stays; one that nothing needs goes after 30 days, or --now; so does one of a file here."""
    wanted, old, new, here = (sha256(name) for name in (b"wanted", b"old", b"new", b"here"))
    digests = write_lock(tmp_path / "models.lock", b"wanted", b"here")
    roots.write(store, tmp_path / "models.lock", digests)
    publish(store, b"here")
    for name, days in ((wanted, 400), (old, 31), (new, 1), (here, 1)):
        header_cache.keep(store, name, b"GGUF")
        age(store, name, days)

    def left() -> list[bool]:
        return [header_cache.recall(store, name) is not None for name in (wanted, old, new, here)]

    prune.execute(store, prune.prune(store))
    assert left() == [True, False, True, False]
    prune.execute(store, prune.prune(store, at_once=True))
    assert left() == [True, False, False, False]
    prune.execute(store, prune.clean(store))
    assert left() == [False] * 4

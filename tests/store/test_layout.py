"""Where a store is, and where things are in it."""

import sys
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from modelsync import settings
from modelsync.store import atomic
from modelsync.store.layout import Store, blob_in, default_root, open_store, receipt_in, url_key

SHA = "ab" * 32


def test_the_environment_says_where_the_stores_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MODELSYNC_STORE is the store, MODELSYNC_READONLY_STORES are searched after it, all by absolute paths."""
    monkeypatch.chdir(tmp_path)
    separator = ";" if sys.platform == "win32" else ":"
    env = {"MODELSYNC_STORE": "here", "MODELSYNC_READONLY_STORES": f"{tmp_path / 'a'}{separator}b"}
    store = open_store(settings.from_environment(env))
    assert store == Store(tmp_path / "here", (tmp_path / "a", tmp_path / "b"))
    assert store.places == (tmp_path / "here", tmp_path / "a", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cache", ["/somewhere/cache", "", " "])
def test_without_it_the_store_is_the_platforms_cache_folder(
    cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shortcut that spares Linux an import says what platformdirs says."""
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.delenv("MODELSYNC_STORE")
    assert default_root() == user_cache_path("modelsync", appauthor=False)
    assert open_store(settings.from_environment()).root == default_root()


def test_everything_has_its_place(tmp_path: Path) -> None:
    """Paths are the documented ones: a digest's first two digits spread a folder, names are short."""
    store = Store(tmp_path)
    assert store.blob_path(SHA) == tmp_path / "blobs-v1" / "ab" / SHA == Path(blob_in(tmp_path, SHA))
    assert (
        store.receipt_path(SHA)
        == tmp_path / "receipts-v1" / "ab" / f"{SHA}.json"
        == Path(receipt_in(tmp_path, SHA))
    )
    assert store.partial_path(SHA) == tmp_path / "partials-v1" / SHA
    assert store.view_path("0123") == tmp_path / "views-v1" / "0123"
    assert store.root_path("0123") == tmp_path / "roots-v1" / "0123.json"
    assert store.claim_path(SHA) == tmp_path / "locks-v1" / f"{SHA}.claim"


def test_urls_get_keys_of_their_own() -> None:
    """Different URLs have different keys, which are names that every file system takes."""
    keys = {url_key(f"https://files.example/{name}?a=1") for name in ("a.gguf", "b.gguf", "ü.gguf")}
    assert len(keys) == 3
    assert all(key.startswith("url-") and len(key) == 36 and key[4:].isalnum() for key in keys)


def test_a_store_is_marked_as_a_cache(tmp_path: Path) -> None:
    """Backups that know CACHEDIR.TAG leave the store out."""
    atomic.prepare(Store(tmp_path / "store"))
    atomic.prepare(Store(tmp_path / "store"))
    tag = (tmp_path / "store" / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55\n")

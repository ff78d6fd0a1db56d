"""Where things are in a store. Light: `path()` and a sync with nothing to do import this.

Under the root of a store:

    CACHEDIR.TAG                         tells backups to leave the store out
    blobs-v1/<2 hex>/<sha256>            the files, read-only, each with the digest of its name
    receipts-v1/<2 hex>/<sha256>.json    size and time of the blob as it was published, its seal, its blocks' hashes
    partials-v1/<key>/                   what has arrived of a file so far
    partials-v1/<key>.<16 hex>/          the same, while the process with the claim of this id works on it
    views-v1/<16 hex>/<file name>        blobs under their own names
    roots-v1/<16 hex>.json               which lock or URI needs which digests
    locks-v1/<key>.claim                 names the process that fetches <key>, or edits the project of that key
    memos-v1/<16 hex>.json               what the last sync of a project found
    headers-v1/<2 hex>/<sha256>          the GGUF header of a file that may not be here
    published-v1/<16 hex>.json           files of a commit that a hub was seen to publish, or its licenses
    given-v1/<16 hex>.json               what was put into another tool's cache
    pushed-v1/<16 hex>.json              which repository of a registry was given which blobs
    tmp-v1/                              files and folders on their way to their place

A key is a sha256, or `url-<32 hex>` where no digest is known yet. Another layout of a folder gets another
version in its name, so that old and new programs share a store. What has none of these names is not ours,
and is left alone.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import StoreError

if TYPE_CHECKING:
    from modelsync.settings import Settings

BLOBS = "blobs-v1"
RECEIPTS = "receipts-v1"
PARTIALS = "partials-v1"
VIEWS = "views-v1"
ROOTS = "roots-v1"
LOCKS = "locks-v1"
TEMPORARY = "tmp-v1"
MEMOS = "memos-v1"
HEADERS = "headers-v1"
PUBLISHED = "published-v1"
GIVEN = "given-v1"
PUSHED = "pushed-v1"

FOLDERS = (
    BLOBS,
    RECEIPTS,
    PARTIALS,
    VIEWS,
    ROOTS,
    LOCKS,
    TEMPORARY,
    MEMOS,
    HEADERS,
    PUBLISHED,
    GIVEN,
    PUSHED,
)
SHARDED = (BLOBS, RECEIPTS, HEADERS)  # have folders of two hex digits


class Store(NamedTuple):
    """The store of this user, and those that are only searched.

    Attributes:
        root: An absolute path. The folder is made when something is first written.
        readonly: Roots of further stores, searched in this order and never written.
    """

    root: Path
    readonly: tuple[Path, ...] = ()

    @property
    def places(self) -> tuple[Path, ...]:
        """The roots in the order in which they are searched."""
        return (self.root, *self.readonly)

    def blob_path(self, sha256: str) -> Path:
        """Where this blob is in the store's own root, once it is here."""
        return Path(blob_in(self.root, sha256))

    def receipt_path(self, sha256: str) -> Path:
        """Where the receipt of this blob is in the store's own root."""
        return Path(receipt_in(self.root, sha256))

    def partial_path(self, key: str) -> Path:
        """The folder in which the file of this key arrives."""
        return self.root / PARTIALS / key

    def view_path(self, key: str) -> Path:
        """The folder of this view in the store's own root."""
        return self.root / VIEWS / key

    def root_path(self, key: str) -> Path:
        """The file of this root."""
        return self.root / ROOTS / f"{key}.json"

    def claim_path(self, key: str) -> Path:
        """The file that names the process that works on this key."""
        return self.root / LOCKS / f"{key}.claim"


def open_store(settings: "Settings") -> Store:
    """The store that the settings name. Nothing is read or written yet."""
    root = settings.store if settings.store is not None else default_root()
    return Store(root.absolute(), tuple(place.absolute() for place in settings.readonly_stores))


def default_root() -> Path:
    """The platform's folder for what a program may fetch again, for this user.

    Raises:
        StoreError: the user has no home, as in many containers.
    """
    try:
        if sys.platform == "linux" and "ANDROID_DATA" not in os.environ:
            # What platformdirs answers here; its import would cost `path()` a quarter of its time.
            cache = os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache"
            return Path(cache).expanduser() / "modelsync"
        from platformdirs import user_cache_path

        return user_cache_path("modelsync", appauthor=False)
    except RuntimeError:
        raise StoreError(
            "there is no home folder to keep the store in",
            hint="set MODELSYNC_STORE to a folder that you can write",
        ) from None


def url_key(url: str) -> str:
    """The key of a file of which only the URL is known yet."""
    import hashlib

    return f"url-{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def blob_in(place: "Path | str", sha256: str) -> str:
    """The path of a blob under any store's root. A str: a thousand of them are cheap."""
    return f"{place}{os.sep}{BLOBS}{os.sep}{sha256[:2]}{os.sep}{sha256}"


def receipt_in(place: "Path | str", sha256: str) -> str:
    """The path of a receipt under any store's root."""
    return f"{place}{os.sep}{RECEIPTS}{os.sep}{sha256[:2]}{os.sep}{sha256}.json"


def header_in(place: "Path | str", sha256: str) -> str:
    """The path of the header of a file under any store's root."""
    return f"{place}{os.sep}{HEADERS}{os.sep}{sha256[:2]}{os.sep}{sha256}"

"""What each pulled URI meant, for the next time without a network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from modelsync.errors import NotSyncedError
from modelsync.store.layout import Store
from modelsync.store.roots import Root, _key, read, save

if TYPE_CHECKING:
    from modelsync.spec.lock.model import LockedFile


def remember(store: Store, uri: str, files: "Sequence[LockedFile]") -> None:
    """Says that `uri` (canonical, with its revision) means `files`, in place of what it meant before.

    Raises:
        DiskFullError, StoreError: as with `write`.
    """
    key = _key(f"uri {uri}")
    root = Root(frozenset(file.sha256 for file in files), uri=uri, files=tuple(files))
    if read(store.root, key) != root:
        save(store, key, root)


def recall(store: Store, uri: str) -> "tuple[LockedFile, ...] | None":
    """The files that `uri` meant when it was last pulled; None if it never was. Light.

    The store's own memory is asked first, then that of the read-only ones.
    """
    key = _key(f"uri {uri}")
    for place in store.places:
        root = read(place, key)
        if root is not None and root.uri == uri and root.files:
            return root.files
    return None


def unknown(uri: str, *, hint: str) -> NotSyncedError:
    """The error where nothing is remembered of a URI, and no server may be asked."""
    return NotSyncedError(f"{uri} was never pulled here", hint=hint)

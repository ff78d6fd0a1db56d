"""Publishes many small blobs together: the disk is waited for once for all of them.

The order is that of `blobs.publish`: the bytes are on the disk before the blob has its name. The names are on the disk
once all has been published: until then a power cut may take a blob, and never a part of one.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from modelsync.store import atomic, blobs, receipts
from modelsync.store.layout import Store
from modelsync.store.receipts import BlobOrigin

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from modelsync.spec.blocks import Blocks

T = TypeVar("T")

_WAITS = 16  # for the disk, at one time
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_READ_ONLY = 0o444


class SmallBlob(NamedTuple):
    """A blob in memory, whose sha256 was just found right.

    Attributes:
        sha256: Its digest, in hex.
        data: Its bytes.
        blocks: Its size, and the hashes of its blocks.
        origin: Where it came from.
    """

    sha256: str
    data: bytes
    blocks: "Blocks"
    origin: BlobOrigin


class SmallBlobs:
    """Publishes small blobs; a context manager, at whose end their names are on the disk.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own = store._replace(readonly=())
        self._folders: set[Path] = set()  # whose names are not known to be on the disk
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_once(atomic.sync_folder, sorted(self._folders))
        if self._pool is not None:
            self._pool.shutdown()

    def publish(self, coming: Iterable[SmallBlob]) -> None:
        """Publishes blobs: synced, read-only, each with a receipt, by a rename each. For one thread at a time.

        What the store has already is kept, and its receipt tells of this origin too.

        Raises:
            DiskFullError: there is no room for all; those that have their name stay.
            StoreError: the store cannot be written.
        """
        store = self._store
        with atomic.told("cannot publish what was fetched"):
            atomic.prepare(store)
            new: dict[str, SmallBlob] = {}
            for blob in coming:
                if blobs.find(self._own, blob.sha256, blob.blocks.size) is None:
                    new[blob.sha256] = blob
                else:
                    seen = store.blob_path(blob.sha256).stat()
                    receipt = receipts.sealed(seen, blob.blocks, (blob.origin,))
                    receipts.note(store, blob.sha256, receipt, blob.blocks)
            temporary = {sha256: os.fspath(atomic.temporary(store)) for sha256 in new}
            try:
                self._write(new, temporary)
                self._give_names(temporary)
            except BaseException:
                for path in temporary.values():
                    with suppress(OSError):
                        os.unlink(path)  # noqa: PTH108
                raise

    def _write(self, new: Mapping[str, SmallBlob], temporary: Mapping[str, str]) -> None:
        """Writes the blobs by their temporary names, and their receipts once the bytes are on the disk."""
        descriptors: dict[str, int] = {}
        try:
            for sha256, path in temporary.items():
                descriptors[sha256] = os.open(path, _FLAGS, _READ_ONLY)
                data = new[sha256].data
                if os.write(descriptors[sha256], data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            self._at_once(atomic.sync_bytes, list(descriptors.values()))
            for sha256, blob in new.items():
                seen = os.fstat(descriptors[sha256])
                if stat.S_IMODE(seen.st_mode) != _READ_ONLY:  # what the umask took away
                    os.chmod(temporary[sha256], _READ_ONLY)  # noqa: PTH101
                receipt = receipts.sealed(seen, blob.blocks, (blob.origin,))
                receipts.begin(self._store, sha256, receipt, blob.blocks)
        finally:
            for descriptor in descriptors.values():
                os.close(descriptor)

    def _give_names(self, temporary: Mapping[str, str]) -> None:
        for sha256, path in temporary.items():
            target = self._store.blob_path(sha256)
            self._folders.add(target.parent)
            try:
                atomic.rename(Path(path), target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                atomic.rename(Path(path), target)

    def _at_once(self, wait: Callable[[T], object], items: Sequence[T]) -> None:
        """Waits for the disk with many items at one time: what is waited for together it puts on record together."""
        if len(items) < 2:
            _each(wait, items)
            return
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_WAITS, thread_name_prefix="modelsync-sync")
        parts = min(len(items), _WAITS)
        list(self._pool.map(lambda first: _each(wait, items[first::parts]), range(parts)))


def _each(wait: Callable[[T], object], items: Iterable[T]) -> None:
    for item in items:
        wait(item)

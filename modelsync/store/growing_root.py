"""A root that grows while files without a known digest are read: each is named before it is published."""

import threading
from collections.abc import Iterable
from pathlib import Path

from modelsync.store import roots
from modelsync.store.layout import Store

_MOST = 64  # digests of one root: each is written again for each file


class GrowingRoot:
    """What a lock in the making needs, written down digest by digest, in a few roots. For several threads."""

    def __init__(self, store: Store, lock_path: Path, named: Iterable[str]) -> None:
        """Writes nothing yet.

        Args:
            store: The store.
            lock_path: Where the lock is.
            named: All digests that the lock names as it is.
        """
        self._store = store
        self._lock_path = lock_path
        self._named = frozenset(named)
        self._digests: frozenset[str] = frozenset()
        self._guard = threading.Lock()

    def add(self, sha256: str) -> None:
        """Says that the lock needs this digest too.

        Raises:
            DiskFullError, StoreError: as with `roots.write`.
        """
        with self._guard:
            before = self._digests if len(self._digests) < _MOST else frozenset()
            now = before | {sha256}
            if now == before:
                return
            if not self._digests:
                roots.write(self._store, self._lock_path, now, named=self._named)
            else:
                roots.grow(self._store, self._lock_path, before, now)
            self._digests = now

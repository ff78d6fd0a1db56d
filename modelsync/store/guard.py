"""The lock of a digest: who holds it fetches; who wants the same waits.

Where the file system has no locks, everyone who wants the digest works in a folder of their own: the bytes
are fetched twice, and both are right.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from modelsync.store.layout import Store


class Held(NamedTuple):
    """The right to work on a key.

    Attributes:
        key: The digest, or what `layout.url_key` gave.
        folder: Where the partial of this key is, or is to be: only the holder touches it.
        exclusive: Whether a file lock is held. False: `folder` is private, and others may be at work on the
            key too.
    """

    key: str
    folder: Path
    exclusive: bool


@contextmanager
def hold(
    store: Store,
    key: str,
    *,
    blocking: bool = True,
    cancel: threading.Event | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[Held | None]:
    """Holds the lock of `key` for a `with` block.

    After a wait, look for the blob again: the one who had the lock has most likely published it. Who wants
    several keys blocking takes them in sorted order, so that two never wait for each other. Locks exclude
    threads as well as
    processes: do not hold a key twice.

    Args:
        store: The store.
        key: A digest, or what `layout.url_key` gave.
        blocking: Whether to wait while someone else has it. When not, the block gets None.
        cancel: Ends the wait with `CancelledError` when set.
        on_wait: Called once, when the wait begins.

    Raises:
        StoreError: the store cannot be written.
    """
    raise NotImplementedError
    yield

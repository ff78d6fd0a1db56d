"""The lock of a digest: one process fetches it, the others that want it wait.

The lock is a claim (`claim.py`). Whoever has it works in a folder that bears the claim's id, so that no two processes
ever write to one file, whatever became of their claims. Between two owners the partial is at `<key>`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.errors import StoreError
from modelsync.store import atomic, claim
from modelsync.store.layout import Store

if TYPE_CHECKING:
    import threading


class Held(NamedTuple):
    """The right to work on a key.

    Attributes:
        key: The digest, or what `layout.url_key` gave.
        folder: Where the partial of this key is, or is to be, for this `with` block: no other process writes there.
        claim: What gives the right.
    """

    key: str
    folder: Path
    claim: claim.HeldClaim

    def confirm(self) -> None:
        """Returns while the right is still this process's; to be called before something is written.

        Raises:
            StoreError: this process was suspended so long that another one has taken over.
        """
        if not self.claim.confirm():
            raise StoreError(
                f"another process has taken over {self.key[:16]}…, since this one stood still",
                hint="run it again",
            )


@contextmanager
def hold(
    store: Store,
    key: str,
    *,
    blocking: bool = True,
    cancel: "threading.Event | None" = None,
    on_wait: Callable[[], None] | None = None,
) -> Iterator[Held | None]:
    """Holds the lock of `key` for a `with` block.

    After a wait, look for the blob again: the process that had the lock has most likely published it. A caller that
    wants several keys waits for none while it holds another. Locks exclude threads as well as processes: do not hold
    a key twice.

    Args:
        store: The store.
        key: A digest, or what `layout.url_key` gave.
        blocking: Whether to wait while another process has it. When not, the block gets None.
        cancel: Ends the wait with `CancelledError` when set.
        on_wait: Called once, when the wait begins.

    Raises:
        StoreError: the store cannot be written.
        CancelledError: the wait was cancelled.
    """
    path, rest = store.claim_path(key), store.partial_path(key)

    def recover(ended: str) -> None:
        with suppress(OSError):  # of two that try, one gets it
            _folder(store, key, ended).rename(rest)

    with atomic.told(f"cannot lock {key[:16]}… in the store"):
        atomic.check_folders(store)
        if not path.parent.is_dir():
            atomic.prepare(store)
            path.parent.mkdir(exist_ok=True)
    with claim.claimed(path, blocking=blocking, cancel=cancel, on_wait=on_wait, on_ended=recover) as mine:
        if mine is None:
            yield None
            return
        folder = _folder(store, key, mine.id)
        with atomic.told(f"cannot begin {key[:16]}… in the store"):
            _take(rest, folder)
        try:
            yield Held(key, folder, mine)
        finally:
            with suppress(OSError):  # mostly it was published, and is gone
                _put_back(folder, rest)


def _put_back(folder: Path, rest: Path) -> None:
    """Leaves a partial for the next process; one with nothing in it goes.

    Raises:
        OSError: there is none.
    """
    try:
        folder.rmdir()
    except FileNotFoundError:
        raise
    except OSError:
        folder.rename(rest)


def partial_of(store: Store, key: str) -> Path:
    """The folder in which the partial of a key is now, or would be: at work, left by a killed process, or between."""
    rest = store.partial_path(key)
    if not rest.exists() and (holder := claim.holder(store.claim_path(key))) is not None:
        return _folder(store, key, holder)
    return rest


def is_held(store: Store, key: str) -> bool:
    """Whether a process has the lock of `key` now, or may have it."""
    return claim.is_held(store.claim_path(key))


def _folder(store: Store, key: str, id: str) -> Path:
    return store.partial_path(f"{key}.{id}")


def _take(rest: Path, folder: Path) -> None:
    try:
        rest.rename(folder)
    except FileNotFoundError:
        return
    if folder.is_symlink():  # nothing is written through a link that somebody put there
        folder.unlink()

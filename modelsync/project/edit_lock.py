"""The edit lock: one process at a time reads, edits and writes a project's manifest and lock."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from modelsync.errors import StoreError
from modelsync.project import write
from modelsync.project.project import LoadedProject
from modelsync.store import digest_lock
from modelsync.store.layout import Store

if TYPE_CHECKING:
    import threading

WAITING = "waiting for another modelsync in this project"
TRIES = 5  # edits done anew because another program wrote the file just then


@contextmanager
def edit_lock(
    store: Store,
    project: LoadedProject,
    *,
    warn: Callable[[str], None],
    cancel: "threading.Event | None" = None,
) -> Iterator[None]:
    """Keeps other processes from editing the project; what they wrote before is read anew.

    Where the store cannot be written the block runs all the same: `LoadedProject.write_lock` and `write_manifest`
    compare the file before they replace it.

    Args:
        store: Where the lock is, by the real path of the manifest.
        project: The project.
        warn: Told that another process has the lock, when the wait begins.
        cancel: Ends the wait with `CancelledError` when set.
    """
    with ExitStack() as stack:
        with suppress(StoreError):
            held = digest_lock.hold(store, key(project), cancel=cancel, on_wait=lambda: warn(WAITING))
            stack.enter_context(held)
        project.refresh()
        for path in (project.manifest_path, project.lock_path):
            write.sweep(path)
        yield


def key(project: LoadedProject) -> str:
    """What the store calls the lock of this project: 64 hex digits, as for a digest."""
    real = os.path.realpath(project.manifest_path)
    return hashlib.sha256(b"project\0" + os.fsencode(real)).hexdigest()

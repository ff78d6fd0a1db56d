"""Headers of model files, kept so that a model that is not here is read only once over the network.

A header is kept under the digest of its whole file, but only the whole file could prove that it belongs to it: it is
what a server gave. So it is data like any other: it is read with all bounds, and no model is loaded by it.
"""

from contextlib import suppress
from pathlib import Path

from modelsync.store import atomic, small_files
from modelsync.store.layout import HEADERS, Store, header_in

MAX_BYTES = 64 << 20  # of one header: the reader's own bound
ROOM = 256 << 20  # bytes of all of them; the oldest go first


def recall(store: Store, sha256: str) -> bytes | None:
    """The header of the file of that digest; None where none was kept. The read-only stores are asked last."""
    for place in store.places:
        with suppress(OSError):
            return small_files.read(header_in(place, sha256), MAX_BYTES)
    return None


def keep(store: Store, sha256: str, header: bytes) -> None:
    """Keeps a header, if the store can be written and it is none that no reader takes."""
    if len(header) > MAX_BYTES:
        return
    with suppress(OSError):  # it spares some requests, and is no reason to fail
        atomic.write(store, Path(header_in(store.root, sha256)), header)
        _make_room(store)


def _make_room(store: Store) -> None:
    seen = [(path, path.stat()) for path in (store.root / HEADERS).glob("*/*")]
    total = sum(each.st_size for _, each in seen)
    for path, each in sorted(seen, key=lambda pair: pair[1].st_mtime_ns):
        if total <= ROOM:
            return
        atomic.unlink(path)
        total -= each.st_size

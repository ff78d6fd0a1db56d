"""What the tests of the store make: blobs, locked files, locks, child processes, a kernel that refuses."""

from pathlib import Path

from blake3 import blake3

from modelsync.spec.blocks import SIZE, Blocks
from modelsync.spec.lock import text
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.spec.roles import Role
from modelsync.store import atomic, blobs
from modelsync.store.layout import Store
from modelsync.store.receipts import BlobOrigin
from tests.support.content import sha256


def arrive(store: Store, data: bytes) -> Path:
    """`data`, as a transfer leaves it: in the folder of its partial, with a journal."""
    atomic.prepare(store)
    folder = store.partial_path(sha256(data))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal").write_text("all\n")
    (folder / "data").write_bytes(data)
    return folder / "data"


def blocks(data: bytes) -> Blocks:
    """The hashes of the blocks of `data`."""
    starts = range(0, len(data) or 1, SIZE)
    return Blocks(len(data), b"".join(blake3(data[start : start + SIZE]).digest() for start in starts))


def publish(store: Store, data: bytes, origin: BlobOrigin | None = None) -> Path:
    return blobs.publish(
        store,
        arrive(store, data),
        sha256=sha256(data),
        blocks=blocks(data),
        origin=origin,
    )


def locked(data: bytes, path: str = "model.gguf", role: Role = "model") -> LockedFile:
    return LockedFile(role, path, len(data), sha256(data), url=f"https://files.example/{path}")


DAY = 86400.0  # seconds
ONE, TWO, THREE = b"GGUF one", b"GGUF two", b"GGUF three"
FILES = (
    locked(ONE, "big-00001-of-00002.gguf"),
    locked(TWO, "big-00002-of-00002.gguf"),
    locked(THREE, "sub/mmproj.gguf", "mmproj"),
)  # a split model and its projector


def write_lock(path: Path, *contents: bytes) -> frozenset[str]:
    """A real lock that names these files; returns their digests."""
    models = tuple(
        LockedModel(
            f"m{index}",
            {"uri": f"https://files.example/m{index}.gguf"},
            (locked(data, f"m{index}.gguf"),),
        )
        for index, data in enumerate(contents)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.dumps(Lock(models)))
    return Lock(models).digests

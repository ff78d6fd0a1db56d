"""What the tests of the store make: blobs, locked files, locks, child processes, a kernel that refuses."""

import ctypes
import hashlib
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from blake3 import blake3

from modelsync.spec.blocks import SIZE, Blocks
from modelsync.spec.lock import model, text
from modelsync.spec.lock.model import Lock, LockedFile, LockedModel
from modelsync.store import atomic, blobs
from modelsync.store.layout import Store
from modelsync.store.receipts import Origin

REPO = Path(__file__).parents[2]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def publish(store: Store, data: bytes, origin: Origin | None = None) -> Path:
    return blobs.publish(
        store,
        arrive(store, data),
        sha256=sha256(data),
        blocks=blocks(data),
        origin=origin,
    )


def locked(data: bytes, path: str = "model.gguf", role: model.Role = "model") -> LockedFile:
    return LockedFile(role, path, len(data), sha256(data), url=f"https://files.example/{path}")


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


def damage(path: Path) -> None:
    """Changes a byte of a file, as a disk does: neither its size nor its time tells."""
    seen = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    path.chmod(0o444)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A real process that runs `code` with this project on its path."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> list[str]:
    """What each process printed, once it is done; each has to end well."""
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), answers
    return answers


def renounce() -> None:
    """From now on this process may no more than its user's files allow, though the user be root (on Linux)."""
    if sys.platform == "linux" and os.geteuid() == 0:
        version = struct.pack("Ii", 0x20080522, 0)
        assert ctypes.CDLL(None).capset(version, bytes(24)) == 0


# --- a kernel that refuses ---------------------------------------------------------------------------

_NUMBERS: dict[str, tuple[int, dict[str, tuple[int, ...]]]] = {
    "x86_64": (0xC000003E, {"flock": (73,), "link": (86, 265), "symlink": (88, 266)}),
    "aarch64": (0xC00000B7, {"flock": (32,), "link": (37,), "symlink": (36,)}),
}
CAN_REFUSE = sys.platform == "linux" and platform.machine() in _NUMBERS


def refuse(calls: Mapping[str, int]) -> None:
    """From now on the kernel answers this process's calls of `flock`, `link` or `symlink` with an errno.

    That is what a file system without them answers. The process cannot undo it.
    """
    architecture, numbers = _NUMBERS[platform.machine()]
    allow, load, equal, answer = 0x7FFF0000, 0x20, 0x15, 0x06
    program: list[tuple[int, int, int, int]] = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (answer, 0, 0, allow),
    ]
    program.append((load, 0, 0, 0))
    for name, number in calls.items():
        for call in numbers[name]:
            program += [(equal, 0, 1, call), (answer, 0, 0, 0x00050000 | number)]
    program.append((answer, 0, 0, allow))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, mode = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(set_filter, mode, header, 0, 0) == 0, os.strerror(ctypes.get_errno())


def refusing(calls: Mapping[str, int], code: str, arguments: Sequence[object] = ()) -> subprocess.Popen[str]:
    """A process that runs `code` on a kernel that refuses `calls`."""
    return python(f"from tests.support.store import refuse\nrefuse({dict(calls)!r})\n{code}", *arguments)

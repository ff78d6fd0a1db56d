"""Bytes that begin like those of a GGUF file, their digests, and how they rot."""

import hashlib
import os
import random
from functools import cache
from pathlib import Path


def gguf(seed: str, size: int = 3000) -> bytes:
    """Bytes that begin like a GGUF and are like no other seed's."""
    return b"GGUF" + (seed.encode() * size)[: size - 4]


@cache
def noise(size: int, seed: int = 0) -> bytes:
    """`size` bytes that begin like a GGUF file and repeat nowhere."""
    return b"GGUF" + random.Random(seed).randbytes(size - 4) if size >= 4 else b"GGUF"[:size]


def sha256(data: bytes) -> str:
    """The digest, as a lock writes it."""
    return hashlib.sha256(data).hexdigest()


def damage(path: Path, *offsets: int, drift: bool = False) -> None:
    """Flips a bit at each offset, as a disk does: size and time stay, unless `drift`."""
    seen = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 4]))
    path.chmod(seen.st_mode)
    if not drift:
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))

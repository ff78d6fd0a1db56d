"""Hashes of files: the seal, which finds rot, and the sha256, which decides."""

from collections.abc import Callable
from pathlib import Path


def blake3_of(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """The BLAKE3 of a file in hex, on all cores.

    Args:
        path: The file.
        on_bytes: Is told how many more bytes were read, as they are; what it raises ends the work.
    """
    raise NotImplementedError


def sha256_of(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> str:
    """The sha256 of a file in hex."""
    raise NotImplementedError


def both_of(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> tuple[str, str]:
    """The sha256 and the BLAKE3 of a file in hex, read once."""
    raise NotImplementedError

"""Computes the digests of a file from its bytes in order."""

import hashlib
from collections.abc import Sequence
from copy import copy

from modelsync.spec.blocks import Blocks, Hasher


class Digests:
    """The SHA-256 of a file, the BLAKE3 of each of its blocks, and the SHA-256 of each of its pieces.

    Args:
        pieces: The sizes of the pieces that the file is joined from, in order; empty for a single file.
    """

    def __init__(self, pieces: Sequence[int] = ()) -> None:
        self.position = 0
        self.pieces: list[str] = []
        self._whole = hashlib.sha256()
        self._blocks = Hasher()
        self._piece = hashlib.sha256()
        self._sizes = list(pieces)
        self._room = 0
        self._next_piece()

    def update(self, data: memoryview) -> None:
        """Takes the next bytes of the file."""
        self._whole.update(data)
        self._blocks.update(data)
        self.position += len(data)
        while self._sizes and data:
            part = data[: self._room]
            self._piece.update(part)
            self._room -= len(part)
            data = data[len(part) :]
            if not self._room:
                self._end_piece()

    def copy(self) -> "Digests":
        """An independent copy in the current state."""
        other = copy(self)
        other.pieces = list(self.pieces)
        other._whole, other._blocks, other._piece = (
            self._whole.copy(),
            self._blocks.copy(),
            self._piece.copy(),
        )
        other._sizes = list(self._sizes)
        return other

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes so far, in hex."""
        return self._whole.hexdigest()

    @property
    def blocks(self) -> Blocks:
        """BLAKE3 of all blocks so far."""
        return self._blocks.blocks

    def _end_piece(self) -> None:
        self.pieces.append(self._piece.hexdigest())
        del self._sizes[0]
        self._piece = hashlib.sha256()
        self._next_piece()

    def _next_piece(self) -> None:
        if self._sizes:
            self._room = self._sizes[0]
            if not self._room:
                self._end_piece()

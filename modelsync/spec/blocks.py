"""The blocks of a file, whose hashes find damage and tell where it is.

Each block of 16 MiB has a BLAKE3 of its own: so blocks are hashed side by side, and a damaged one is fetched alone.
The seal of a file of one block is that block's hash; of more, the BLAKE3 over the hashes of all, in order. One pass
gives both, and the seal proves a list of hashes that was kept.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from blake3 import blake3

SIZE = 16 << 20  # bytes of a block; the last one may be shorter
HASH = 32  # bytes
UNREADABLE = bytes(HASH)  # stands for the hash of a block that the disk could not read; no bytes hash to it

_SHOWN = 2  # spans that are named

Span = tuple[int, int]  # the offsets of a first byte, and of the one after the last


class Blocks(NamedTuple):
    """The hashes of a file's blocks.

    Attributes:
        size: Bytes of the file.
        hashes: The BLAKE3 of each block, one after the other, 32 bytes each; an empty file has one empty block.
    """

    size: int
    hashes: bytes

    @property
    def seal(self) -> str:
        """One hash of all hashes, in hex: any changed byte changes it."""
        if count(self.size) == 1:
            return self.hashes.hex()
        from blake3 import blake3

        return blake3(self.hashes).hexdigest()

    def damaged(self, found: "Blocks") -> tuple[Span, ...]:
        """The spans of a file that are damaged.

        Neighbouring blocks make one span. A file that is too long, and right otherwise, has no damaged span.

        Args:
            found: The hashes now, of as many bytes as the file should have.
        """
        out: list[Span] = []
        for start, end in spans(self.size):
            at = start // SIZE * HASH
            if self.hashes[at : at + HASH] != found.hashes[at : at + HASH]:
                if out and out[-1][1] == start:
                    start, _ = out.pop()
                out.append((start, end))
        return tuple(out)


class Hasher:
    """Hashes the blocks of a file as its bytes arrive.

    Args:
        threads: The most that hash, as `blake3.blake3` takes it.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._block = self._new()
        self._room = SIZE
        self._done = b""
        self._position = 0

    def update(self, data: memoryview) -> None:
        """Takes the next bytes of the file."""
        self._position += len(data)
        while len(data) > self._room:
            self._block.update(data[: self._room])
            data = data[self._room :]
            self._done += self._block.digest()
            self._block, self._room = self._new(), SIZE
        self._block.update(data)
        self._room -= len(data)

    def copy(self) -> Self:
        """A hasher with the same bytes so far."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__, _block=self._block.copy())
        return other

    @property
    def blocks(self) -> Blocks:
        """The hashes of all bytes so far."""
        return Blocks(self._position, self._done + self._block.digest())

    def _new(self) -> "blake3":
        from blake3 import blake3

        return blake3(max_threads=self._threads)


def count(size: int) -> int:
    """How many blocks a file of `size` bytes has."""
    return max(1, -(-size // SIZE))


def spans(size: int) -> Iterator[Span]:
    """The spans of the blocks of a file of `size` bytes."""
    return ((number * SIZE, min(size, (number + 1) * SIZE)) for number in range(count(size)))


def others(size: int, without: tuple[Span, ...]) -> tuple[Span, ...]:
    """The spans of `size` bytes that are outside of `without`, which is sorted."""
    edges = [0, *(edge for span in without for edge in span), size]
    return tuple((start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end)


def describe_damage(size: int, damaged: tuple[Span, ...]) -> str:
    """Which blocks of a file of `size` bytes are damaged: `1 of 256 blocks (64 to 80 MiB)`."""
    number = sum(count(end - start) for start, end in damaged)
    places = [f"{start >> 20} to {-(-end >> 20)}" for start, end in damaged[:_SHOWN]]
    more = ", …" if len(damaged) > _SHOWN else ""
    return f"{number} of {count(size)} blocks ({', '.join(places)}{more} MiB)"

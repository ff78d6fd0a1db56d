"""How model files are cut up, as their names tell it.

Split models, made by llama.cpp's `gguf-split`, stay cut: `name-00001-of-00003.gguf`. Each part is a GGUF file, and
llama.cpp finds the others by name. Pieces are one file cut for a hub's size limit: `name.gguf.part1of2`. They are
joined.
"""

import re
from typing import NamedTuple

from modelsync.errors import RefusedError
from modelsync.spec.names import printable

MAX_PARTS = 1000  # the largest models on hubs have a few dozen

_PART = r"(?s)(.+)-([0-9]{5})-of-([0-9]{5})\.gguf"
_PIECE = r"(?s)(.+\.gguf)\.part([0-9]{1,4})of([0-9]{1,4})"


class PartName(NamedTuple):
    """Where a file stands among those that it was cut into."""

    prefix: str  # what all their names begin with; for pieces the name of the file that they are
    number: int  # from 1
    total: int
    joined: bool  # pieces of one file, not parts of a split model

    def sibling(self, number: int) -> str:
        """The name of another of them."""
        if self.joined:
            return f"{self.prefix}.part{number}of{self.total}"
        return f"{self.prefix}-{number:05d}-of-{self.total:05d}.gguf"


def part_of(path: str) -> PartName | None:
    """What the name of `path` says about parts or pieces; None if it is a file of its own."""
    if "of" not in path:
        return None
    match = re.fullmatch(_PART, path) or re.fullmatch(_PIECE, path)
    if not match:
        return None
    part = PartName(match[1], int(match[2]), int(match[3]), joined=match.re.pattern == _PIECE)
    return part if 1 <= part.number <= part.total and part.sibling(part.number) == path else None


def siblings(path: str) -> tuple[str, ...]:
    """All the parts or pieces that belong together with `path`, in order, itself among them.

    Raises:
        RefusedError: the name speaks of more parts than any model has.
    """
    part = part_of(path)
    if part is None:
        return (path,)
    if part.total > MAX_PARTS:
        raise RefusedError(f"`{printable(path)}` speaks of {part.total} parts: no model has over {MAX_PARTS}")
    return tuple(part.sibling(number) for number in range(1, part.total + 1))


def joined_name(path: str) -> str | None:
    """The name of the one file that the pieces make, or None if `path` is not a piece."""
    part = part_of(path)
    return part.prefix if part and part.joined else None

"""Parts of split models and pieces of cut files, by their names.

Split models, made by llama.cpp's `gguf-split`, stay split: `name-00001-of-00003.gguf`. Each part is a GGUF file, and
llama.cpp finds the others by name. Pieces are one file, cut for a hub's size limit: `name.gguf.part1of2`. They are
joined.
"""

import re
from typing import NamedTuple

from modelsync.errors import RefusedError
from modelsync.spec.names import printable

MAX_PARTS = 2048  # some makers give each tensor a file of its own, which is over 1,100

_PART = r"(?s)(.+)-([0-9]{5})-of-([0-9]{5})\.gguf"
_PIECE = r"(?s)(.+\.gguf)\.part([0-9]{1,4})of([0-9]{1,4})"


class PartName(NamedTuple):
    """The name of a part or piece, taken apart."""

    prefix: str  # what all their names begin with; of pieces: the name of the joined file
    number: int  # from 1
    total: int
    joined: bool  # pieces of one file, not parts of a split model

    def sibling(self, number: int) -> str:
        """The name of the part or piece with that number."""
        if self.joined:
            return f"{self.prefix}.part{number}of{self.total}"
        return f"{self.prefix}-{number:05d}-of-{self.total:05d}.gguf"


def part_of(path: str) -> PartName | None:
    """The part or piece that `path` names; None if it is a whole file."""
    if "of" not in path:
        return None
    match = re.fullmatch(_PART, path) or re.fullmatch(_PIECE, path)
    if not match:
        return None
    part = PartName(match[1], int(match[2]), int(match[3]), joined=match.re.pattern == _PIECE)
    return part if 1 <= part.number <= part.total and part.sibling(part.number) == path else None


def siblings(path: str) -> tuple[str, ...]:
    """All parts or pieces that belong to `path`, in order, itself included.

    Raises:
        RefusedError: the name counts more parts than any model has.
    """
    part = part_of(path)
    if part is None:
        return (path,)
    if part.total > MAX_PARTS:
        raise RefusedError(f"`{printable(path)}` speaks of {part.total} parts: no model has over {MAX_PARTS}")
    return tuple(part.sibling(number) for number in range(1, part.total + 1))


def together(one: str, two: str) -> bool:
    """Whether two paths are one file, or parts or pieces that belong together."""
    if one == two:
        return True
    a, b = part_of(one), part_of(two)
    return a is not None and b is not None and a._replace(number=b.number) == b


def joined_name(path: str) -> str | None:
    """The name of the file that the pieces are joined into; None if `path` is not a piece."""
    part = part_of(path)
    return part.prefix if part and part.joined else None

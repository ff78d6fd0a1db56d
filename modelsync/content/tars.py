"""Goes through the members of a tar without reading what is in them. Pure.

Source: POSIX.1-2001 `pax`, GNU tar's manual ("Basic Tar Format"), and what `tarfile` of CPython makes of odd archives.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeAlias

from modelsync.content.heads import is_header

BLOCK = 512
MAX_MEMBERS = 100_000
_MAX_NAME = 1 << 20  # bytes of a long name, or of a member's pax records
_EMPTY_TYPES = frozenset(b"123456")  # links, devices, folders, pipes: they have no data
_FOLDER = ord("5")
_USTAR = b"ustar\0"  # of POSIX: GNU's own magic has a blank, and no prefix
_SPARSE = ord("S")
_SPARSE_KEYS = (b"GNU.sparse", b"SCHILY.realsize")


class TarError(Exception):
    """The archive cannot be followed to its end; the message is a clause."""


class Member(NamedTuple):
    """A member's data follows: `size` bytes."""

    name: str
    size: int


class Need(NamedTuple):
    """So many bytes are needed next."""

    size: int


# What a walk yields. After a `Need` it is sent the bytes, after a `Member` how many bytes of its data were passed: all.
Step: TypeAlias = Need | Member


def walk(on_other: Callable[[str], None] | None = None) -> Generator[Step, bytes, None]:
    """Follows the headers of an archive.

    Args:
        on_other: Is called with the name of each link, device and pipe.

    Yields:
        `Need`, to be answered with that many bytes, fewer at the end of the file; and `Member`, to be answered, with
        anything, once its data and the padding to the next block have been passed.

    Raises:
        TarError: it is damaged, or has what readers do not agree about.
    """
    name: str | None = None
    size: int | None = None
    for _ in range(MAX_MEMBERS):
        block = yield Need(BLOCK)
        if not block or block.count(0) == len(block):
            return
        if len(block) < BLOCK or not is_header(block):
            raise TarError("it is a damaged tar archive")
        kind, stored = block[156], _number(block[124:136])
        if kind in b"LKxg":
            if stored > _MAX_NAME:
                raise TarError("a name in it is endless")
            data = yield Need(padded(stored))
            if len(data) < stored:
                raise TarError("it ends in the middle of a name")
            if kind == ord("L"):
                name = _text(data[:stored])
            elif kind in b"xg":
                said_name, said_size = _pax(data[:stored])
                if kind == ord("g") and said_size is not None:
                    raise TarError("it gives one size for all its members")
                name, size = said_name or name, said_size if said_size is not None else size
            continue
        if kind in (_SPARSE, ord("X"), ord("V"), ord("M"), ord("N"), ord("D")):
            raise TarError("it has members of a kind that cannot be looked into")
        stored = stored if size is None else size
        shown = name or _name(block)
        name = size = None
        if kind in _EMPTY_TYPES:
            if stored and kind != ord("1"):
                raise TarError("a folder or link in it has data")
            if kind != _FOLDER and on_other is not None:
                on_other(shown)
            continue
        yield Member(shown, stored)
    raise TarError(f"it has more than {MAX_MEMBERS} members")


def padded(size: int) -> int:
    """Bytes that a member's data takes in the archive."""
    return -(-size // BLOCK) * BLOCK


def from_root(name: str) -> str:
    """A member's name, told from the root of the archive."""
    while name.startswith(("./", "/")):
        name = name.removeprefix(".").removeprefix("/")
    return name


def _name(block: bytes) -> str:
    """The name in a header; a long one of POSIX begins in a field of its own."""
    prefix = _text(block[345:500]) if block[257:263] == _USTAR else ""
    return f"{prefix}/{_text(block[:100])}" if prefix else _text(block[:100])


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        number = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise TarError("a size in it makes no sense")
    return number


def _pax(data: bytes) -> tuple[str | None, int | None]:
    """The name and the size that records give the next member."""
    name: str | None = None
    size: int | None = None
    while data:
        length, _, _ = data.partition(b" ")
        count = int(length) if length.isdigit() and len(length) < 8 else 0
        record = data[len(length) + 1 : count]
        key, mark, value = record.partition(b"=")
        if not mark or not value.endswith(b"\n"):
            raise TarError("its records make no sense")
        data = data[count:]
        if key.startswith(_SPARSE_KEYS):
            raise TarError("it has members of a kind that cannot be looked into")
        if key == b"path":
            name = _text(value[:-1])
        elif key == b"size":
            if not value[:-1].isdigit() or len(value) > 20:
                raise TarError("a size in it makes no sense")
            size = int(value)
    return name, size


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "replace")

"""Goes through the members of a zip by its central directory, in bounded memory. Pure.

Source: PKWARE's APPNOTE 6.3.10, and how `zipfile` of CPython finds the directory.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from modelsync.content.view import View

MAX_MEMBERS = 50_000
MAX_DIRECTORY = 64 << 20  # bytes
STORED, DEFLATED = 0, 8
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_COMMENT = 0xFFFF
_ALL_32, _ALL_16 = 0xFFFFFFFF, 0xFFFF
_PIECE = 64 << 10
_DISPUTED = "it may have another directory, which some programs read in place of this one"


class ZipError(Exception):
    """The archive cannot be followed to its end; the message is a clause."""


class Member(NamedTuple):
    """One file of an archive: its sizes packed and unpacked, and where its local header is."""

    name: str
    method: int
    packed: int
    size: int
    offset: int
    encrypted: bool


def members(view: View) -> Iterator[Member]:
    """The files that the central directory lists, folders left out.

    Raises:
        ZipError: there is no directory, or it is damaged or too large.
    """
    start, size, count, shift = _directory(view)
    if size > MAX_DIRECTORY or count > MAX_MEMBERS:
        raise ZipError(f"it has more than {MAX_MEMBERS} members")
    at, end = start, start + size
    for _ in range(MAX_MEMBERS):
        if at >= end:
            return
        entry = view.at(at, _ENTRY.size)
        if len(entry) < _ENTRY.size or entry[:4] != b"PK\x01\x02":
            raise ZipError("its directory is damaged")
        fields = _ENTRY.unpack(entry)
        flags, method, packed, unpacked = fields[5], fields[6], fields[10], fields[11]
        lengths, offset = fields[12:15], fields[18]
        data = view.at(at + _ENTRY.size, sum(lengths[:2]))
        if len(data) < sum(lengths[:2]):
            raise ZipError("its directory is damaged")
        at += _ENTRY.size + sum(lengths)
        name = data[: lengths[0]].decode("utf-8" if flags & 0x800 else "cp437", "replace")
        unpacked, packed, offset = _wide(data[lengths[0] :], unpacked, packed, offset)
        if name.endswith("/") and not unpacked:
            continue
        yield Member(name, method, packed, unpacked, offset + shift, bool(flags & 1))
    raise ZipError(f"it has more than {MAX_MEMBERS} members")


def data_of(view: View, member: Member) -> View:
    """The bytes of a member as they stand in the archive.

    Raises:
        ZipError: they are not where the directory says.
    """
    local = view.at(member.offset, _LOCAL.size)
    if member.offset < 0 or len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
        raise ZipError(f"`{member.name[:200]}` is not where its directory says")
    fields = _LOCAL.unpack(local)
    start = member.offset + _LOCAL.size + fields[10] + fields[11]
    if start + member.packed > view.size:
        raise ZipError(f"`{member.name[:200]}` is not whole")
    return view.part(start, member.packed)


def beginning(data: View, count: int) -> bytes:
    """The first unpacked bytes of a deflated member.

    Raises:
        ZipError: they cannot be unpacked.
    """
    stream, out, at = zlib.decompressobj(-zlib.MAX_WBITS), b"", 0
    try:
        while len(out) < count and not stream.eof and at < data.size:
            piece = data.at(at, min(count, _PIECE))
            at += len(piece)
            out += stream.decompress(piece, count - len(out))
            if not piece:
                break
    except zlib.error:
        raise ZipError("it cannot be unpacked") from None
    return out


def _directory(view: View) -> tuple[int, int, int, int]:
    """Where the central directory is, its bytes, its entries, and what all offsets lack.

    Python takes the one right before the end record, PyTorch's reader the one that the record points at.

    Raises:
        ZipError: there is none, or each of the two would find another.
    """
    start = max(0, view.size - _END.size - _COMMENT)
    last = view.at(view.size - _END.size, _END.size)
    if last[:4] == b"PK\x05\x06" and last[-2:] == b"\0\0":
        place = view.size - _END.size
    else:
        found = view.at(start, view.size - start).rfind(b"PK\x05\x06")
        if found < 0:
            raise ZipError("it has no directory")
        place = start + found
        last = view.at(place, _END.size)
        if len(last) < _END.size:
            raise ZipError("its directory is damaged")
    _, _, _, _, count, size, offset, _ = _END.unpack(last)
    end = place
    locator = view.at(place - _LOCATOR.size, _LOCATOR.size)
    if locator[:4] == b"PK\x06\x07":
        end = place - _LOCATOR.size - _END_64.size
        wide = view.at(end, _END_64.size)
        if wide[:4] != b"PK\x06\x06" or len(wide) < _END_64.size:
            raise ZipError("its directory is damaged")
        pointed = _LOCATOR.unpack(locator)[2]
        if pointed != end and view.at(pointed, 4) == b"PK\x06\x06":
            raise ZipError(_DISPUTED)
        _, _, _, _, _, _, _, count, size, offset = _END_64.unpack(wide)
    if size > end:
        raise ZipError("its directory is damaged")
    if end - size != offset and view.at(offset, 4) == b"PK\x01\x02":
        raise ZipError(_DISPUTED)
    return end - size, size, count, end - size - offset


def _wide(extra: bytes, *sizes: int) -> tuple[int, ...]:
    """Sizes and offset, with what the extra field of ZIP64 says in their place."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind != 1:
            continue
        found = []
        for size in sizes:
            if size == _ALL_32:
                if len(field) < 8:
                    raise ZipError("its directory is damaged")
                size, field = int.from_bytes(field[:8], "little"), field[8:]
            found.append(size)
        return tuple(found)
    return sizes

"""Reads JSON documents of servers, with bounds on their bytes, values, depth and slowness."""

import json
import re
import zlib
from typing import TYPE_CHECKING, Any

from modelsync.errors import NetworkError
from modelsync.net.body import Body, span_of
from modelsync.net.deadline import Floor
from modelsync.net.origin import public_url
from modelsync.net.retry import FinalNetworkError

if TYPE_CHECKING:
    from modelsync.net.exchange import FinalAnswer

# A list of 100,000 files has about 30 MiB and 900,000 values.
JSON_LIMIT = 32 * 2**20  # bytes
MOST_VALUES = 1_000_000
DEEPEST = 64  # lists and objects in each other
_MOST_MARKS = 3 * MOST_VALUES  # strings included

# A string as a whole, or what begins, ends or separates values. A lone quote is a string without an end.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{},"]', re.DOTALL)


class TooLongError(FinalNetworkError):
    """A document has more bytes than are read."""


def read_json(answer: "FinalAnswer", limit: int = JSON_LIMIT) -> Any:
    """Reads an answer's body and parses it.

    Raises:
        NetworkError: it broke off, is too long or too slow, has too many values, is nested too deep, or is no JSON.
        CancelledError: the cancel event was set.
    """
    server = public_url(answer.url)
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    plain = {name: value for name, value in answer.headers.items() if name.lower() != "content-encoding"}
    packed = encoding in {"gzip", "x-gzip", "deflate"}  # not asked for, and sent all the same
    span = span_of(answer.status, plain if packed else answer.headers, 0, None, str(answer.origin))
    data = read_document(Body(answer, span), limit)
    if packed:
        data = _unpacked(data, limit, server)
    excess = excess_of(data)
    if excess is not None:
        raise FinalNetworkError(f"{server} answered with {excess}")
    try:
        return json.loads(str(data, "utf-8-sig"))  # in UTF-16 other bytes would be quotes
    except (ValueError, RecursionError):
        raise FinalNetworkError(
            f"{server} answered with something that is no JSON",
            hint="is this the address of a hub? a login page of the network gives such answers too",
        ) from None


def _unpacked(data: bytearray, limit: int, server: str) -> bytearray:
    """The document that was sent as gzip or zlib, of at most `limit` bytes."""
    unpacker = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error:
        plain = b""
    if len(plain) > limit:
        raise TooLongError(f"{server} answered with more than {limit} bytes")
    if not unpacker.eof:
        raise NetworkError(f"{server} answered with a damaged archive")
    return bytearray(plain)


def read_document(body: Body, limit: int) -> bytearray:
    """Reads a body of at most `limit` bytes, at the least speed of a `Floor`.

    Raises:
        NetworkError: it broke off, is too long or too slow.
        CancelledError: the cancel event was set.
    """
    body.hold_to(Floor())
    data = bytearray()
    for chunk in body.chunks():
        data += chunk
        if len(data) > limit:
            raise TooLongError(f"{public_url(body.url)} answered with more than {limit} bytes")
    return data


def excess_of(data: bytes | bytearray) -> str | None:
    """What a JSON text has too much of, in words, or None; found without building its values.

    A list of empty lists takes 30 times its own length in memory.
    """
    values = depth = 0
    for number, mark in enumerate(_MARK.finditer(data)):
        match data[mark.start()]:
            case 0x5B | 0x7B:  # [ {
                values, depth = values + 1, depth + 1
                if depth > DEEPEST:
                    return f"JSON that is nested more than {DEEPEST} deep"
            case 0x5D | 0x7D:  # ] }
                depth -= 1
            case 0x2C:  # ,
                values += 1
            case _ if mark.end() - mark.start() == 1:
                return None  # no JSON
        if values > MOST_VALUES or number > _MOST_MARKS:
            return f"JSON of more than {MOST_VALUES} values"
    return None

"""Headers: what one may consist of, and how those of an answer are read."""

import re
from collections.abc import Iterable

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# How a message is framed, and which part of a file is meant, is the client's own business.
_OURS = frozenset(
    {"connection", "content-length", "host", "if-range", "range", "te", "transfer-encoding", "upgrade"}
)


def header_fault(name: str, value: str) -> str | None:
    """Why a header cannot be sent, in words without its value, or None."""
    if not _NAME.fullmatch(name):
        return "its name has characters that none can have"
    if not _VALUE.fullmatch(value):
        return "its value has characters that none can have"
    return None


def user_header_fault(name: str, value: str) -> str | None:
    """Why a header cannot be one that a user sets, in words without its value, or None."""
    if name.lower() in _OURS:
        return f"{name} is set by modelsync itself"
    return header_fault(name, value)


def joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """An answer's headers: names in lower case, the values of several of one name joined with commas."""
    result: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        result[name] = f"{result[name]}, {value}" if name in result else value
    return result

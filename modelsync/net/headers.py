"""Headers of a request: what one may consist of."""

import re

from modelsync.errors import UsageError
from modelsync.net.origin import Origin
from modelsync.spec.names import printable

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


def check_header(name: str, value: str, origin: Origin) -> None:
    """Raises UsageError, without its value, for a header that cannot be sent to `origin`."""
    fault = header_fault(name, value)
    if fault:
        raise UsageError(f"the header `{printable(name)}` for {origin} cannot be sent: {fault}")

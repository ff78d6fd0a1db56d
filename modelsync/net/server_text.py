"""Text that a server sent, as it may be shown: no control characters, and no secret that it repeats."""

import re

from modelsync.spec.names import printable

_USER = re.compile(r"(//|%2F%2F)[^/\s@]*@", re.IGNORECASE)
_QUERY = re.compile(r"(\?|%3F)[^\s\"'<>]*?(=|%3D)[^\s\"'<>]*", re.IGNORECASE)
_PARAMETER = re.compile(
    r"\b([\w-]*(?:signature|token|secret|credential|password|api[_-]?key)[\w-]*)(=|%3D)[^\s&;,\"'<>]+",
    re.IGNORECASE,
)

_MOST = 2000  # characters that are looked at


def server_text(text: str, limit: int = 200) -> str:
    """What a server said, without the users and the query strings of addresses in it: those hold signatures.

    Args:
        text: The text; secrets of this machine were taken out of it before, where they are known.
        limit: The most characters that are shown.
    """
    text = _USER.sub(r"\1", text[:_MOST])
    text = _QUERY.sub(r"\1***", text)
    return printable(_PARAMETER.sub(r"\1\2***", text), limit)

"""Text that a server sent, as it may be shown: no control characters, and no secret that it repeats."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from modelsync.spec.names import printable

_USER = re.compile(r"(//|%2F%2F)[^/\s@]*@", re.IGNORECASE)
_QUERY = re.compile(r"(\?|%3F)[^\s\"'<>]*?(=|%3D)[^\s\"'<>]*", re.IGNORECASE)
_PARAMETER = re.compile(
    r"\b([\w-]*(?:signature|token|secret|credential|password|api[_-]?key)[\w-]*)(=|%3D)[^\s&;,\"'<>]+",
    re.IGNORECASE,
)

_SECRET = 8  # characters: a signature has more, and what is shorter is in many words
_MOST = 2000  # characters that are looked at
_SHOWN = 200  # characters


def server_text(text: str) -> str:
    """What a server said, without the users and the query strings of addresses in it: those hold signatures.

    Args:
        text: The text; secrets of this machine were taken out of it before, where they are known.
    """
    text = _USER.sub(r"\1", text[:_MOST])
    text = _QUERY.sub(r"\1***", text)
    return printable(_PARAMETER.sub(r"\1\2***", text), _SHOWN)


def repeats_query(text: str, urls: Iterable[str]) -> bool:
    """Whether a text and the query of one of the addresses have a value, or most of one, in common.

    Args:
        text: What a server said.
        urls: The addresses; each value of a query counts, as it stands there and decoded.
    """
    said = {text, unquote(text)}
    for url in urls:
        for pair in re.split("[&;]", urlsplit(url).query):
            value = pair.partition("=")[2] or pair
            for word in {value, unquote(value)}:
                if any(
                    (len(word) >= _SECRET and word in each) or (len(each) >= _SECRET and each in word)
                    for each in said
                ):
                    return True
    return False

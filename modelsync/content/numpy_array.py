"""Checks a NumPy array by its header. One of objects holds a pickle. Pure.

Source: NEP 1 and `numpy.lib.format`. The header is a Python literal: its words are looked at, and it is not evaluated.
"""

import re
from itertools import pairwise

from modelsync.content.findings import Content
from modelsync.content.view import View

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 20  # bytes
_WORD = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_BETWEEN = re.compile(r"\s*[A-Za-z]*")  # a literal may have a prefix
# A type of objects, alone or among others. A field may be called `OUT`.
_OBJECTS = re.compile(r"(^|[^A-Za-z])O($|[^A-Za-z])|object")


def look(view: View) -> Content:
    """What a file is that begins as an array."""
    head = view.at(0, 12)
    version = head[6:7]
    if version == b"\x01":
        start, length = 10, int.from_bytes(head[8:10], "little")
    elif version in (b"\x02", b"\x03"):
        start, length = 12, int.from_bytes(head[8:12], "little")
    else:
        return Content("numpy", fault="its version is not known")
    if length > _MAX_HEADER or start + length > view.size:
        return Content("numpy", fault="it ends before its header does")
    text = view.at(start, length).decode("utf-8", "replace")
    if not text.lstrip().startswith("{") or "descr" not in text:
        return Content("numpy", fault="its header is none of an array")
    if "\\" in text or "#" in text:
        return Content("numpy", unseen="its header hides what it says")
    if _is_joined(text):
        return Content("numpy", unseen="its header hides what it says")
    words = (single or double for single, double in _WORD.findall(text))
    if any(_OBJECTS.search(word) for word in words):
        return Content("numpy", code="it is an array of Python objects, which is a pickle")
    return Content("numpy")


def _is_joined(text: str) -> bool:
    """Whether two literals stand side by side, which Python reads as one word."""
    found = list(_WORD.finditer(text))
    return any(_BETWEEN.fullmatch(text, first.end(), second.start()) for first, second in pairwise(found))

"""A quick way to read a large lock.

tomllib takes longer for a thousand models than a sync with nothing to do may take in all. So what stands exactly in
the layout that `lock_text.write` gives is read with a few regular expressions. Anything else (what a merge left, an
escaped character, a key of a later version) is left to tomllib. Both give the same tables.
"""

import re
from typing import Any

from modelsync.spec.lock_text import FILE_KEYS, HEADER, MODEL_KEYS, PIECE_KEYS, REQUEST_KEYS, given

_T = r'"[^"\\\x00-\x1f\x7f]*"'  # a string without escapes, in its quotes
_S = _T.replace("[", "([", 1).replace("*", "*)")  # the same, captured
_N = r"(0|[1-9][0-9]{0,17})"
_HEAD = re.compile(f"{HEADER}{_N}\n")
_MODEL = re.compile(
    rf"\n\[\[model\]\]\nname = {_S}\n(?:variant = {_S}\n)?request = \{{ (.*) \}}\n"
    rf"(?:revision = {_S}\n)?(?:license = {_S}\n)?files = \[\n((?:  \{{ .* \}},\n)*)\]\n"
)
_REQUEST = re.compile(
    rf"uri = {_S}(?:, revision = {_S})?(?:, mmproj = (true|{_T}))?(?:, loras = \[({_T}(?:, {_T})*)\])?"
    rf"(?:, sha256 = ({_T}|\{{ {_T} = {_T}(?:, {_T} = {_T})* \}}))?(?:, endpoint = {_S})?"
)
_FILE = re.compile(
    rf"  \{{ role = {_S}(?:, repo = {_S})?(?:, revision = {_S})?, path = {_S}(?:, url = {_S})?(?:, etag = {_S})?"
    rf", size = {_N}, sha256 = {_S}(?:, pieces = \[(.*)\])? \}},"
)
_PIECE = re.compile(
    rf"\{{ path = {_S}, url = {_S}(?:, etag = {_S})?, size = {_N}, sha256 = {_S} \}}(?:, (?!$)|$)"
)
_QUOTED = re.compile(_S)


class _OtherLayoutError(Exception):
    """The text is not as `write` gives it."""


def read(text: str) -> dict[str, Any] | None:
    """The tables of a lock whose text is just as `write` gives it; None for any other text."""
    head = _HEAD.match(text)
    if not head:
        return None
    models = []
    position = head.end()
    try:
        while position < len(text):
            match = _matched(_MODEL.match(text, position))
            model = given(MODEL_KEYS, match.groups())
            model["request"] = _read_request(model["request"])
            model["files"] = [_read_file(line) for line in model["files"].split("\n")[:-1]]
            models.append(model)
            position = match.end()
    except _OtherLayoutError:
        return None
    return {"version": int(head[1]), **({"model": models} if models else {})}


def _read_request(text: str) -> dict[str, Any]:
    request = given(REQUEST_KEYS, _matched(_REQUEST.fullmatch(text)).groups())
    if "mmproj" in request:
        request["mmproj"] = request["mmproj"] == "true" or request["mmproj"][1:-1]
    if "loras" in request:
        request["loras"] = _QUOTED.findall(request["loras"])
    if "sha256" in request:
        words = _QUOTED.findall(request["sha256"])
        table = dict(zip(words[::2], words[1::2], strict=False))
        if 2 * len(table) < len(words) - 1:  # a key twice: tomllib has the words for it
            raise _OtherLayoutError
        request["sha256"] = table or words[0]
    return request


def _read_file(line: str) -> dict[str, Any]:
    file = given((*FILE_KEYS, "pieces"), _matched(_FILE.fullmatch(line)).groups())
    file["size"] = int(file["size"])
    if "pieces" in file:
        pieces, position = [], 0
        while position < len(file["pieces"]):
            match = _matched(_PIECE.match(file["pieces"], position))
            pieces.append(given(PIECE_KEYS, match.groups()))
            pieces[-1]["size"] = int(pieces[-1]["size"])
            position = match.end()
        file["pieces"] = pieces
    return file


def _matched(match: re.Match[str] | None) -> re.Match[str]:
    if match is None:
        raise _OtherLayoutError
    return match

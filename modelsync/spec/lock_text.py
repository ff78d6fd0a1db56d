"""The text of a lock: one layout, byte for byte, and a quick way to read it.

tomllib takes longer for a thousand models than a sync with nothing to do may take in all. So what stands exactly in
the layout that `write` gives is read with a few regular expressions. Anything else (what a merge left, an escaped
character, a key of a later version) is left to tomllib. Both give the same tables.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from modelsync.spec.toml import toml_string, toml_value

if TYPE_CHECKING:
    from modelsync.spec.lockfile import Lock, LockedFile, LockedModel

VERSION = 1
REQUEST_KEYS = ("uri", "revision", "mmproj", "loras", "sha256", "endpoint")
_PIECE_KEYS = ("path", "url", "etag", "size", "sha256")
_FILE_KEYS = ("role", "repo", "revision", *_PIECE_KEYS)
HEADER = "# Written by modelsync. Commit it; do not edit it.\nversion = "


# --- writing -----------------------------------------------------------------------------------------


def write(lock: "Lock") -> str:
    """The text of a lock."""
    models = sorted(lock.models, key=lambda model: (model.name, model.variant or ""))
    return f"{HEADER}{VERSION}\n" + "".join(map(_model, models))


def _model(model: "LockedModel") -> str:
    lines = ["", "[[model]]", f"name = {toml_string(model.name)}"]
    if model.variant is not None:
        lines.append(f"variant = {toml_string(model.variant)}")
    request = {key: model.request[key] for key in REQUEST_KEYS if key in model.request}
    lines.append(f"request = {toml_value(request)}")
    if model.revision is not None:
        lines.append(f"revision = {toml_string(model.revision)}")
    if model.license is not None:
        lines.append(f"license = {toml_string(model.license)}")
    lines += ["files = [", *(f"  {toml_value(_file_table(file))}," for file in model.files), "]", ""]
    return "\n".join(lines)


def _file_table(file: "LockedFile") -> dict[str, Any]:
    table = _given(_FILE_KEYS, (getattr(file, key) for key in _FILE_KEYS))
    if file.pieces:
        table["pieces"] = [
            _given(_PIECE_KEYS, (getattr(piece, key) for key in _PIECE_KEYS)) for piece in file.pieces
        ]
    return table


# --- reading -----------------------------------------------------------------------------------------

_T = r'"[^"\\\x00-\x1f\x7f]*"'  # a string without escapes, in its quotes
_S = _T.replace("[", "([", 1).replace("*", "*)")  # the same, captured
_N = r"(0|[1-9][0-9]{0,17})"
_HEAD = re.compile(f"{HEADER}{_N}\n")
_MODEL = re.compile(
    rf"\n\[\[model\]\]\nname = {_S}\n(?:variant = {_S}\n)?request = \{{ (.*) \}}\n"
    rf"(?:revision = {_S}\n)?(?:license = {_S}\n)?files = \[\n((?:  \{{ .* \}},\n)*)\]\n"
)
_MODEL_KEYS = ("name", "variant", "request", "revision", "license", "files")
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
            model = _given(_MODEL_KEYS, match.groups())
            model["request"] = _read_request(model["request"])
            model["files"] = [_read_file(line) for line in model["files"].split("\n")[:-1]]
            models.append(model)
            position = match.end()
    except _OtherLayoutError:
        return None
    return {"version": int(head[1]), **({"model": models} if models else {})}


def _read_request(text: str) -> dict[str, Any]:
    request = _given(REQUEST_KEYS, _matched(_REQUEST.fullmatch(text)).groups())
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
    file = _given((*_FILE_KEYS, "pieces"), _matched(_FILE.fullmatch(line)).groups())
    file["size"] = int(file["size"])
    if "pieces" in file:
        pieces, position = [], 0
        while position < len(file["pieces"]):
            match = _matched(_PIECE.match(file["pieces"], position))
            pieces.append(_given(_PIECE_KEYS, match.groups()))
            pieces[-1]["size"] = int(pieces[-1]["size"])
            position = match.end()
        file["pieces"] = pieces
    return file


def _matched(match: re.Match[str] | None) -> re.Match[str]:
    if match is None:
        raise _OtherLayoutError
    return match


def _given(keys: tuple[str, ...], values: Iterable[Any]) -> dict[str, Any]:
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

"""Looks at a whole file: what it is, whether it is a good one, and whether it can run code when it is loaded. Pure."""

import re

from modelsync.content import heads, numpy_array, onnx, pickles, safetensors, tars, zips
from modelsync.content.findings import NOUNS, Content, Kind
from modelsync.content.packed import PackedLook, inner
from modelsync.content.view import View, of_bytes

_DEEPEST = 3  # archives inside each other
_PIECE = 256 << 10  # bytes that are unpacked at once
_BEGIN, _MORE = 4096, 64 << 10  # bytes of a deflated member: at first, and where they do not decide
_MAX_MEMBERS = 200_000  # of all archives in a file together
_SPARE = 64 << 20  # bytes
_GGML_HEADER = 48  # bytes: the magic and eleven numbers
_ENDS = {b"{": b"}", b"[": b"]"}
_VALUE = re.compile(rb'\s*(?:true|false|null|-?[0-9]|")')
_PICKLE_NAMES = (".pkl", ".pickle")
# What a file of such a name has to be.
_BY_SUFFIX: dict[str, frozenset[Kind]] = {
    ".gguf": frozenset({"gguf"}),
    ".safetensors": frozenset({"safetensors"}),
    ".onnx": frozenset({"onnx"}),
    ".npy": frozenset({"numpy"}),
    ".npz": frozenset({"zip"}),
    ".zip": frozenset({"zip"}),
    ".keras": frozenset({"zip"}),
    ".json": frozenset({"json"}),
}


def look(view: View, path: str) -> Content:
    """What a file is.

    Args:
        view: Its bytes.
        path: Its name, or its path in a repo: the suffix says what a file of a known type has to be.
    """
    try:
        return _look(view, path, _Budget(view.size), _DEEPEST)
    except _TooMuchError:
        return Content(heads.kind_of(view.at(0, heads.HEAD), view.size), unseen="it has too much to look at")


class _TooMuchError(Exception):
    """An archive has more in it than can be: the same bytes count as several members."""


class _Budget:
    """How much is looked at in one file: time grows with its size alone, whatever its directories say."""

    def __init__(self, size: int) -> None:
        self._bytes = _DEEPEST * size + _SPARE
        self._members = _MAX_MEMBERS

    def take(self, size: int) -> None:
        """Counts one member."""
        self._bytes -= size
        self._members -= 1
        if self._bytes < 0 or self._members < 0:
            raise _TooMuchError


def _look(view: View, path: str, budget: _Budget, deep: int) -> Content:
    head = view.at(0, heads.HEAD)
    suffix = suffix_of(path)
    kind = heads.kind_of(head, view.size)
    if pickles.verdict(view) == "pickle":
        return Content("pickle", code="it is a Python pickle")
    if suffix == ".safetensors" and kind not in ("web-page", "lfs-pointer", "empty"):
        kind = "safetensors"
    if kind == "packed":
        found = _packed(view, head)
        if found.kind != "unknown":
            return found
        kind = "unknown"
    if kind == "unknown" and (suffix == ".onnx" or head[:1] == b"\x08") and onnx.is_model(view):
        kind = "onnx"
    content = _of_kind(kind, view, budget, deep)
    if suffix == ".json" and kind == "unknown" and _VALUE.match(head):
        content = Content("json")  # a text or a number alone is a document too
    expected = _BY_SUFFIX.get(suffix)
    if expected and content.kind not in expected and kind not in ("empty", "web-page", "lfs-pointer"):
        return content._replace(fault=content.fault or f"its name says {suffix}, and it is {NOUNS[kind]}")
    if content.fault and kind == "safetensors" and suffix != ".safetensors":
        return Content("unknown")  # its first bytes only looked like one
    return content


def suffix_of(path: str) -> str:
    """The suffix of a path's last part, in lower case; empty where it has none."""
    name = path.rpartition("/")[2].lower()
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix if stem else ""


def _of_kind(kind: Kind, view: View, budget: _Budget, deep: int) -> Content:
    if kind == "safetensors":
        return safetensors.look(view)
    if kind == "numpy":
        return numpy_array.look(view)
    if kind == "zip":
        return _zip(view, budget, deep)
    if kind == "tar":
        return _tar(view, budget, deep)
    if kind == "ggml" and view.size < _GGML_HEADER:
        return Content("ggml", fault="it ends before its header does")
    if kind == "json" and not _ends_as_json(view):
        return Content("json", fault="it ends before the document does")
    return Content(kind)


def _ends_as_json(view: View) -> bool:
    """Whether a document that begins with a bracket ends with one; a line of JSON Lines may begin it."""
    first = view.at(0, heads.HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    last = view.at(max(0, view.size - heads.HEAD), heads.HEAD).rstrip(b" \t\r\n\0")[-1:]
    return last == b"" or first not in _ENDS or last in (b"}", b"]")


def _packed(view: View, head: bytes) -> Content:
    unpacking, at = PackedLook(head), 0
    while unpacking.content is None and at < view.size:
        data = view.at(at, _PIECE)
        if not data:
            break
        at += len(data)
        unpacking.feed(data)
    return unpacking.end()


def _zip(view: View, budget: _Budget, deep: int) -> Content:
    """Looks at the beginning of each member; where that is an archive of its own, into it."""
    try:
        listed = list(zips.members(view))
        for member in listed:
            if member.name.lower().endswith(_PICKLE_NAMES):
                return Content("zip", code=f"`{member.name[:200]}` in it is a Python pickle")
        for member in listed:
            if member.encrypted:
                return Content("zip", unseen=f"`{member.name[:200]}` in it is encrypted")
            data = zips.data_of(view, member)
            budget.take(data.size)
            if member.method == zips.STORED:
                found = _member(data, member.name, budget, deep)
            elif member.method == zips.DEFLATED:
                found = _deflated(data, member)
            else:
                found = Content(
                    "zip", unseen=f"`{member.name[:200]}` in it is compressed in a way of its own"
                )
            if found is not None:
                return found._replace(kind="zip")
    except zips.ZipError as error:
        return Content("zip", unseen=str(error))
    return Content("zip")


def _deflated(data: View, member: zips.Member) -> Content | None:
    head = zips.beginning(data, _BEGIN)
    said = tars.Member(member.name, member.size)
    if len(head) == _BEGIN and pickles.verdict(of_bytes(head)) == "cut":
        head = zips.beginning(data, _MORE)
    return inner(head, said)


def _tar(view: View, budget: _Budget, deep: int) -> Content:
    walk, at = tars.walk(), 0
    try:
        step = next(walk)
        while True:
            if isinstance(step, tars.Need):
                data = view.at(at, step.size)
                at += step.size
                step = walk.send(data)
                continue
            if at + step.size > view.size:
                raise tars.TarError("it ends in the middle of a member")
            budget.take(step.size)
            found = _member(view.part(at, step.size), step.name, budget, deep)
            if found is not None:
                return found._replace(kind="tar")
            at += tars.padded(step.size)
            step = walk.send(b"")
    except StopIteration:
        return Content("tar")
    except tars.TarError as error:
        return Content("tar", unseen=str(error))


def _member(view: View, name: str, budget: _Budget, deep: int) -> Content | None:
    """What speaks against a file in an archive; None: nothing."""
    if name.lower().endswith(_PICKLE_NAMES):
        return Content("unknown", code=f"`{name[:200]}` in it is a Python pickle")
    kind = heads.kind_of(view.at(0, heads.HEAD), view.size)
    if deep <= 1 and (kind in ("zip", "tar") or heads.is_packed(view.at(0, heads.HEAD))):
        return Content("unknown", unseen=f"`{name[:200]}` in it is an archive in an archive")
    content = _look(view, "", budget, deep - 1)
    if content.code:
        return Content("unknown", code=f"`{name[:200]}` in it: {content.code}")
    if content.unseen:
        return Content("unknown", unseen=f"`{name[:200]}` in it: {content.unseen}")
    return None

"""Checks names of models and files, and makes foreign text safe to show.

A name from a hub, a lock or a manifest is not trusted: `safe_path` checks it before it becomes part of a path on this
machine, `printable` escapes it before it reaches a terminal.
"""

import re
from collections.abc import Sequence

from modelsync.errors import RefusedError, UsageError

MAX_PATH = 1024  # characters
MAX_SEGMENT = 255  # bytes of UTF-8: the limit of ext4, APFS and NTFS
MAX_LISTED = 8  # names in a hint

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_+.-]*", re.ASCII)
_FORBIDDEN = r'[\\:*?"<>|]'  # a separator, a drive or stream, or impossible in a Windows name
_RESERVED = r"(?i)(?:con|prn|aux|nul|con(?:in|out)\$|(?:com|lpt)[0-9¹²³]) *(?:\..*)?"
_RESERVED_FIRST = frozenset("cpanlCPANL")


def check_name(name: str) -> str:
    """Returns `name` if a model, variant or group may be called so.

    Raises:
        UsageError: it may not; the message suggests a name that may.
    """
    reserved = name[:1] in _RESERVED_FIRST and re.fullmatch(_RESERVED, name)
    if _NAME.fullmatch(name) and name[-1] != "." and not reserved:
        return name
    if reserved:
        raise UsageError(f"`{printable(name)}` cannot be a name: Windows keeps it for a device")
    near = re.sub(r"[^a-z0-9._-]+", "-", name.lower()[:64], flags=re.ASCII).lstrip("-._").rstrip("-.")
    usable = _NAME.fullmatch(near) and not re.fullmatch(_RESERVED, near)
    suggestion = f"; did you mean `{near}`?" if usable else ""
    raise UsageError(
        f"`{printable(name)}` cannot be a name{suggestion}",
        hint="a name is 1 to 64 of a-z, 0-9, `.`, `_`, `-`, with a letter or digit first and no `.` last",
    )


def printable(text: str, limit: int = 200) -> str:
    """`text` made safe for a terminal: control, bidirectional and other invisible characters escaped.

    Args:
        text: Anything that came from outside.
        limit: The most characters that are shown; `…` stands for the rest.
    """
    tail = "…" if len(text) > limit else ""
    text = text[:limit]
    if text.isprintable():
        return text + tail
    return "".join(c if c.isprintable() else _escaped(c) for c in text) + tail


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def path_fault(text: str) -> str | None:
    """Why `text` cannot be the path of a file inside a folder on every system; None if it can."""
    if not text:
        return "it is empty"
    if len(text) > MAX_PATH:
        return f"it is longer than {MAX_PATH} characters"
    for segment in text.split("/"):
        fault = _segment_fault(segment)
        if fault:
            return fault
    return None


def _segment_fault(segment: str) -> str | None:
    if not _PLAIN_PATH.fullmatch(segment):
        if not segment:
            return "it is absolute, ends with `/` or has an empty part"
        if segment in {".", ".."}:
            return f"it has a part `{segment}`"
        if not segment.isprintable():
            return "it has a control or invisible character"
        forbidden = re.search(_FORBIDDEN, segment)
        if forbidden:
            return f"it has the character `{forbidden[0]}`"
    if segment[-1] in ". ":
        return "a part of it ends with a dot or a space"
    if len(segment) > MAX_SEGMENT or (not segment.isascii() and len(segment.encode()) > MAX_SEGMENT):
        return f"a part of it is longer than {MAX_SEGMENT} bytes"
    if segment[0] in _RESERVED_FIRST and re.fullmatch(_RESERVED, segment):
        return f"Windows keeps the name `{segment}` for a device"
    return None


def safe_path(text: str) -> str:
    """Returns `text` if it is a relative posix path that stays inside its folder on every system.

    Raises:
        RefusedError: it is absolute, leaves its folder, has a backslash, a drive, a control character, …
    """
    fault = path_fault(text)
    if fault:
        raise RefusedError(f"the file name `{printable(text)}` is refused: {fault}")
    return text


def file_name(path: str) -> str:
    """The last part of a posix path."""
    return path.rpartition("/")[2]


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The one of `words` that is most like `word`, or None."""
    import difflib  # only an error needs it

    same = (other for other in words if other.lower() == word.lower())
    return next(same, None) or next(iter(difflib.get_close_matches(word, words, n=1)), None)


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """`; did you mean …?` for the end of a message, or nothing."""
    near = nearest(word, words)
    return f"; did you mean `{printable(near)}`?" if near is not None else ""


def folded(name: str) -> str:
    """`name` as a file system compares it that ignores case and Unicode forms."""
    if name.isascii():
        return name.lower()
    import unicodedata

    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def clash(paths: Sequence[str]) -> tuple[str, str] | None:
    """Two of these paths that cannot both be in one folder where case and Unicode forms do not count; None: all can.

    They are equal there, or one is the folder of the other.
    """
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        key = folded(path)
        if key in seen:
            return seen[key], path
        seen[key] = path
        while (key := key.rpartition("/")[0]) and key not in folders:
            folders[key] = path
    both = next((key for key in folders if key in seen), None)
    return None if both is None else (seen[both], folders[both])


def listed(names: Sequence[str]) -> str:
    """Some names for a hint: all of a few, the first of many."""
    shown = ", ".join(printable(name) for name in names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")

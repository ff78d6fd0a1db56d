"""Reads TOML with errors that name file, line and key; writes simple values."""

import re
from collections.abc import Mapping
from typing import Any

from modelsync.errors import ConfigError, ModelsyncError, Place
from modelsync.spec.names import printable

_BARE_KEY = r"(?a)[A-Za-z0-9_-]+"
_AT = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"


class Fault(Exception):  # noqa: N818 - stays inside spec/: becomes an error with file and line
    """An error at a path of keys.

    Attributes:
        path: The keys from the document's root; a number is an index into an array.
    """

    def __init__(self, path: tuple[str | int, ...], message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.hint = hint

    def located(self, text: str, where: str, error: type[ModelsyncError]) -> ModelsyncError:
        """The error for people: file, line, key and what is wrong."""
        from modelsync.spec.excerpt import column_of
        from modelsync.spec.locate import line_of

        line = line_of(text, self.path)
        place = f"{where}:{line}" if line else where
        found = error(f"{place}: {dotted(self.path)}: {self.message}", hint=self.hint)
        if line is None:
            return found
        key = next((key for key in reversed(self.path) if isinstance(key, str)), None)
        return _shown(found.at(Place(where, line)), text, (line, column_of(text, line, key)))


def loads(text: str, where: str, error: type[ModelsyncError], *, limit: int) -> dict[str, Any]:
    """Reads a TOML text.

    Args:
        text: The whole file.
        where: The file's name, for the message.
        error: What is raised when it cannot be read.
        limit: The most characters that are read.

    Raises:
        ModelsyncError: of the type `error`, with file and line.
    """
    import tomllib

    if len(text) > limit:
        raise error(f"{where}: larger than {limit >> 20} MiB, which no such file is")
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise error(f"{where}: its values are nested too deeply") from None
    except ValueError as fault:  # TOMLDecodeError, and the int() of far too many digits
        raise _worded(text, where, error, str(fault)) from None


def _worded(text: str, where: str, error: type[ModelsyncError], fault: str) -> ModelsyncError:
    at = re.search(_AT, fault)
    if at is None:
        return error(f"{where}: not TOML: {printable(fault)}")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")  # as the parser counts
    line = int(at[1]) if at[1] else text.count("\n") + (not text.endswith("\n"))
    column = int(at[2]) if at[2] else len(text.split("\n")[line - 1]) + 1
    if re.search(r"^(?:<{7}|={7}|>{7})( |$)", text, re.MULTILINE):
        return error(
            f"{where}:{line}: a merge conflict is not resolved here", hint="choose between its two sides"
        ).at(Place(where, line))
    what = fault[: at.start()]
    from modelsync.spec.toml_faults import ParseFault, explained

    found = explained(ParseFault(what, text, line if at[1] else None, column))
    if found is not None:
        place = Place(where, found.line)
        told = error(f"{where}:{found.line}: {found.message}", hint=found.hint).at(place)
        return _shown(told, text, (found.line, found.column))
    if what.startswith("Cannot "):  # overwrite a value, declare a table twice, …: always a key defined twice
        twice = _twice(text, where, error, line)
        if twice is not None:
            return twice
    told = error(f"{where}:{line}: not TOML: {printable(what[:1].lower() + what[1:])}")
    return _shown(told.at(Place(where, line)), text, (line, column))


def _twice(text: str, where: str, error: type[ModelsyncError], line: int) -> ModelsyncError | None:
    """The error for a key or table that is there before, with both lines."""
    from modelsync.spec.excerpt import column_of
    from modelsync.spec.locate import statements

    before = []
    for here in statements(text):
        if here.first <= line <= here.last:
            break
        before.append(here)
    else:
        return None
    path = here.path
    told = error(f"{where}:{line}: {dotted(path)}: it is defined twice; keep one of the two")
    told = told.at(Place(where, line))
    first = next((one.first for one in before if path and one.path[: len(path)] == path), None)
    key = path[-1] if path else None
    return _shown(told, text, *((each, column_of(text, each, key)) for each in (first, here.first) if each))


def _shown(error: ModelsyncError, text: str, *places: tuple[int, int]) -> ModelsyncError:
    """The error with each line, and a caret below its column.

    Not one about the user's config, which may hold secrets.
    """
    from modelsync.spec.excerpt import excerpt

    if isinstance(error, ConfigError):
        return error
    return error.detailed(line for place in places for line in excerpt(text, *place))


def dotted(path: tuple[str | int, ...]) -> str:
    """A path of keys as people read it: `models.llama3.loras[1]`."""
    out = ""
    for key in path:
        out += f"[{key}]" if isinstance(key, int) else "." * bool(out) + printable(toml_key(key), 80)
    return out


def toml_key(text: str) -> str:
    """`text` as a key, quoted if it must be."""
    return text if re.fullmatch(_BARE_KEY, text) else toml_string(text)


def toml_string(text: str) -> str:
    """`text` as a TOML basic string. A lone surrogate, which TOML cannot hold, becomes U+FFFD."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def toml_value(value: object) -> str:
    """A value of any kind that TOML has, on one line."""
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    if hasattr(value, "isoformat"):  # dates and times
        return str(value.isoformat())
    raise TypeError(f"no TOML is written for {value!r}")

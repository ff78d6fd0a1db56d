"""Errors and warnings as GitHub Actions shows them: beside the lines of a pull request that they are about."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.errors import ModelsyncError, Place

MOST = 10  # of a kind that GitHub shows of one step
_LENGTH = 4000  # characters of one message
_TEXT = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY = (*_TEXT, (":", "%3A"), (",", "%2C"))


def errors(error: "ModelsyncError", variables: Mapping[str, str]) -> list[str]:
    """The annotations of an error: one for each place that one of its errors is about. None outside of a job."""
    lines: list[str] = []
    if not _wanted(variables):
        return lines
    for each in error.errors or (error,):
        for place in each.places or (None,):
            if len(lines) == MOST:
                return lines
            message = "\n".join(_words(each, place))
            lines.append(command("error", message, _properties(f"modelsync: {each.code}", place, variables)))
    return lines


def warnings(words: str, variables: Mapping[str, str]) -> list[str]:
    """The annotation of a warning, which is about no file."""
    return [command("warning", words, {"title": "modelsync"})] if _wanted(variables) else []


def command(name: str, message: str, properties: Mapping[str, str]) -> str:
    """A workflow command in one line, with what would end it, or one of its properties, escaped."""
    told = ",".join(f"{key}={_escaped(value, _PROPERTY)}" for key, value in properties.items())
    clean = "\n".join(printable(line, _LENGTH) for line in message.split("\n"))
    return f"::{name} {told}::{_escaped(clean, _TEXT)}"


def _wanted(variables: Mapping[str, str]) -> bool:
    """Whether this is a job of GitHub Actions, or of what works like it (Gitea, Forgejo)."""
    return variables.get("GITHUB_ACTIONS") == "true"


def _words(error: "ModelsyncError", place: "Place | None") -> Iterator[str]:
    if place is not None and place.words is not None:
        yield place.words
    else:
        yield error.message
        yield from error.details
    if error.hint:
        yield f"hint: {error.hint}"


def _properties(title: str, place: "Place | None", variables: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if place is not None and (file := _in_workspace(place.file, variables)) is not None:
        found["file"] = file
        if (line := place.line or _line_of(place)) is not None:
            found["line"] = str(line)
    return found | {"title": title}


def _in_workspace(file: str, variables: Mapping[str, str]) -> str | None:
    """The path from the root of the checkout; None for a file that is not in it."""
    root = os.path.realpath(variables.get("GITHUB_WORKSPACE") or os.curdir)
    try:
        path = Path(os.path.relpath(os.path.realpath(file), root))
    except ValueError:  # on Windows, on another drive
        return None
    return None if path.parts[:1] in (("..",), ()) else path.as_posix()


def _line_of(place: "Place") -> int | None:
    """The line of a path of keys in a file of TOML; None where it cannot be found."""
    from modelsync.spec.locate import line_of

    if not place.keys:
        return None
    try:
        return line_of(Path(place.file).read_text("utf-8"), place.keys)
    except (OSError, ValueError):
        return None


def _escaped(text: str, signs: Iterable[tuple[str, str]]) -> str:
    for sign, instead in signs:
        text = text.replace(sign, instead)
    return text

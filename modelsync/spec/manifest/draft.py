"""Edits a manifest with tomlkit. `manifest.edit` imports this only for an edit: importing tomlkit takes 30 ms.

tomlkit nests tables, and attaches comments above a header to the table before: removing that table would remove them.
So its document is flattened first: headers, keys, comments and blank lines, one after the other. Edits happen there,
tomlkit writes the result, and tomllib reads it again before it is used.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Item, Key, Table, Whitespace

from modelsync.errors import ManifestError
from modelsync.spec.toml import dotted

_Path = tuple[str, ...]  # keys, from the document's root


class Draft:
    """A manifest of which one path of keys is edited."""

    def __init__(self, text: str, path: _Path, where: str) -> None:
        """Reads a manifest.

        Raises:
            ManifestError: it is written in a way that cannot be edited.
        """
        self._old = text
        self._path = path
        self._where = where
        body = text.removeprefix("\ufeff")
        self._mark = text.removesuffix(body)
        self._newline = "\r\n" if body.partition("\n")[0].endswith("\r") else "\n"
        self._is_open = body[-1:] not in ("", "\n")  # the last line has no line ending, and keeps none
        try:
            self._lines = _parsed(body + self._newline * self._is_open)
        except (TOMLKitError, ValueError, RecursionError):
            raise self._unsafe() from None
        self._gone: list[_Line] = []
        if self._text() != text:
            raise self._unsafe()

    def cut(self) -> None:
        """Removes what is at the path, with the blank line above a removed header."""
        lines = self._lines
        places = [place for place, line in enumerate(lines) if line.path]
        runs = groupby(places, lambda place: lines[place].is_in(self._path))
        for run in reversed([list(run) for goes, run in runs if goes]):
            first, end = run[0], run[-1] + 1
            if lines[first].is_header() and first and lines[first - 1].is_blank():
                first -= 1
            self._gone += lines[first:end]
            del lines[first:end]

    def put(self, values: dict[str, Any]) -> None:
        """Adds a line to `[models]` if there is only a URI, else a table."""
        model = self._path[:2]
        if self._path != model:
            self._spread(model)
        elif values.keys() == {"uri"}:
            place = self._end_of_keys(model[:1])
            if place:
                self._insert(place, {model[1]: values["uri"]})
                return
        self._put_table(self._path, values)

    def finished(self, values: dict[str, Any] | None = None) -> str:
        """The new text.

        Args:
            values: What is expected at the path; None: nothing.

        Raises:
            ManifestError: the new text differs from the old one elsewhere too, or lacks a comment.
        """
        new, wanted = self._text(), _meaning(self._old)
        table = wanted
        for key in self._path[:-1]:
            table = table.setdefault(key, {})
        table.pop(self._path[-1], None)
        if values is not None:
            table[self._path[-1]] = values
        try:
            found = _meaning(new)
        except ValueError:
            raise self._unsafe() from None
        if found != wanted or _comments(self._old) - _comments(_written(self._gone)) - _comments(new):
            raise self._unsafe()
        return new

    def _spread(self, model: _Path) -> None:
        """Turns a line `name = "uri"` into a table, which can have variants."""
        for place, line in enumerate(self._lines):
            if line.path == model and line.value is not None:
                del self._lines[place]
                self._put_table(model, {"uri": line.value})
                return

    def _put_table(self, path: _Path, values: dict[str, Any]) -> None:
        """Adds a table after the last model, or after the model that it is a variant of."""
        above = path[:2] if len(path) > 2 else path[:1]
        tables = [line.table for line in self._lines if line.is_in(above)]
        place = self._end_of_table(tables[-1]) if tables else len(self._lines)
        for key in reversed(path):
            values = {key: values}
        self._insert(place, values)
        if place:
            self._lines[place:place] = _parsed(self._newline)

    def _insert(self, place: int, values: dict[str, Any]) -> None:
        text = tomlkit.dumps(values).replace("\r\n", "\n").replace("\n", self._newline)
        self._lines[place:place] = _parsed(text)

    def _end_of_keys(self, table: _Path) -> int:
        """The place after the last key of a table, or its header; 0 if there is no such header."""
        places = (place for place, line in enumerate(self._lines, 1) if line.path and line.table == table)
        return max(places, default=0)

    def _end_of_table(self, table: _Path) -> int:
        """The place after the comments right below the last key, unless a header follows them."""
        lines, place = self._lines, self._end_of_keys(table)
        end = place
        while end < len(lines) and isinstance(lines[end].item, Comment):
            end += 1
        return place if end < len(lines) and lines[end].is_header() else end

    def _text(self) -> str:
        text = self._mark + _written(self._lines)
        return text.removesuffix("\n").removesuffix("\r") if self._is_open else text

    def _unsafe(self) -> ManifestError:
        return ManifestError(
            f"{self._where}: {dotted(self._path)} cannot be edited safely in the form that the manifest is written in",
            hint=f"edit it by hand, or write models as tables with headers, [{dotted(self._path[:2])}], and try again",
        )


class _Line(NamedTuple):
    """A header, a key with its value, a comment, or a blank line."""

    key: Key | None
    item: Item
    path: _Path = ()  # of a header or key
    table: _Path = ()  # the header that a key stands under; a header's own path
    value: Item | None = None  # of a key; for `a.b = 1` the item is a table `a` with only `b`

    def is_in(self, path: _Path) -> bool:
        return self.path[: len(path)] == path

    def is_header(self) -> bool:
        return self.key is not None and self.value is None

    def is_blank(self) -> bool:
        return isinstance(self.item, Whitespace)


def _parsed(text: str) -> list[_Line]:
    return list(_lines(tomlkit.parse(text).body))


def _lines(body: Iterable[tuple[Key | None, Item]], table: _Path = ()) -> Iterator[_Line]:
    """The parsed lines, in the order of the text."""
    for key, item in body:
        if isinstance(item, Whitespace):  # any number of blank lines
            yield from (_Line(None, tomlkit.ws(line)) for line in item.s.splitlines(keepends=True))
        elif key is None:
            yield _Line(None, item)
        elif isinstance(item, Table) and not key.is_dotted():
            path = (*table, key.key)
            if not item.is_super_table():  # one without a header of its own
                yield _Line(key, item, path, path)
            yield from _lines(item.value.body, path)
        else:
            path, value = (*table, key.key), item
            while isinstance(value, Table):
                [(name, value)] = value.items()
                path = (*path, name)
            yield _Line(key, item, path, table, value)


def _written(lines: Iterable[_Line]) -> str:
    """The text of these lines."""
    document = tomlkit.document()
    body = document.body
    for line in lines:
        if line.is_header():
            document.body.append((line.key, line.item))
            body = line.item.value.body
            body.clear()
        else:
            body.append((line.key, line.item))
    return document.as_string()


def _meaning(text: str) -> dict[str, Any]:
    """The values of a manifest; `name = "uri"` and a table with only a `uri` are the same."""
    document = tomllib.loads(text.removeprefix("\ufeff"))
    models = document.get("models", {}).items()
    return {**document, "models": {name: {"uri": it} if isinstance(it, str) else it for name, it in models}}


def _comments(text: str) -> Counter[str]:
    return Counter(re.findall(r"#[^\r\n]*", text))

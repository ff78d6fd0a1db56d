"""Output of a command: words for people on stderr, data or one JSON object on stdout."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias

from modelsync.display.terminal import encodable, wants_color, width
from modelsync.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from modelsync.errors import ModelsyncError

SCHEMA = 1
_COLORS = "\033\\[[0-9;]*m"  # compiled when it is used: a sync with nothing to do writes a line at most

Color: TypeAlias = Literal["auto", "always", "never"]
Format: TypeAlias = Literal["text", "json"]


class Output:
    """Writes to stdout and stderr.

    Args:
        format: `json`: stdout takes one object, and nothing else.
        quiet: 1: no words but errors; 2: not even those.
        color: Whether words are coloured.
    """

    def __init__(self, *, format: Format = "text", quiet: int = 0, color: Color = "auto") -> None:
        self.json = format == "json"
        self.quiet = quiet
        self.color = color

    def words(self, *lines: str) -> None:
        """Lines for a person, on stderr."""
        if not self.quiet:
            self._write(sys.stderr, lines)

    def notes(self, notes: Iterable[str]) -> None:
        """Notes for a person, on stderr."""
        self.words(*map(safe, notes))

    def lines(self, lines: Iterable[str]) -> None:
        """Lines of data, on stdout; none where that takes an object."""
        if not self.json:
            self._write(sys.stdout, lines)

    def page(self, text: str, *, err: bool = False) -> None:
        """A page of help, on stdout or stderr, whatever the format."""
        self._write(sys.stderr if err else sys.stdout, [text])

    def exactly(self, text: str) -> None:
        """A text as data, character for character, in UTF-8 whatever the stream's encoding; for programs alone."""
        if not self.json:
            write_bytes(f"{text}\n".encode())

    def paths(self, paths: "Iterable[Path]") -> None:
        """Paths as data, each on its line, byte for byte what the file system calls them."""
        if os.name == "nt":
            self.lines(map(str, paths))
        elif not self.json:
            write_bytes(b"".join(os.fsencode(path) + b"\n" for path in paths))

    def result(self, **fields: Any) -> None:
        """The object that stdout takes with `--format json`; nothing otherwise."""
        if self.json:
            import json

            self._write(sys.stdout, [json.dumps({"schema": SCHEMA, **fields}, indent=2)])

    def error(self, error: "ModelsyncError", **fields: Any) -> None:
        """An error, or several, and how to mend it: words on stderr, and the object on stdout where one is wanted."""
        if error.errors:
            fields["errors"] = [{"name": each.model, **_error_value(each)} for each in error.errors]
        self.result(**fields, error=_error_value(error))
        if self.quiet < 2:
            for each in error.errors or (error,):
                self._write(sys.stderr, error_lines(each.message, each.hint, each.details))
            from modelsync.cli import annotations

            self._write(sys.stderr, annotations.errors(error, os.environ))

    def _write(self, stream: TextIO | None, lines: Iterable[str]) -> None:
        if stream is None:  # closed by the parent process
            return
        if stream is sys.stderr and (columns := width(stream)):
            from modelsync.cli.layout import wrapped

            lines = (part for line in lines for each in line.split("\n") for part in wrapped(each, columns))
        text = "".join(f"{line}\n" for line in lines)
        if not text:
            return
        with to_stdout(stream):
            self._print(stream, encodable(text, stream))

    def _print(self, stream: TextIO, text: str) -> None:
        if "\033" in text and wants_color(stream, self.color):
            import click

            click.echo(text, file=stream, nl=False, color=True)  # it handles the consoles of Windows
            return
        stream.write(re.sub(_COLORS, "", text))
        stream.flush()


class StdoutError(StoreError):
    """What stdout leads to cannot be written."""

    code = "stdout"

    def __init__(self, cause: OSError) -> None:
        super().__init__(
            f"cannot write to standard output: {cause.strerror or cause}",
            hint="see where it leads; a disk may be full",
        )


@contextmanager
def to_stdout(stream: TextIO | None) -> Iterator[None]:
    """Turns what the system says of stdout into words; a pipe that was closed is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if stream is not sys.stdout:
            raise
        raise StdoutError(error) from error


def flush_stdout() -> None:
    """Sends what stdout still has.

    Raises:
        StdoutError: it cannot be written.
        BrokenPipeError: nothing reads it any more.
    """
    if sys.stdout is not None:
        with to_stdout(sys.stdout):
            sys.stdout.flush()


def write_bytes(data: bytes) -> None:
    """Writes bytes to stdout, now.

    Raises:
        StdoutError, BrokenPipeError: as with `flush_stdout`.
    """
    if sys.stdout is not None:
        with to_stdout(sys.stdout):
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.flush()


def _error_value(error: "ModelsyncError") -> dict[str, Any]:
    value: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    return value | {"details": list(error.details)} if error.details else value


def error_lines(message: str, hint: str | None, details: Sequence[str] = ()) -> list[str]:
    """`error: …`, the lines below it, then `hint: …`."""
    import click

    lines = [click.style("error", fg="red", bold=True) + f": {safe(message)}"]
    lines += [f"   {safe(line)}" for line in details]
    if hint:
        lines.append(click.style("hint", fg="cyan", bold=True) + f": {safe(hint)}")
    return lines


def safe(text: str) -> str:
    """`text` without control characters. Text from outside is cleaned where it is read; this is the last check."""
    from modelsync.spec.names import printable

    return "\n".join(printable(line, limit=10_000) for line in text.split("\n"))


def titled(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Iterable[int] = (),
    give: Sequence[str] = (),
    below: Sequence[str] = (),
    indent: str = "",
) -> list[str]:
    """A table for stdout under its titles; a column without any text is left out with its title.

    On a terminal that is too narrow cells lose their middles; in a pipe they are whole.

    Args:
        titles: Of the columns.
        rows: Their texts.
        right: The columns whose texts end together.
        give: Titles of columns that are shortened first, in this order.
        below: Titles of columns that stand on lines of their own, whole, where the table would be too wide.
        indent: What each line begins with.
    """
    from modelsync import cells
    from modelsync.cli.layout import fitted
    from modelsync.display.columns import table

    columns = width(sys.stdout)
    columns = columns - len(indent) if columns is not None else None
    used = [index for index in range(len(titles)) if any(row[index] for row in rows)]
    widest = [max(len(titles[index]), *(cells.width(row[index]) for row in rows)) for index in used]
    under = [
        index
        for index in used
        if titles[index] in below and columns is not None and sum(widest) + 2 * len(used) - 2 > columns
    ]
    used = [index for index in used if index not in under]
    ends = {position for position, index in enumerate(used) if index in set(right)}
    first = [used.index(index) for title in give if (index := titles.index(title)) in used]
    picked = [[row[index] for index in used] for row in ([t.upper() for t in titles], *rows)]
    head, *body = table(fitted(picked, columns, right=ends, give=first), right=ends, indent=indent)
    lines = [f"\033[1m{head}\033[0m"]
    for line, row in zip(body, rows, strict=True):
        lines += [line, *(f"{indent}  {row[index]}" for index in under if row[index])]
    return lines

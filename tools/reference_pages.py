"""Pages of the reference, made from the code before the site is built: they cannot say anything else.

Each page here is a function that returns Markdown.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import click

import modelsync
from modelsync.cli.app import program
from modelsync.cli.command import Group, records
from modelsync.cli.commands.help import TOPICS
from modelsync.cli.exit import NAME
from modelsync.cli.global_options import GLOBAL
from modelsync.cli.help_page import Documented
from modelsync.errors import EXIT_CODES
from modelsync.net import config
from modelsync.spec.manifest import schema

Row = tuple[str, ...]
_MARKS = re.compile(r"\*|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # what would make words slanted


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "&#124;") for cell in line) + " |\n" for line in lines)


def code(text: str) -> str:
    """A text as it is typed; a bar in backticks would end a table's cell."""
    return f"<code>{escape(text).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def prose(text: str) -> str:
    """A text for people, of which Markdown changes nothing but what is between backticks."""
    parts = text.split("`")
    parts[::2] = (_MARKS.sub(lambda mark: f"\\{mark[0]}", part).replace("<", "&lt;") for part in parts[::2])
    return "`".join(parts)


# --- the command line --------------------------------------------------------------------------------


def command_line() -> str:
    """Every command with its options, in the order of `modelsync --help`."""
    top = click.Context(program, info_name=NAME)
    parts = ["# Command line\n\n", f"{prose(program.help or '')}\n\n"]
    parts.append(
        "`modelsync help COMMAND` and `--help` show the same in a terminal, `-h` the most of it on one screen.\n\n"
    )
    for heading, names in program.sections.items():
        parts.append(f"## {heading}\n\n")
        for name in names:
            found = program.get_command(top, name)
            assert found is not None
            parts += _command(found, click.Context(found, parent=top, info_name=name))
    parts.append("## Global options\n\nBefore or after every command.\n\n")
    parts.append(
        table(
            ("option", "does"), ((code(names), prose(words)) for names, words in records(top, program.params))
        )
    )
    parts.append("\n## Exit codes\n\n")
    parts.append(table(("status", "means"), ((str(status), words) for status, words in EXIT_CODES.items())))
    return "".join(parts)


def _command(found: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join((context.command_path, *found.collect_usage_pieces(context)))
    yield f"### {context.command_path}\n\n```console\n$ {usage}\n```\n\n{_help(found.help or '')}\n\n"
    examples = found.examples if isinstance(found, Documented) else ()
    if examples:
        yield table(("example", "does"), ((code(line), prose(does)) for line, does in examples)) + "\n"
    options = [each for each in found.params if isinstance(each, click.Option) and each not in GLOBAL]
    rows = [(code(names), prose(words)) for names, words in records(context, options)]
    if rows:
        yield table(("option", "does"), rows) + "\n"
    if isinstance(found, Group):
        for name in found.places:
            below = found.get_command(context, name)
            assert below is not None
            yield from _command(below, click.Context(below, parent=context, info_name=name))


def _help(text: str) -> str:
    """A help text; what is laid out by hand there, behind a backspace, stays as it is."""
    parts = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```text\n{part[2:]}\n```" if part.startswith("\b\n") else prose(part) for part in parts
    )


# --- models.toml and models.lock ---------------------------------------------------------------------


def manifest() -> str:
    """Every key of models.toml, from the schema that the parser's tables make."""
    whole = schema.schema()
    project = whole["properties"]["modelsync"]["properties"]
    entry = whole["properties"]["models"]["additionalProperties"]["anyOf"][1]["properties"]
    variant = entry["variants"]["additionalProperties"]["properties"]
    parts = [
        "# models.toml\n\n",
        "What the project wants. People write it, `modelsync add` and `remove` edit it and keep its comments. "
        f"[{schema.FILE}](../{schema.FILE}) is its JSON Schema; `modelsync schema -o {schema.FILE}` writes it.\n\n",
        "## `[modelsync]`\n\nAll of it is optional.\n\n",
        _keys(project),
        "\n## `[models.NAME]`\n\n",
        'A model is `NAME = "URI"` in `[models]`, or a table of its own. A name is 1 to 64 of a-z, 0-9, `.`, `_`, `-`, '
        "begins with a letter or digit and does not end with a dot.\n\n",
        _keys(entry),
        "\n## `[models.NAME.variants.VARIANT]`\n\n",
        f"What differs from the entry, of: {', '.join(map(code, variant))}.\n",
    ]
    return "".join(parts)


def _keys(shapes: Mapping[str, Mapping[str, Any]]) -> str:
    rows = ((code(key), _kind(shape), _described(shape)) for key, shape in shapes.items())
    return table(("key", "holds", "means"), rows)


def _kind(shape: Mapping[str, Any]) -> str:
    """The type of a value, in words."""
    names = {"object": "a table", "boolean": "true or false", "string": "a string", "number": "a number"}
    if "anyOf" in shape:
        return ", or ".join(dict.fromkeys(map(_kind, shape["anyOf"])))
    if "allOf" in shape:
        return _kind(shape["allOf"][0])
    if "$ref" in shape:
        return {"uri": "a URI", "sha256": "a SHA-256", "name": "a name"}[shape["$ref"].rpartition("/")[2]]
    if shape.get("type") == "array":
        return f"a list of {_kind(shape['items']).removeprefix('a ')}s"
    return names[shape["type"]]


def _described(shape: Mapping[str, Any]) -> str:
    examples = [example for example in shape.get("examples", ()) if not isinstance(example, dict)]
    shown = ", ".join(code(_toml(example)) for example in examples[:1])
    return f"{prose(shape['description'])} {shown and f'For example {shown}.'}".strip()


def _toml(value: object) -> str:
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else f'"{value}"'


# --- configuration, errors ---------------------------------------------------------------------------


def configuration() -> str:
    """The keys of config.toml, and every variable."""
    parts = ["# Configuration\n\n", _user_config(), "\n## Variables\n\n"]
    formatter = program.make_context(NAME, [], resilient_parsing=True).make_formatter()
    captured = _Rows(formatter)
    TOPICS["environment"](click.Context(program, info_name=NAME), captured)
    for heading, rows in captured.sections:
        parts.append(f"### {heading}\n\n")
        parts.append(table(("variable", "is"), ((code(name), prose(words)) for name, words in rows)))
        parts.append("\n")
    parts.append(
        "Flags are true at 1, on, yes and true. An option on the command line wins over its variable.\n"
    )
    return "".join(parts)


def _user_config() -> str:
    rows = ((code(key), prose(words)) for key, words in config.KEYS.items())
    return (
        "## config.toml\n\n"
        "The user's own settings: what a repository's manifest is not trusted with. The file is "
        "`~/.config/modelsync/config.toml` on Linux, `~/Library/Application Support/modelsync/config.toml` on macOS, "
        "`%LOCALAPPDATA%\\modelsync\\config.toml` on Windows, or what `MODELSYNC_CONFIG` names; `modelsync doctor` "
        "says which.\n\n"
        f"```toml\n{config.EXAMPLE}```\n\n" + table(("key", "means"), rows)
    )


def errors() -> str:
    """Each exit status, with the errors that have it."""
    captured = _Rows(click.HelpFormatter())
    TOPICS["exit-codes"](click.Context(program, info_name=NAME), captured)
    parts = [
        "# Exit codes and errors\n\n",
        'With `--format json` an error is `{"schema": 1, "error": {"code", "message", "hint"}}` on stdout. In Python '
        "every error derives from `modelsync.ModelsyncError` and has `code`, `exit_code`, `message` and `hint`.\n\n",
    ]
    for heading, rows in captured.sections:
        first = "status" if heading == "Exit codes" else "code"
        parts.append(f"## {heading}\n\n")
        parts.append(table((first, "means"), ((code(name), prose(words)) for name, words in rows)) + "\n")
    return "".join(parts)


class _Rows(click.HelpFormatter):
    """Keeps the sections of a help page as rows."""

    def __init__(self, like: click.HelpFormatter) -> None:
        super().__init__(width=like.width)
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []

    def write_heading(self, heading: str) -> None:
        """Begins a section."""
        self.sections.append((heading, []))

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:  # noqa: ARG002
        """Keeps its rows."""
        self.sections[-1][1].extend((click.unstyle(first), second) for first, second in rows)


# --- Python ------------------------------------------------------------------------------------------


def python() -> str:
    """The public names; mkdocstrings writes them out."""
    functions = [name for name in modelsync.__all__ if inspect.isfunction(getattr(modelsync, name))]
    classes = [name for name in modelsync.__all__ if inspect.isclass(getattr(modelsync, name))]
    parts = [
        "# Python API\n\n",
        "Calls are safe from any thread and from a notebook. What a command does, a call does by the same name, "
        "with the command's flags as keywords.\n\n",
    ]
    for heading, names in (("Functions", functions), ("What they return and raise", classes)):
        parts.append(f"## {heading}\n\n")
        for name in names:
            found = getattr(modelsync, name)
            parts.append(f"::: {found.__module__}.{name}\n\n")
    return "".join(parts)


PAGES = {
    "cli.md": command_line,
    "manifest.md": manifest,
    "configuration.md": configuration,
    "errors.md": errors,
    "python.md": python,
}


def main() -> None:
    """Writes the pages into a folder: `python tools/reference_pages.py docs/reference`."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()

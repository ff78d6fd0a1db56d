"""Finds the models that scripts of a `package.json` fetch with `node-llama-cpp pull`. Pure.

Source: `src/cli/commands/PullCommand.ts` of node-llama-cpp (options and their aliases).
"""

import json
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from modelsync.errors import UsageError

_WITH_VALUE = frozenset(
    {
        *("--url", "--urls", "--header", "-H", "--directory", "--dir", "-d"),
        *("--filename", "--name", "-n", "--parallels", "-p"),
    }
)
_ENDS = frozenset({"&&", "||", ";", "|", "&", "(", ")"})


class PullScript(NamedTuple):
    """One `pull` in a script.

    Attributes:
        script: The script's name.
        words: The command, as it stands there.
        uris: What it fetches.
        folder: Where to; None: node-llama-cpp's own folder.
        filename: The file's name there, if it gets another one.
        has_headers: Whether it sends headers.
    """

    script: str
    words: str
    uris: tuple[str, ...]
    folder: str | None = None
    filename: str | None = None
    has_headers: bool = False


def pull_scripts(text: str) -> tuple[PullScript, ...]:
    """The pulls of all scripts, in their order.

    Args:
        text: The `package.json`.

    Raises:
        UsageError: it is no such file.
    """
    try:
        scripts = json.loads(text).get("scripts", {})
        lines = [(str(name), line) for name, line in scripts.items() if isinstance(line, str)]
    except (ValueError, AttributeError, RecursionError) as error:
        raise UsageError("it is no package.json", hint="--from takes one of a project of Node.js") from error
    return tuple(pull for name, line in lines for pull in _of_line(name, line))


def _of_line(name: str, line: str) -> Iterator[PullScript]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # a quote that is not closed
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in _ENDS:
            command.append(word)
            continue
        program = next((at for at, each in enumerate(command) if _is_program(each)), None)
        if program is not None and command[program + 1 : program + 2] == ["pull"]:
            yield _read(name, command[program:])
        command = []


def _is_program(word: str) -> bool:
    """Whether a word runs node-llama-cpp: by its name, a version or a path."""
    return re.fullmatch(r"(?:.*/)?node-llama-cpp(?:@[^/]*)?", word) is not None


def _read(name: str, command: list[str]) -> PullScript:
    uris: list[str] = []
    folder = filename = None
    has_headers = False
    rest = iter(command[2:])
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            uris.append(word)
            continue
        if option not in _WITH_VALUE:
            continue
        value = value if equals else next(rest, "")
        if option in ("--url", "--urls"):
            uris.append(value)
        elif option in ("--directory", "--dir", "-d"):
            folder = value
        elif option in ("--filename", "--name", "-n"):
            filename = value
        elif option in ("--header", "-H"):
            has_headers = True
    return PullScript(name, shlex.join(command), tuple(uris), folder, filename, has_headers)

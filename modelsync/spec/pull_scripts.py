"""Finds the models that scripts of a `package.json` fetch with `node-llama-cpp pull`. Pure.

Source: `dist/cli/commands/PullCommand.js` and `bin` of node-llama-cpp 3.22.1 (options and their aliases).
"""

import json
import re
import shlex
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from modelsync.errors import UsageError

_URLS = frozenset({"--urls", "--url", "--uris", "--uri"})
_HEADERS = frozenset({"--header", "-H"})
_FOLDERS = frozenset({"--directory", "--dir", "-d"})
_FILENAMES = frozenset({"--filename", "--name", "-n"})
_WITH_VALUE = _URLS | _HEADERS | _FOLDERS | _FILENAMES | {"--parallel", "-p"}
_TRUTHS = frozenset({"true", "false"})  # may follow an option that takes no value
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
        scripts = json.loads(text.removeprefix("\ufeff")).get("scripts", {})  # npm takes a BOM too
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
        if program is not None and command[program + 1 : program + 2] in (["pull"], ["get"]):
            yield _read(name, command[program:])
        command = []


def _is_program(word: str) -> bool:
    """Whether a word runs node-llama-cpp: by one of its names, a version or a path."""
    return re.fullmatch(r"(?:.*/)?(?:node-llama-cpp|nlc)(?:@[^/]*)?", word) is not None


def _read(name: str, command: list[str]) -> PullScript:
    uris: list[str] = []
    folder = filename = None
    has_headers = False
    rest = deque(command[2:])
    while rest:
        word = rest.popleft()
        if not word.startswith("-"):
            uris.append(word)
            continue
        option, value = _option(word)
        if option not in _WITH_VALUE:
            if value is None and rest and rest[0] in _TRUTHS:
                rest.popleft()
            continue
        if value is None:
            value = rest.popleft() if rest else ""
        if option in _URLS:
            uris.append(value)
        elif option in _FOLDERS:
            folder = value
        elif option in _FILENAMES:
            filename = value
        elif option in _HEADERS:
            has_headers = True
    return PullScript(name, shlex.join(command), tuple(uris), folder, filename, has_headers)


def _option(word: str) -> tuple[str, str | None]:
    """An option and the value that is in the same word, as yargs reads it; None: the value follows, if it has one.

    Letters behind one dash are an option each: the last may have a value, in the next word, or in this one where it
    does not begin with a letter (`-d=models`, `-d./models`, `-p4`).
    """
    if word.startswith("--"):
        option, equals, value = word.partition("=")
        return option, value if equals else None
    found = re.fullmatch(r"-[A-Za-z]*?([A-Za-z])(=?)([^A-Za-z=].*|(?<==).*|)", word, re.DOTALL)
    if found is None:
        return word, None
    letter, equals, value = found.groups()
    return f"-{letter}", value if equals or value else None

"""`.gitattributes` of a project: what it says of the lock."""

import fnmatch
from collections.abc import Iterator
from pathlib import Path

from modelsync.errors import StoreError
from modelsync.spec.names import printable
from modelsync.store import project_files

NAME = ".gitattributes"
MAX_BYTES = 1 << 20

# What a file's diff depends on, with the values under which it is shown.
_HARMLESS = {
    "linguist-generated": ("-linguist-generated", "!linguist-generated", "linguist-generated=false"),
    "diff": ("diff", "!diff"),
    "binary": ("-binary", "!binary"),
}


def read(folder: Path) -> str:
    """The text of a folder's `.gitattributes`; empty where there is none.

    Raises:
        StoreError: it cannot be read.
        RefusedError: it is a link that leads out of the folder, or no regular file.
    """
    path = folder / NAME
    try:
        return project_files.read(path, MAX_BYTES, inside=folder).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StoreError(f"cannot read {path}: {why}") from None


def names(text: str, name: str) -> bool:
    """Whether a line is about a file of exactly this name."""
    return any(words[0] == name for words in _lines(text))


def hidden_diff(text: str, name: str) -> str | None:
    """The attribute because of which code reviews fold the diff of a file of this name; None where there is none."""
    said: dict[str, str] = {}
    for pattern, *attributes in _lines(text):
        if fnmatch.fnmatchcase(name, pattern):
            for word in attributes:
                key = word.partition("=")[0].lstrip("-!")
                said[key] = word
    for key, harmless in _HARMLESS.items():
        if said.get(key, harmless[0]) not in harmless:
            return said[key]
    return None


def hidden_note(text: str, name: str) -> str | None:
    """What a person is told where code reviews fold the diff of the lock; None where they show it."""
    attribute = hidden_diff(text, name)
    if attribute is None:
        return None
    return (
        f"`{printable(attribute)}` in {NAME} hides the diff of {printable(name)} in code reviews, where a forged "
        "digest has to be seen: take it out"
    )


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith(("#", "[")):
            yield [words[0].removeprefix("/"), *words[1:]]

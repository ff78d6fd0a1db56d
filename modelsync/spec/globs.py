r"""Globs of a folder model: the dialect of `hf download --include` and `--exclude`. Pure and light.

A glob is matched against the whole path in the repo, case counting. `*` takes `/` too, so `*.json` takes
`sub/config.json` and `**` means no more than `*`; `?` takes one character, `[abc]`, `[a-z]` and `[!a]` one of a set.
A glob that ends with `/` takes all below that folder. `\` is read as `/`. Nothing else is special: neither `{a,b}`,
nor a leading `!`, `/` or `./`.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import NamedTuple

from modelsync.errors import UsageError
from modelsync.spec.names import MAX_PATH, printable

MAX_GLOBS = 1000  # in one list
_SPECIAL = re.compile(r"[*?\[]")


class Globs(NamedTuple):
    """Which files of a repo are wanted: those that a glob of `include` takes, and none of `exclude`."""

    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Whether the file at `path` is wanted."""
        return any_takes(self.include, path) and not any_takes(self.exclude, path)


def any_takes(globs: tuple[str, ...], path: str) -> bool:
    """Whether one of the globs takes a path."""
    return _matcher(globs)(path.replace("\\", "/"))


def takes(glob: str, path: str) -> bool:
    """Whether a glob takes a path."""
    return fnmatchcase(path.replace("\\", "/"), _normal(glob))


def literal(path: str) -> str:
    """The glob that takes this path alone."""
    return _SPECIAL.sub(r"[\g<0>]", path)


def check_glob(text: str) -> str:
    """Returns `text` if it can be a glob of paths in a repo.

    Raises:
        UsageError: it is empty, too long, or has a control character.
    """
    if text and len(text) <= MAX_PATH and text.isprintable():
        return text
    what = (
        "it is empty"
        if not text
        else "it is too long"
        if text.isprintable()
        else "it has a control character"
    )
    raise UsageError(
        f"`{printable(text, 80)}` cannot be a glob: {what}",
        hint='a glob takes whole paths in the repo, such as "*.json", "1_Pooling/*" or "model.safetensors"',
    )


def _normal(glob: str) -> str:
    glob = glob.replace("\\", "/")
    return f"{glob}*" if glob.endswith("/") else glob


@lru_cache(maxsize=256)
def _matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """One test for many paths."""
    normal = [_normal(glob) for glob in globs]
    names = frozenset(glob for glob in normal if not _SPECIAL.search(glob))
    patterns = [translate(glob) for glob in normal if glob not in names]
    if not patterns:
        return names.__contains__
    match = re.compile("|".join(patterns)).match
    return lambda path: path in names or match(path) is not None

"""The manual as its tests read it: blocks of code, and what they show."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SHELL = frozenset({"console", "sh", "bash", "first"})
CONFIGURATION = frozenset({"yaml", "dockerfile", "make"})
_FENCE = re.compile(r"^( *)```([a-z]+)([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FIRST = re.compile(r"^<!-- first: (.+?) -->$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z")
_SHOWN_OTHERWISE = (  # figures and digests of real models are not those of the small ones here
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "HEX"),
    (re.compile(r"\b\d+(\.\d+)? (B|[KMGT]i?B)\b(/s)?"), "SIZE"),
    (re.compile(r"\b\d+(\.\d+)? m?s\b"), "TIME"),
    (re.compile(r" {2,}"), " "),
)


class Block(NamedTuple):
    """A block of code of a page.

    Attributes:
        page: Relative to the project, with slashes.
        line: The number of its first line.
        kind: The word after the fence; "first" for what a page takes for granted: commands in a comment that
            readers do not see.
        text: What is in it, without the indentation of the fence.
        title: The file that it shows, or "".
        not_run: Why it cannot run, or "".
    """

    page: str
    line: int
    kind: str
    text: str
    title: str
    not_run: str


class Step(NamedTuple):
    """A command of a shell, and what the page shows of its output: None where it shows nothing."""

    command: str
    shown: str | None


def pages() -> list[str]:
    """README.md and all pages of the manual, but those that the code makes."""
    made = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    there = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))
    return ["README.md", *(page for page in there if f"/{page}" not in made)]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    text = (ROOT / page).read_text("utf-8")
    found = [*_FENCE.finditer(text), *_FIRST.finditer(text)]
    for each in sorted(found, key=lambda match: match.start()):
        line = text.count("\n", 0, each.start()) + 2
        if each.re is _FIRST:
            yield Block(page, line, "first", each[1], "", "")
            continue
        title, why = _TITLE.search(each[3]), _NOT_RUN.search(text[: each.start()])
        code = textwrap.dedent(each[4])
        yield Block(page, line, each[2], code, title[1] if title else "", why[1] if why else "")


def steps(block: Block) -> list[Step]:
    """The commands of a shell's block, each after `$ ` in a console; else a line each, where each is one by itself."""
    if block.kind != "console":
        lines = re.sub(r"\\\n *", "", block.text).strip().splitlines()
        whole = re.search(r"^(if|for|while|case)\b|<<", block.text, re.MULTILINE) is not None
        return [Step(block.text, None)] if whole else [Step(line, None) for line in lines]
    made: list[Step] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next(index for index, line in enumerate(lines) if not line.endswith("\\")) + 1
        shown = "\n".join(lines[end:]).strip("\n")
        made.append(Step("\n".join(lines[:end]), shown or None))
    return made


def matches(shown: str, said: str) -> bool:
    """Whether a page shows what was said: `...` is anything, and figures and digests may be others."""
    pattern = re.escape(_plain(shown)).replace(re.escape("...\n"), r"(.*\n)*").replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, _plain(said)) is not None


def _plain(text: str) -> str:
    for pattern, word in _SHOWN_OTHERWISE:
        text = pattern.sub(word, text)
    return "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"


def own_commands(block: Block) -> Iterator[list[str]]:
    """The words of each command line of modelsync in a block, without what a shell does with it."""
    for line in re.sub(r"\\\n", " ", block.text).splitlines():
        if block.kind == "console" and not line.startswith("$ "):
            continue
        for found in re.finditer(r"""(?:^|[\s"'(])modelsync ([^|<>;&)]*)""", line):
            before = line[: found.start()].rstrip()
            words = re.split(r"(?:^|\s)#", found[1])[0].replace('"$', "$")
            if (
                not before.endswith(("install", "which", "#"))
                and words.count('"') % 2 == 0 == words.count("'") % 2
            ):
                yield shlex.split(words)

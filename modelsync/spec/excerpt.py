"""The line of a manifest or a lock that an error is about, with a caret below the place."""

import re

from modelsync import cells
from modelsync.spec.names import printable

WIDTH = 68  # columns of the line that are shown, around the place

_ADDRESS = r"//[^/\s\"']*@|\?[^\s\"']*"  # users and queries of addresses: they may hold a secret
_PRIVATE = r"(?i)token|secret|passw|credential|api[_-]?key|authorization|bearer|\bhf_\w{8}"


def excerpt(text: str, line: int, column: int) -> tuple[str, ...]:
    """A line with its number, and a caret below it; neither where it is empty. What may be a secret is left out.

    Args:
        text: The whole file.
        line: From 1 on.
        column: From 1 on.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    if not 1 <= line <= len(lines):
        return ()
    shown = lines[line - 1].rstrip().expandtabs(1)
    if re.search(_PRIVATE, shown):
        shown = f"{shown.partition('=')[0].rstrip()} = …" if "=" in shown else "…"
    shown = re.sub(_ADDRESS, lambda found: "//…@" if found[0].startswith("//") else "?…", shown)
    if not shown.strip():
        return ()
    at = min(max(1, column), len(shown) + 1) - 1
    before = printable(shown[max(0, at - WIDTH) : at], 10 * WIDTH)
    after = printable(shown[at : at + WIDTH], 10 * WIDTH)
    before = cells.tail(before, max(WIDTH // 2, WIDTH - cells.width(after)))
    after = cells.head(after, WIDTH - cells.width(before))
    number = str(line)
    return f"{number} | {before}{after}", f"{' ' * len(number)} | {' ' * cells.width(before)}^"


def column_of(text: str, line: int, key: str | None) -> int:
    """Where a key stands in a line, from 1 on; where its first word does, if the key is not seen there."""
    lines = text.removeprefix("\ufeff").split("\n")
    content = lines[line - 1] if 1 <= line <= len(lines) else ""
    found = None
    if key is not None:
        found = re.search(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?(?=\s*[=.\]])", content)
    return (found.start() if found else len(content) - len(content.lstrip())) + 1

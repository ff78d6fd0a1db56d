"""Lines in the width of a terminal: sentences wrapped at blanks, tables whose columns give way. Pure."""

import re
from collections.abc import Iterable, Sequence

from modelsync.cells import shortened
from modelsync.cells import width as columns_of

COLORS = "\033\\[[0-9;]*m"
LEAST = 12  # columns that a shortened cell keeps, where it can

# A word: what stands between backquotes stays together, as far as a person types it at once.
_WORD = r"(?:`[^`\n]{1,50}`|[^ ])+"
_LABEL = r" *(?:(?:error|hint|warning): )?"


def wrapped(line: str, width: int | None) -> list[str]:
    """A line as several that fit, broken at blanks; a word that is wider than the terminal stays whole.

    Args:
        line: It may have colours.
        width: Columns; None: the line stays as it is.
    """
    if width is None or _columns(line) <= width:
        return [line]
    plain = re.sub(COLORS, "", line)
    label = re.match(_LABEL, plain)
    hang = len(label[0]) if label is not None and label[0].strip() else len(plain) - len(plain.lstrip()) + 2
    start = " " * (len(plain) - len(plain.lstrip()))
    out, used, gap = [start], len(start), ""
    for token in re.findall(rf" +|{_WORD}", line[len(start) :] if line.startswith(start) else line):
        if token.isspace():
            gap = token
            continue
        size = _columns(token)
        if used > hang and used + len(gap) + size > width:
            out.append(" " * hang)
            used, gap = hang, ""
        out[-1] += gap + token
        used, gap = used + len(gap) + size, ""
    return out


def fitted(
    rows: Sequence[Sequence[str]], width: int | None, *, right: Iterable[int] = (), give: Iterable[int] = ()
) -> list[list[str]]:
    """The rows with cells shortened, so that they take no more than `width` as a table.

    Args:
        rows: All of the same length; the first may be titles, which are shortened with their columns.
        width: Columns; None: any number.
        right: Columns of numbers, which are never shortened.
        give: Columns that are shortened first, in this order; then the widest are.
    """
    cells = [list(row) for row in rows]
    if width is None or not cells:
        return cells
    widths = [max(map(columns_of, column)) for column in zip(*cells, strict=True)]
    over = sum(widths) + 2 * (sum(map(bool, widths)) - 1) - width
    numbers = set(right)
    for index in give:
        taken = max(0, min(over, widths[index] - LEAST))
        widths[index] -= taken
        over -= taken
    texts = [index for index in range(len(widths)) if index not in numbers]
    while over > 0 and texts and max(widths[index] for index in texts) > LEAST:
        widths[max(texts, key=widths.__getitem__)] -= 1
        over -= 1
    return [[shortened(cell, width) for cell, width in zip(row, widths, strict=True)] for row in cells]


def _columns(text: str) -> int:
    """The columns of a text that may have colours."""
    return columns_of(re.sub(COLORS, "", text))

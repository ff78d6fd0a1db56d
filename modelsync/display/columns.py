"""Rows as lines with their columns aligned."""

from collections.abc import Iterable, Sequence


def table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), indent: str = "") -> list[str]:
    """Rows as lines with their columns aligned; empty columns are left out, and so is white space at the end.

    Args:
        rows: All of the same length, uncoloured.
        right: The columns whose texts end together.
        indent: What each line begins with.
    """
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ends = set(right)

    def line(row: Sequence[str]) -> str:
        cells = (
            text.rjust(width) if index in ends else text.ljust(width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
            if width
        )
        return (indent + "  ".join(cells)).rstrip()

    return [line(row) for row in rows]

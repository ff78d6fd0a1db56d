"""Rows as lines with their columns aligned."""

from collections.abc import Iterable, Sequence

from modelsync import cells


def table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), indent: str = "") -> list[str]:
    """Rows as lines with their columns aligned; empty columns are left out, and so is white space at the end.

    Args:
        rows: All of the same length, uncoloured.
        right: The columns whose texts end together.
        indent: What each line begins with.
    """
    if not rows:
        return []
    widths = [max(map(cells.width, column)) for column in zip(*rows, strict=True)]
    ends = set(right)

    def line(row: Sequence[str]) -> str:
        shown = (
            cells.rjust(text, width) if index in ends else cells.ljust(text, width)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
            if width
        )
        return (indent + "  ".join(shown)).rstrip()

    return [line(row) for row in rows]

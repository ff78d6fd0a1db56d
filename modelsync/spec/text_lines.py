"""Whole lines into and out of a text, with the line endings and the last line's manner that it has."""

import re
from collections.abc import Sequence

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")


class Lines:
    """The lines of a text, counted from 0, each with its line ending."""

    def __init__(self, text: str) -> None:
        self._lines: list[str] = _LINE.findall(text)
        self._ending = "\r\n" if self._lines and self._lines[0].endswith("\r\n") else "\n"
        self._is_open = bool(text) and not text.endswith(
            "\n"
        )  # the last line has no ending, and shall have none
        if self._is_open:
            self._lines[-1] += self._ending

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> str:
        """The line without its ending and surrounding blanks; an empty text outside of the lines."""
        return self._lines[index].strip() if 0 <= index < len(self._lines) else ""

    def __str__(self) -> str:
        text = "".join(self._lines)
        return text.removesuffix("\n").removesuffix("\r") if self._is_open else text

    def insert(self, index: int, lines: Sequence[str]) -> None:
        """Puts lines, given without endings, before the one at `index`."""
        self._lines[index:index] = [line + self._ending for line in lines]

    def delete(self, first: int, end: int) -> None:
        """Takes the lines from `first` up to `end`, which is not included, out."""
        del self._lines[first:end]

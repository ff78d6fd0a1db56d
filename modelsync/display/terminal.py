"""Tells whether a stream is a terminal, how wide, and whether it takes colours. Imports nothing heavy."""

import os
import sys
from typing import Literal, TextIO


def is_terminal(stream: TextIO) -> bool:
    """Whether the stream is a terminal."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # replaced by another object, or closed
        return False


def in_notebook(stream: TextIO | None) -> bool:
    """Whether a Jupyter kernel shows what is written to a stream."""
    return "ipykernel" in sys.modules and type(stream).__module__.startswith("ipykernel")


def width(stream: TextIO | None) -> int | None:
    """The columns of the terminal that a stream leads to; None for a pipe or a file."""
    if stream is None or not is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None


def moves_cursor(stream: TextIO) -> bool:
    """Whether lines already written can be redrawn."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def wants_color(stream: TextIO, choice: Literal["auto", "always", "never"] = "auto") -> bool:
    """Whether to colour output to the stream.

    A flag (or `MODELSYNC_COLOR`) decides; then `NO_COLOR`, then `FORCE_COLOR`, each when it is not empty; then
    whether the stream is a terminal.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or moves_cursor(stream)


def encodable(text: str, stream: TextIO) -> str:
    """`text`, with what the stream's encoding cannot hold escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text

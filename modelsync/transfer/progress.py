"""What a transfer tells about itself while it runs."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

Phase = Literal["waiting", "resolving", "fetching", "checking", "linking", "done", "failed"]


class Event(NamedTuple):
    """How far one file is.

    Attributes:
        phase: What is being done with it now.
        label: The file, in the words that the job was given.
        done: Bytes that are here, those of earlier runs too. It can fall, when a file must start anew.
        total: Bytes of the whole file, or None while nobody knows.
        reused: Those of `done` that were copied from other files of this machine meanwhile.
    """

    phase: Phase
    label: str
    done: int
    total: int | None
    reused: int = 0


Listener: TypeAlias = Callable[[Event], None]

"""The progress events of a transfer."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

Phase = Literal["waiting", "resolving", "fetching", "checking", "linking", "sending", "done", "failed"]


class Event(NamedTuple):
    """The progress of one file.

    Attributes:
        phase: What is being done with it now.
        label: The file, by the label of its job.
        done: Bytes that have arrived, those of earlier runs too. It can fall, when a file starts again.
        total: Bytes of the whole file; None: unknown.
        reused: Those of `done` that were copied in this run from other files of this machine.
        place: Where a file that is done came from, in words: a place on this machine, or a mirror; None: its source.
    """

    phase: Phase
    label: str
    done: int
    total: int | None
    reused: int = 0
    place: str | None = None


Listener: TypeAlias = Callable[[Event], None]

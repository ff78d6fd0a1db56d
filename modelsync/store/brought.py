"""What came into the store in a call, and from where. A value."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Brought(NamedTuple):
    """A file that came into the store, and from where.

    Attributes:
        label: What progress calls it.
        path: Its path in its repo, or its name.
        sha256: Its digest, in hex.
        bytes: Its size.
        place: The place in words; None: its source.
        taken_from: The file of this machine that it was taken from, if it was.
        way: How: `fetch`, `reflink`, `hardlink` or `copy`.
    """

    label: str
    path: str
    sha256: str
    bytes: int
    place: str | None = None
    taken_from: Path | None = None
    way: str = "fetch"


def taken_notes(brought: Sequence[Brought]) -> tuple[str, ...]:
    """A line for each place of this machine that files were taken from."""
    from modelsync.sizes import size

    taken: dict[str, list[Brought]] = {}
    for one in brought:
        if one.place is not None and one.taken_from is not None:
            taken.setdefault(one.place, []).append(one)
    return tuple(
        f"{files[0].label if len(files) == 1 else f'{len(files)} files'}: taken from {place}, "
        f"{size(sum(one.bytes for one in files))}"
        for place, files in taken.items()
    )

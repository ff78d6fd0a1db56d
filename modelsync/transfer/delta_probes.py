"""Chooses the probes that show whether another file has the same bytes. Pure.

A probe costs one small range request. Its offset in the guessed bytes follows from the file's digest: every run
takes the same one, so a run after an interruption does not fetch it again, and the author of a file cannot keep the
probed bytes unchanged on purpose.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from modelsync.transfer.jobs import Guess
from modelsync.transfer.ranges import Span

FIRST_PROBES = 6  # at most, before anything is copied
SHARE = 128  # one of so many guessed bytes is fetched as a probe
LEAST, MOST = 256, 1 << 14  # bytes of one probe


class DeltaPart(NamedTuple):
    """A guess within one segment. Offsets are those of the whole file, unless stated.

    Attributes:
        segment: The segment's number.
        start: Offset of the first byte.
        end: Offset after the last byte.
        places: The other files that may have the bytes, each with the offset there.
        probe: The range to compare first; None: copy without a probe.
    """

    segment: int
    start: int
    end: int
    places: tuple[tuple[Path, int], ...]
    probe: Span | None = None


def delta_parts(guesses: Iterable[Guess], sizes: Sequence[int], sha256_hex: str) -> tuple[DeltaPart, ...]:
    """The guesses as parts, in order, without overlaps and each within one segment.

    Args:
        guesses: In any order; where two overlap, the first one counts.
        sizes: Bytes of each segment.
        sha256_hex: The file's digest.
    """
    edges = [0]
    for size in sizes:
        edges.append(edges[-1] + size)
    parts: list[DeltaPart] = []
    reached = 0
    for guess in sorted(guesses):
        start, end = max(guess.start, reached), guess.start + guess.size
        for segment, (base, limit) in enumerate(pairwise(edges)):
            first, last = max(start, base), min(end, limit)
            if first < last:
                places = ((guess.path, guess.offset), *guess.others)
                moved = tuple((path, offset + first - guess.start) for path, offset in places)
                parts.append(DeltaPart(segment, first, last, moved, (first, last) if guess.probe else None))
        reached = max(reached, min(end, edges[-1]))
    wanted = [part for part in parts if part.probe]
    total = sum(part.end - part.start for part in wanted)
    length = min(max(LEAST, total // SHARE // max(1, len(wanted))), MOST)
    return tuple(
        part._replace(probe=_probe_range(part, length, sha256_hex)) if part.probe else part for part in parts
    )


def _probe_range(part: DeltaPart, length: int, sha256_hex: str) -> Span:
    """The range of a part to probe; all of it, if the rest would not be worth a copy."""
    size = part.end - part.start
    if size <= 2 * length:
        return part.start, part.end
    seed = sha256(f"{sha256_hex} {part.start} {part.end}".encode()).digest()
    start = part.start + int.from_bytes(seed[:8]) % (size - length + 1)
    return start, start + length


def first_probes(parts: Sequence[DeltaPart]) -> tuple[DeltaPart, ...]:
    """The parts whose probes decide whether the others are probed at all: spread evenly over the bytes."""
    wanted = [part for part in parts if part.probe]
    total = sum(part.end - part.start for part in wanted)
    chosen: list[DeltaPart] = []
    passed = looks = 0
    for part in wanted:
        passed += part.end - part.start
        if total * (2 * looks + 1) < passed * 2 * FIRST_PROBES:
            chosen.append(part)
            while total * (2 * looks + 1) < passed * 2 * FIRST_PROBES:
                looks += 1
    return tuple(chosen)

"""Where to look whether another file has the same bytes, and whether copying them is worth it. Pure.

A look costs one small range of the source. Where in the guessed bytes it is taken follows from the file's digest: it
is the same in every run, so what an interrupted one brought is not asked for again, and it is no place that whoever
changes a tensor leaves alone.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from modelsync.transfer.jobs import Guess
from modelsync.transfer.ranges import Span

FIRST_LOOKS = 6  # at most, before anything is copied
SHARE = 128  # of so many guessed bytes, one is asked for
LEAST, MOST = 256, 1 << 14  # bytes of one look
ENOUGH = 1.0  # seconds of copying after which its rate says something
SLOWER = 3  # times slower than one stream: then copying is clearly the worse way, though it costs no traffic
SLOW = 64 << 20  # bytes a second; what copies faster than that is not held against the network at all


class Part(NamedTuple):
    """A guess inside one segment.

    Attributes:
        lane: The segment's number.
        start: Where the bytes are in the whole file.
        end: Where they end.
        places: The other files that may have them, each with where they are in it.
        probe: Which of them (offsets in the whole file) are to be looked at first; None: nothing has to be.
    """

    lane: int
    start: int
    end: int
    places: tuple[tuple[Path, int], ...]
    probe: Span | None = None


def parts_of(guesses: Iterable[Guess], sizes: Sequence[int], sha256_hex: str) -> tuple[Part, ...]:
    """The guesses as parts, in order, none over another and none beyond its segment.

    Args:
        guesses: In any order; of two that overlap the first one counts.
        sizes: Bytes of each segment.
        sha256_hex: The file's digest.
    """
    edges = [0]
    for size in sizes:
        edges.append(edges[-1] + size)
    parts: list[Part] = []
    reached = 0
    for guess in sorted(guesses):
        start, end = max(guess.start, reached), guess.start + guess.size
        for lane, (base, limit) in enumerate(pairwise(edges)):
            first, last = max(start, base), min(end, limit)
            if first < last:
                places = ((guess.path, guess.offset), *guess.others)
                moved = tuple((path, offset + first - guess.start) for path, offset in places)
                parts.append(Part(lane, first, last, moved, (first, last) if guess.probe else None))
        reached = max(reached, min(end, edges[-1]))
    wanted = [part for part in parts if part.probe]
    total = sum(part.end - part.start for part in wanted)
    length = min(max(LEAST, total // SHARE // max(1, len(wanted))), MOST)
    return tuple(
        part._replace(probe=_look(part, length, sha256_hex)) if part.probe else part for part in parts
    )


def _look(part: Part, length: int, sha256_hex: str) -> Span:
    """The bytes of a part to look at; all, where the rest would not be worth a copy."""
    size = part.end - part.start
    if size <= 2 * length:
        return part.start, part.end
    seed = sha256(f"{sha256_hex} {part.start} {part.end}".encode()).digest()
    start = part.start + int.from_bytes(seed[:8]) % (size - length + 1)
    return start, start + length


def first_looks(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts whose probes decide whether any of them is worth more: spread over all their bytes."""
    wanted = [part for part in parts if part.probe]
    total = sum(part.end - part.start for part in wanted)
    chosen: list[Part] = []
    passed = looks = 0
    for part in wanted:
        passed += part.end - part.start
        if total * (2 * looks + 1) < passed * 2 * FIRST_LOOKS:
            chosen.append(part)
            while total * (2 * looks + 1) < passed * 2 * FIRST_LOOKS:
                looks += 1
    return tuple(chosen)


def too_slow(copied: int, seconds: float, pace: float) -> bool:
    """Whether copying is clearly slower than fetching.

    Args:
        copied: Bytes that were copied.
        seconds: How long that took.
        pace: Bytes that one stream brings in a second; 0 while nobody knows.
    """
    return crawls(copied, seconds) and copied * SLOWER < pace * seconds


def crawls(copied: int, seconds: float) -> bool:
    """Whether copying is so slow that the network may be faster."""
    return seconds >= ENOUGH and copied < SLOW * seconds

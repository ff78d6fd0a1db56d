"""Decides which bytes of a wrong file are fetched again: the most doubtful ones first, and each byte once. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from modelsync.transfer.journal import Provenance
from modelsync.transfer.ranges import Ranges

HOSTS = 4  # sources of one run that are fetched again one by one; each costs another hashing of the file


class Doubt(NamedTuple):
    """Bytes to fetch again.

    Attributes:
        what: What they are, in words.
        ranges: Their offsets.
    """

    what: str
    ranges: Ranges


def next_doubt(
    wrong: Ranges,
    copied: Ranges,
    resumed: Ranges,
    again: Ranges,
    history: Sequence[tuple[Provenance, Ranges]],
) -> Doubt | None:
    """The bytes to fetch again after a wrong digest; None if all that may be wrong was fetched twice.

    Args:
        wrong: Where the wrong bytes must be: the whole file, or the pieces of it with a wrong digest.
        copied: The bytes that were copied from other files.
        resumed: Those of earlier runs.
        again: Those that were fetched again already.
        history: Where which bytes came from.
    """
    for what, ranges in _candidates(wrong.without(again), resumed, history, copied):
        if found := ranges.common(wrong):
            return Doubt(what, found)
    return None


def _candidates(
    once: Ranges, resumed: Ranges, history: Sequence[tuple[Provenance, Ranges]], copied: Ranges
) -> Iterator[tuple[str, Ranges]]:
    """All candidates in order; `once` are the bytes that were fetched once."""
    yield "bytes that were copied from another file", copied
    yield "bytes of an earlier run", once.common(resumed)
    hosts: dict[str, Ranges] = {}
    for provenance, ranges in history:
        if found := ranges.common(once):
            hosts[provenance.words] = Ranges((*hosts.get(provenance.words, ()), *found))
    if 1 < len(hosts) <= HOSTS:
        words = min(hosts, key=lambda words: hosts[words].covered)
        yield f"bytes that came from {words}", hosts[words]
    yield "its bytes", once

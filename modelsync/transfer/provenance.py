"""Says in a sentence where the bytes of a wrong file came from. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

from modelsync.spec.names import printable
from modelsync.transfer.journal import Provenance
from modelsync.transfer.ranges import Ranges

NAMED = 3  # ranges of a source that are named; the others are counted
SOURCES = 6  # sources that are named; the others are counted


def sentence(history: Sequence[tuple[Provenance, Ranges]]) -> str:
    """Which bytes came from where, and when that run began; empty if nothing is recorded.

    A range is given by its first and last byte, as in HTTP.
    """
    told = [f"{_bytes(ranges)} came from {_source(provenance)}" for provenance, ranges in history[:SOURCES]]
    if len(history) > SOURCES:
        told.append(f"the rest from {len(history) - SOURCES} more")
    return "; ".join(told)


def _bytes(ranges: Ranges) -> str:
    named = [f"{start}-{end - 1}" for start, end in ranges.spans[:NAMED]]
    more = len(ranges.spans) - NAMED
    if more > 0:
        return f"bytes {', '.join(named)} and {more} more ranges"
    return f"bytes {' and '.join([', '.join(named[:-1]), named[-1]] if named[1:] else named)}"


def _source(provenance: Provenance) -> str:
    try:
        when = f"{datetime.fromtimestamp(provenance.since, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        when = "an unknown time"
    return f"{printable(provenance.words) or 'an unknown place'} ({when})"

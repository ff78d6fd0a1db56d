"""The format of a partial's journal, an append-only text file. Pure.

    modelsync-partial 1 <identity>     whose bytes these are; the journal of another identity is discarded
    boot <id>                          the lines that follow were written in this boot of the machine (-: unknown)
    @ <seconds> <source>               where the bytes that follow came from, and when that run began (Unix time)
    + <start> <end>                    these bytes were written
    ? <start> <end>                    these too, but unverified: copied from another file that probably has them
    - <start> <end>                    these bytes count no longer
    = <segment> <json>                 the version of a segment's bytes, where there is no digest
                                       (null: of unknown version)
    synced <n>                         the bytes of the first n lines have been synced to the disk

A line counts once it ends in a newline. Nothing counts after an invalid line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from modelsync.spec.names import printable
from modelsync.transfer.ranges import Ranges, Span

MAGIC = "modelsync-partial 1"
UNKNOWN_BOOT = "-"
LARGEST = 2**63 - 1


class Validator(NamedTuple):
    """A strong validator: equal ones mean equal bytes.

    Attributes:
        origin: Scheme, host and port of the server.
        etag: As the server wrote it, quotes included.
        total: Bytes of that version.
    """

    origin: str
    etag: str
    total: int


class Provenance(NamedTuple):
    """Where bytes came from, for people, and when that run began, in Unix time."""

    since: int
    words: str


class JournalState(NamedTuple):
    """The state of a partial according to its journal.

    Attributes:
        ranges: The bytes that count.
        validators: By number of the segment.
        lines: How many lines the journal has.
        length: Bytes of the journal's valid lines; what follows is torn.
        boot: The last boot that it names.
        unverified: Those of the bytes that were copied from another file.
        history: Where which bytes came from, in order of first use.
    """

    ranges: Ranges = Ranges()
    validators: Mapping[int, Validator] = {}
    lines: int = 0
    length: int = 0
    boot: str | None = None
    unverified: Ranges = Ranges()
    history: tuple[tuple[Provenance, Ranges], ...] = ()


class _Change(NamedTuple):
    """A line about bytes: its number, its sign, the bytes, and where they came from."""

    line: int
    sign: str
    span: Span
    provenance: Provenance


def read(data: bytes, identity: str, boot: str | None) -> JournalState | None:
    """Reads a journal.

    Args:
        data: The journal.
        identity: Whose bytes the partial must hold.
        boot: The ID of the current boot; None: unknown. Bytes of another boot count only if they were synced.

    Returns:
        None if it is no journal, or one of another identity.
    """
    lines = _whole_lines(data)
    if next(lines, None) != f"{MAGIC} {identity}":
        return None
    changes: list[_Change] = []
    provenance = Provenance(0, "")
    validators: dict[int, Validator | None] = {}
    since: str | None = None
    safe = 0
    length = len(f"{MAGIC} {identity}\n".encode())
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            word, rest = line.split(" ", 1)
            if word in ("+", "?", "-"):
                changes.append(_Change(number, word, _span(rest), provenance))
            elif word == "@":
                since_text, words = rest.split(" ", 1)
                provenance = Provenance(int(since_text), words)
            elif word == "synced":
                safe = max(safe, min(int(rest), number))
            elif word == "boot":
                if rest != since or rest == UNKNOWN_BOOT:
                    changes = _survivors(changes, safe)
                since = rest
            elif word == "=":
                index, value = rest.split(" ", 1)
                validators[int(index)] = _validator(value)
            else:
                break
        except (ValueError, TypeError, LookupError, RecursionError):
            break
        length += len(line.encode()) + 1
    else:
        number += 1
    if boot is None or since != boot:
        changes = _survivors(changes, safe)
    named = {segment: validator for segment, validator in validators.items() if validator is not None}
    unverified = _folded(changes, added="?")
    return JournalState(
        _folded(changes, added="+?"), named, number, length, since, unverified, _history(changes)
    )


def header_line(identity: str) -> str:
    """The first line."""
    return f"{MAGIC} {identity}\n"


def provenance_line(provenance: Provenance) -> str:
    """The line that says where the bytes that follow come from."""
    return f"@ {provenance.since} {printable(provenance.words)}\n"


def validator_line(segment: int, validator: Validator | None) -> str:
    """The line that names the version of a segment's bytes."""
    return f"= {segment} {json.dumps(validator and validator._asdict())}\n"


def _whole_lines(data: bytes) -> Iterator[str]:
    for line in data.split(b"\n")[:-1]:
        try:
            yield line.decode()
        except UnicodeDecodeError:
            return


def _span(text: str) -> Span:
    start, end = (int(part) for part in text.split(" "))
    if not 0 <= start < end <= LARGEST:
        raise ValueError(text)
    return start, end


def _validator(text: str) -> Validator | None:
    value = json.loads(text)
    if value is None:
        return None
    origin, etag, total = value["origin"], value["etag"], value["total"]
    if not (isinstance(origin, str) and isinstance(etag, str) and type(total) is int and total >= 0):
        raise TypeError(text)
    return Validator(origin, etag, total)


def _survivors(changes: list[_Change], safe: int) -> list[_Change]:
    """The changes that count after a reboot: what was synced, and every removal."""
    return [change for change in changes if change.line < safe or change.sign == "-"]


def _folded(changes: Iterable[_Change], added: str) -> Ranges:
    """The bytes that lines of these signs add, less those of later lines of other signs."""
    ranges = Ranges()
    for change in changes:
        ranges = (ranges.add if change.sign in added else ranges.remove)(*change.span)
    return ranges


def _history(changes: list[_Change]) -> tuple[tuple[Provenance, Ranges], ...]:
    brought: dict[Provenance, Ranges] = {}
    for change in changes:
        for provenance, ranges in brought.items():
            if provenance != change.provenance or change.sign == "-":
                brought[provenance] = ranges.remove(*change.span)
        if change.sign != "-":
            brought[change.provenance] = brought.get(change.provenance, Ranges()).add(*change.span)
    return tuple((provenance, ranges) for provenance, ranges in brought.items() if ranges)

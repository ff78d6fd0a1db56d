"""What a partial's journal says: a text that is only ever appended to. Pure.

    modelsync-partial 1 <identity>     whose bytes these are; another identity: not ours
    boot <id>                          what follows was written since this start of the machine (-: unknown)
    @ <seconds> <words>                whence the bytes that follow came, and when their run began (Unix time)
    + <start> <end>                    these bytes were written
    ? <start> <end>                    these too, but nothing has told yet that they are right: they were copied from
                                       another file that seems to have them
    - <start> <end>                    these do not count any more
    = <segment> <json>                 which version of a segment the bytes are of, where no digest says so
                                       (null: of none that could be named)
    synced <n>                         what the first n lines of this file say is on the disk for good

A line counts once its newline is there, and nothing counts after a line that makes no sense.
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
    """A strong validator: equal ones from one origin mean equal bytes.

    Attributes:
        origin: Scheme, host and port of the server that gave it.
        etag: As the server wrote it, quotes included.
        total: Bytes of that version.
    """

    origin: str
    etag: str
    total: int


class Whence(NamedTuple):
    """What brought bytes: when its run began, in seconds since 1970, and from where, in words."""

    since: int
    words: str


class Trusted(NamedTuple):
    """What may be believed of a partial.

    Attributes:
        ranges: The bytes that are there.
        validators: By number of the segment.
        lines: How many lines the journal has.
        length: Bytes of the journal that make sense; what follows is torn.
        boot: The start of the machine that was written down last.
        guessed: Those of the bytes that another file is only believed to have had.
        history: What brought which of them, in the order in which that was first used.
    """

    ranges: Ranges = Ranges()
    validators: Mapping[int, Validator] = {}
    lines: int = 0
    length: int = 0
    boot: str | None = None
    guessed: Ranges = Ranges()
    history: tuple[tuple[Whence, Ranges], ...] = ()


class _Change(NamedTuple):
    """A line about bytes: its number, its sign, the bytes, and what brought them."""

    line: int
    sign: str
    span: Span
    whence: Whence


def read(data: bytes, identity: str, boot: str | None) -> Trusted | None:
    """What a journal says to a machine that has been up since `boot` (None: nobody knows).

    Bytes that were written before the machine went down count only where they had been synced.

    Returns:
        None when the journal is not one of `identity`, or is none at all.
    """
    lines = _whole_lines(data)
    if next(lines, None) != f"{MAGIC} {identity}":
        return None
    changes: list[_Change] = []
    whence = Whence(0, "")
    validators: dict[int, Validator | None] = {}
    since: str | None = None
    safe = 0
    length = len(f"{MAGIC} {identity}\n".encode())
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            word, rest = line.split(" ", 1)
            if word in ("+", "?", "-"):
                changes.append(_Change(number, word, _span(rest), whence))
            elif word == "@":
                since_text, words = rest.split(" ", 1)
                whence = Whence(int(since_text), words)
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
        except (ValueError, TypeError, KeyError):
            break
        length += len(line.encode()) + 1
    else:
        number += 1
    if boot is None or since != boot:
        changes = _survivors(changes, safe)
    named = {segment: validator for segment, validator in validators.items() if validator is not None}
    guessed = _folded(changes, added="?")
    return Trusted(_folded(changes, added="+?"), named, number, length, since, guessed, _history(changes))


def head(identity: str) -> str:
    """The first line."""
    return f"{MAGIC} {identity}\n"


def whence_line(whence: Whence) -> str:
    """The line that says what brings the bytes that follow."""
    return f"@ {whence.since} {printable(whence.words)}\n"


def validator_line(segment: int, validator: Validator | None) -> str:
    """The line that says which version of a segment the bytes are of."""
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
    if not (isinstance(origin, str) and isinstance(etag, str) and isinstance(total, int)):
        raise TypeError(text)
    return Validator(origin, etag, total)


def _survivors(changes: list[_Change], safe: int) -> list[_Change]:
    """The changes that hold after the machine went down: the synced bytes, and everything that was taken back."""
    return [change for change in changes if change.line < safe or change.sign == "-"]


def _folded(changes: Iterable[_Change], added: str) -> Ranges:
    """The bytes that lines of these signs added last; those of others take them away."""
    ranges = Ranges()
    for change in changes:
        ranges = (ranges.add if change.sign in added else ranges.remove)(*change.span)
    return ranges


def _history(changes: list[_Change]) -> tuple[tuple[Whence, Ranges], ...]:
    brought: dict[Whence, Ranges] = {}
    for change in changes:
        for whence, ranges in brought.items():
            if whence != change.whence or change.sign == "-":
                brought[whence] = ranges.remove(*change.span)
        if change.sign != "-":
            brought[change.whence] = brought.get(change.whence, Ranges()).add(*change.span)
    return tuple((whence, ranges) for whence, ranges in brought.items() if ranges)

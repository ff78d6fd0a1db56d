"""Byte counts as people write and read them: the one parser and the one printer.

`GB` is decimal and `GiB` binary, in every flag, variable and keyword. Printed sizes are binary.
"""

import re
from typing import NamedTuple

LEAST_RATE = 1000  # bytes a second; a lower limit means that the unit was forgotten
_MAX = 1 << 50  # bytes
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# A string: `re` compiles it when a size is first parsed, and start-up parses none.
_FORM = r"(?ai)(\d{1,15}(?:\.\d{1,15})?) ?(?:([kmgt])(i?)(b?)|(b?))"


class _Amount(NamedTuple):
    value: int  # bytes, if the number has a unit or is a count of bytes
    has_unit: bool


def parse(text: str) -> int:
    """Bytes of `24GB` (decimal), `24GiB` (binary), `1.5T`, `512 MiB`; upper or lower case.

    Raises:
        ValueError: it is no size, or has no unit; the message says what to write.
    """
    amount = _read(text.strip())
    if amount is None or amount.value > _MAX:
        raise ValueError(f"{text!r} is no size; 24GB and 24GiB are")
    if not amount.has_unit:
        raise ValueError(f"{text!r} has no unit; write {text.strip()}GB or {text.strip()}GiB")
    return amount.value


def parse_rate(text: str) -> int:
    """Bytes a second of `5MB`, `800K`, `2.5MiB/s`, `1000`.

    Raises:
        ValueError: it is no rate, or one too low to be of use; the message says what to write.
    """
    word = text.strip().removesuffix("/s")
    # A lower-case b is for bits, an eighth of what is meant here.
    amount = None if {"b", "t", "T"} & set(word) else _read(word)
    if amount is None:
        raise ValueError(f"{text!r} is no rate; 5MB, 800K and 2.5MiB/s are: bytes a second")
    if amount.value < LEAST_RATE:
        raise ValueError(f"{text!r} is too low a rate; 1K is the lowest: {LEAST_RATE} bytes a second")
    return amount.value


def size(count: float) -> str:
    """Bytes with a binary unit and one decimal: `512 B`, `4.6 GiB`."""
    value, unit = _scaled(count)
    return f"{_number(value, unit)} {unit}"


def progress(done: float, total: float) -> str:
    """Bytes done of a total, both in the unit of the total: `2.1/4.6 GiB`."""
    value, unit = _scaled(total)
    return f"{_number(done * value / total if total else 0, unit)}/{_number(value, unit)} {unit}"


def _read(text: str) -> _Amount | None:
    match = re.fullmatch(_FORM, text)
    if match is None:
        return None
    number, prefix, binary, *byte = match.groups(default="")
    unit: int = (1024 if binary else 1000) ** " kmgt".index(prefix.lower() or " ")
    return _Amount(int(float(number) * unit), bool(prefix or any(byte)))


def _scaled(value: float) -> tuple[float, str]:
    for unit in _UNITS[:-1]:
        # 1023.95 would be shown as 1024.0
        if value < (1024 if unit == "B" else 1023.95):
            return value, unit
        value /= 1024
    return value, _UNITS[-1]


def _number(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "B" else f"{value:.1f}"

"""Columns that a text takes on a terminal: most characters take one, Chinese and emoji two, accents none.

One reading for tables, sentences and carets. Progress bars are laid out by rich, which has its own.
"""

WIDE = "WF"  # as Unicode's East Asian Width calls what takes two columns
NONE = ("Mn", "Me", "Cf")  # categories of what is drawn over the character before it, or not at all


def width(text: str) -> int:
    """The columns of a text without escapes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def ljust(text: str, columns: int) -> str:
    """`text` with blanks behind it, as many as are left of so many columns."""
    return text + " " * (columns - width(text))


def rjust(text: str, columns: int) -> str:
    """`text` with those blanks before it."""
    return " " * (columns - width(text)) + text


def head(text: str, columns: int) -> str:
    """As much of the beginning as fits."""
    if text.isascii():
        return text[: max(0, columns)]
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > columns:
            return text[:index]
    return text


def tail(text: str, columns: int) -> str:
    """As much of the end as fits; it does not begin with an accent of what was left out."""
    if text.isascii():
        return text[len(text) - columns :] if columns > 0 else ""
    used, start = 0, len(text)
    for index in range(len(text) - 1, -1, -1):
        size = _columns(text[index])
        used += size
        if used > columns:
            break
        if size:
            start = index
    return text[start:]


def shortened(text: str, columns: int) -> str:
    """`text` in so many columns, without its middle where it takes more: names differ at their ends."""
    if width(text) <= columns:
        return text
    end = (columns - 1) * 3 // 5
    return head(text, columns - 1 - end) + "…" + tail(text, end)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.category(character) in NONE:
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1
